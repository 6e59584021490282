/** The two brokers that benchmarks hold side by side, each a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { kafkaTool, startKafka } from '../peers/kafka.ts';
import { freePort } from '../peers/peer.ts';
import type { LoadOptions, LoadResult } from './loader.ts';

export const root = path.resolve(import.meta.dirname, '../..');

export interface Server {
  readonly name: string;
  readonly bootstrap: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface WeirOptions {
  readonly roles?: string;
  readonly settings?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Kept when given; a temporary folder otherwise. */
  readonly data?: string;
}

export interface WeirServer extends Server {
  readonly httpPort: number;
  readonly data: string;
}

/** Starts Weir from the checkout; resolves when its broker accepts connections. */
export async function startWeir(options: WeirOptions = {}): Promise<WeirServer> {
  const [port, httpPort] = [await freePort(), await freePort()];
  const data = options.data ?? fs.mkdtempSync(path.join(os.tmpdir(), 'weir-bench-'));
  const args = ['src/main.ts', 'up', '--data', data, '--roles', options.roles ?? 'broker'];
  const settings = [`kafka.port=${port}`, `console.port=${httpPort}`, ...(options.settings ?? [])];
  for (const setting of settings) args.push('--set', setting);
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...options.env },
  });
  await answers(port, child);
  return {
    name: 'Weir',
    bootstrap: `127.0.0.1:${port}`,
    port,
    httpPort,
    data,
    pid: child.pid!,
    async stop() {
      await ended(child);
      if (options.data === undefined) fs.rmSync(data, { recursive: true, force: true });
    },
  };
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

async function answers(port: number, child: ChildProcess): Promise<void> {
  const { connect } = await import('node:net');
  for (let attempt = 0; attempt < 1500; attempt++) {
    if (child.exitCode !== null) throw new Error(`Weir ended with ${child.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('Weir did not listen within 30 s');
}

export async function startPeer(): Promise<Server> {
  const kafka = await startKafka({ local: true });
  const port = Number(kafka.bootstrap.split(':')[1]);
  return {
    name: 'Apache Kafka',
    bootstrap: kafka.bootstrap,
    port,
    pid: kafka.pid,
    stop: () => kafka.stop(),
  };
}

export async function createTopic(
  server: Server,
  topic: string,
  partitions: number,
): Promise<void> {
  const args = ['--bootstrap-server', server.bootstrap, '--create', '--topic', topic];
  args.push('--partitions', String(partitions), '--replication-factor', '1');
  // Old data must not fill the disk: a round's data is deleted soon after it.
  args.push('--config', 'retention.bytes=4294967296');
  const result = await kafkaTool('org.apache.kafka.tools.TopicCommand', args);
  if (result.code !== 0) throw new Error(`create ${topic}: ${result.stderr}`);
}

export async function deleteTopic(server: Server, topic: string): Promise<void> {
  const args = ['--bootstrap-server', server.bootstrap, '--delete', '--topic', topic];
  const result = await kafkaTool('org.apache.kafka.tools.TopicCommand', args);
  if (result.code !== 0) throw new Error(`delete ${topic}: ${result.stderr}`);
}

/** Runs the replayer as a process of its own. */
export function load(kind: 'produce' | 'fetch', options: LoadOptions): Promise<LoadResult> {
  const file = path.join(import.meta.dirname, 'loader.ts');
  const child = spawn(process.execPath, [file, kind, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => {
      if (code === 0) resolve(JSON.parse(out) as LoadResult);
      else reject(new Error(`replayer ended with ${code}`));
    });
  });
}
