/** A Weir of this checkout as a process of its own, on free ports, for tests and benchmarks. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '../peers/peer.ts';

export const root = path.resolve(import.meta.dirname, '../..');

const START_TIMEOUT_MS = 30_000;

export interface WeirOptions {
  /** All by default. */
  readonly roles?: string;
  /** `key=value`, as `--set` takes them. */
  readonly settings?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A program with arguments that runs it by executing it, as `prlimit` and `env` do. */
  readonly under?: readonly string[];
  /** Folder of its data; a temporary one unless told. */
  readonly data?: string;
  /** Of several, where each runs in a process of its own: its id, and the port of broker 0. */
  readonly broker?: { readonly id: number; readonly port: number };
}

export class WeirProcess {
  readonly name = 'Weir';
  readonly port: number;
  readonly httpPort: number;
  readonly syslogPort: number;
  readonly data: string;
  readonly #options: WeirOptions;
  #child: ChildProcess | null = null;
  #output = '';

  private constructor(ports: readonly number[], data: string, options: WeirOptions) {
    [this.port, this.httpPort, this.syslogPort] = ports as [number, number, number];
    this.data = data;
    this.#options = options;
  }

  /** Resolves when its broker and its HTTP port, as far as it has their roles, accept connections. */
  static async start(options: WeirOptions = {}): Promise<WeirProcess> {
    const { broker } = options;
    const port = broker === undefined ? await freePort() : broker.port + broker.id;
    const ports = [port, await freePort(), await freePort()];
    const data = options.data ?? fs.mkdtempSync(path.join(os.tmpdir(), 'weir-test-'));
    const weir = new WeirProcess(ports, data, options);
    await weir.restart();
    return weir;
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.port}`;
  }
  get url(): string {
    return `http://127.0.0.1:${this.httpPort}`;
  }
  get pid(): number {
    return this.#child?.pid ?? 0;
  }
  /** What it printed, over all starts. */
  get output(): string {
    return this.#output;
  }

  /** Starts it on the same ports and data. */
  async restart(): Promise<void> {
    const args = ['src/weir.mjs', 'up', '--data', this.data];
    if (this.#options.roles !== undefined) args.push('--roles', this.#options.roles);
    const settings = [
      `kafka.port=${this.#options.broker?.port ?? this.port}`,
      `console.port=${this.httpPort}`,
      `collectors.syslog.port=${this.syslogPort}`,
      ...(this.#options.settings ?? []),
    ];
    for (const setting of settings) args.push('--set', setting);
    const { under = [] } = this.#options;
    const [program, ...rest] = [...under, process.execPath, ...args] as [string, ...string[]];
    const child = spawn(program, rest, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.#options.env },
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-65_536);
      });
    }
    const { roles } = this.#options;
    try {
      if (roles?.includes('broker') !== false) await this.#answers(child, this.port);
      if (roles?.includes('console') !== false) await this.#answers(child, this.httpPort);
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  async #answers(child: ChildProcess, port: number): Promise<void> {
    const until = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < until) {
      if (child.exitCode !== null || child.signalCode !== null) break;
      if (await accepts(port)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`Weir does not listen on ${port} (exit ${child.exitCode}):\n${this.#output}`);
  }

  /** SIGKILL; the data stays. */
  kill(): Promise<void> {
    return this.#signal('SIGKILL');
  }

  /** SIGTERM; the data stays. Resolves with the exit code. */
  async halt(): Promise<number | null> {
    const child = this.#child;
    await this.#signal('SIGTERM');
    return child?.exitCode ?? null;
  }

  /** Ends it and removes its data. */
  async stop(): Promise<void> {
    await this.#signal('SIGTERM');
    fs.rmSync(this.data, { recursive: true, force: true });
  }

  async #signal(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.kill(signal);
    });
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
