/** A cluster of Weir brokers, each a process of its own with a disk of its own, to be ill-treated. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Client } from '../../src/client/client.ts';
import {
  accepts,
  findProgram,
  freePort,
  PeerProcess,
  sleep,
  temporaryDirectory,
} from '../peers/peer.ts';
import { type FileSystem, LoopVolume } from './loop-volume.ts';
import type { Network } from './network.ts';
import { root } from './weir-process.ts';

export interface ClusterProcessesOptions {
  readonly brokers?: number;
  /** Kafka's broker settings, for all of them. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Kind of the filesystem of each broker's disk; a plain folder where there is none. */
  readonly volumes?: readonly FileSystem[];
  readonly racks?: readonly string[];
  /** Each broker runs on the host of its id, and clients come in through doors. */
  readonly network?: Network;
  /** Each has a console, too, on that port of its host. */
  readonly consolePort?: number;
}

/** On a host of its own: where the other brokers reach it, and where clients do. */
const PEERS_PORT = 9092;
const CLIENTS_PORT = 9093;

const START_MS_MAX = 60_000;

export class BrokerProcess {
  readonly id: number;
  readonly port: number;
  readonly volume: LoopVolume | null;
  readonly #peer: PeerProcess;
  #isStopped = false;

  constructor(id: number, port: number, volume: LoopVolume | null, peer: PeerProcess) {
    this.id = id;
    this.port = port;
    this.volume = volume;
    this.#peer = peer;
  }

  /** 0 when it does not run. */
  get pid(): number {
    return this.#peer.pid;
  }
  get isRunning(): boolean {
    return this.#peer.pid > 0 && !this.#isStopped;
  }
  get logFile(): string {
    return this.#peer.logFile;
  }

  kill(): Promise<void> {
    return this.#peer.kill();
  }
  /** SIGTERM: in order. */
  halt(): Promise<void> {
    return this.#peer.halt();
  }
  restart(): Promise<void> {
    return this.#peer.restart();
  }
  stopProcess(): void {
    this.#isStopped = true;
    process.kill(-this.pid, 'SIGSTOP');
  }
  continueProcess(): void {
    this.#isStopped = false;
    process.kill(-this.pid, 'SIGCONT');
  }

  /** The power of its disk goes, and the process with it. What was not synced is lost. */
  async cutPower(): Promise<void> {
    const { volume } = this;
    if (volume === null) throw new Error(`broker ${this.id} has no disk of its own`);
    volume.cutPower();
    await this.kill();
    volume.remount();
  }

  /** From now on each sync of the disk fails with EIO; ends with the function that it returns. */
  failSyncs(): () => Promise<void> {
    const strace = findProgram('strace');
    if (strace === null) throw new Error('`strace` is not installed: apt-get install strace');
    const args = ['-f', '-qq', '-o', '/dev/null', '-p', String(this.pid)];
    args.push('-e', 'trace=fdatasync,fsync', '-e', 'inject=fdatasync,fsync:error=EIO');
    const child = spawn(strace, args, { stdio: 'ignore' });
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    return async () => {
      child.kill('SIGINT');
      await ended;
    };
  }
}

export class ClusterProcesses {
  readonly brokers: readonly BrokerProcess[];
  readonly directory: string;

  private constructor(directory: string, brokers: readonly BrokerProcess[]) {
    this.directory = directory;
    this.brokers = brokers;
  }

  static async start(options: ClusterProcessesOptions = {}): Promise<ClusterProcesses> {
    const count = options.brokers ?? 3;
    const { network, consolePort } = options;
    const roles = consolePort === undefined ? 'broker' : 'broker,console';
    const directory = temporaryDirectory('weir-cluster');
    const ports: number[] = [];
    while (ports.length < count) {
      const port = await (network?.door(ports.length, CLIENTS_PORT) ?? freePort());
      if (!ports.includes(port)) ports.push(port);
    }
    const volumes = ports.map((_, id) => {
      const kind = options.volumes?.[id % options.volumes.length];
      return kind === undefined ? null : LoopVolume.create(kind, directory, `disk-${id}`);
    });
    const file = path.join(directory, 'weir.yaml');
    fs.writeFileSync(file, configuration(options, directory, ports, volumes));
    const starts = ports.map(async (port, id) => {
      const weir = [process.execPath, 'src/weir.mjs', 'up', '--config', file, '--roles', roles];
      const [command, ...args] = [...(network?.on(id) ?? []), ...weir] as [string, ...string[]];
      const peer = await PeerProcess.start({
        name: `weir-broker-${id}`,
        command,
        args: [...args, '--broker', String(id)],
        cwd: root,
        // A door is open before there is anybody behind it; `complete` knocks.
        ready: () => accepts(port),
        startTimeoutMs: START_MS_MAX,
      });
      return new BrokerProcess(id, port, volumes[id] ?? null, peer);
    });
    const cluster = new ClusterProcesses(directory, await Promise.all(starts));
    await cluster.complete();
    return cluster;
  }

  /** Resolves when all brokers are in service. */
  async complete(): Promise<void> {
    const client = new Client({ bootstrap: this.bootstrap, clientId: 'test', retryBackoffMs: 20 });
    try {
      await eventually('all brokers are in service', async () => {
        await client.metadata.refresh();
        return client.metadata.brokers.size === this.brokers.length;
      });
    } finally {
      client.close();
    }
  }

  get bootstrap(): string {
    return this.brokers.map(({ port }) => `127.0.0.1:${port}`).join(',');
  }
  broker(id: number): BrokerProcess {
    const broker = this.brokers[id];
    if (broker === undefined) throw new Error(`there is no broker ${id}`);
    return broker;
  }

  async stop(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.kill()));
    for (const { volume } of this.brokers) volume?.remove();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

function configuration(
  { settings = {}, racks, network, consolePort }: ClusterProcessesOptions,
  directory: string,
  ports: readonly number[],
  volumes: readonly (LoopVolume | null)[],
): string {
  const lines = [
    `data: { dir: ${path.join(directory, 'appliance')} }`,
    'log: { to: { topic: false } }',
  ];
  lines.push('brokers:');
  for (const [id, port] of ports.entries()) {
    const disk = volumes[id]?.path ?? path.join(directory, `disk-${id}`);
    fs.mkdirSync(disk, { recursive: true });
    lines.push(`  - id: ${id}`, `    data: ${path.join(disk, 'data')}`);
    if (network === undefined) lines.push(`    port: ${port}`);
    else {
      const host = network.address(id);
      const peers = `PEERS://${host}:${PEERS_PORT}`;
      lines.push(`    listeners: ['${peers}', 'CLIENTS://${host}:${CLIENTS_PORT}']`);
      lines.push(`    advertised.listeners: ['${peers}', 'CLIENTS://127.0.0.1:${port}']`);
    }
    const rack = racks?.[id];
    if (rack !== undefined) lines.push(`    rack: ${rack}`);
  }
  if (network !== undefined) {
    const inside = {
      'listener.security.protocol.map': '[PEERS:PLAINTEXT, CLIENTS:PLAINTEXT]',
      'inter.broker.listener.name': 'PEERS',
    };
    lines.push('insecure: true');
    if (consolePort !== undefined) lines.push(`console: { host: 0.0.0.0, port: ${consolePort} }`);
    settings = { ...settings, ...inside };
  }
  lines.push('broker:', ...Object.entries(settings).map(([key, value]) => `  ${key}: ${value}`));
  return `${lines.join('\n')}\n`;
}

/** Resolves once `done` says so. */
export async function eventually(
  what: string,
  done: () => Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown = null;
  while (performance.now() < deadline) {
    try {
      if (await done()) return;
    } catch (error) {
      last = error;
    }
    await sleep(50);
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: last });
}
