/** The two brokers that benchmarks hold side by side, each a process of its own. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { kafkaTool, startKafka } from '../peers/kafka.ts';
import { type WeirOptions, WeirProcess } from '../support/weir-process.ts';
import type { LoadOptions, LoadResult } from './loader.ts';

export interface Server {
  readonly name: string;
  readonly bootstrap: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Only the broker, unless told. */
export const startWeir = (options: WeirOptions = {}): Promise<WeirProcess> =>
  WeirProcess.start({ roles: 'broker', ...options });

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
  // A round's data goes with its topic, so that each round finds the page cache alike.
  args.push('--config', 'file.delete.delay.ms=100');
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
  return runLoader(file, [kind, JSON.stringify(options)]);
}

/** Runs a program that prints its result as JSON. */
export function runLoader<R>(file: string, args: readonly string[]): Promise<R> {
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(out) as R);
      else reject(new Error(`replayer ended with ${code}`));
    });
  });
}
