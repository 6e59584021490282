/**
 * `start`: from the command to the first acknowledged record, memory and CPU when nothing is to do, beside
 * Apache Kafka.
 */
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { apis } from '../../src/protocol/apis.ts';
import { writeRequest } from '../../src/protocol/frame.ts';
import { RecordBatchBuilder } from '../../src/protocol/record-batch-builder.ts';
import { type Kafka, startKafka } from '../peers/kafka.ts';
import { freePort } from '../peers/peer.ts';
import { root } from '../support/weir-process.ts';
import { compare, cpuSeconds, type Figures, residentMiB } from './measure.ts';

/** Long enough for what comes once a minute. */
const IDLE_SECONDS = 60;
const GIVE_UP_MS = 60_000;

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** A Metadata request that creates the topic, then a Produce request with acks=1, on one connection. */
function tryProduce(port: number): Promise<boolean> {
  const builder = new RecordBatchBuilder();
  builder.append(1_767_225_600_000, null, Buffer.from('first'));
  const metadata = writeRequest(apis.get(3)!, 4, 1, 'bench', {
    topics: [{ name: 'first' }],
    allowAutoTopicCreation: true,
  });
  const produce = writeRequest(apis.get(0)!, 9, 2, 'bench', {
    transactionalId: null,
    acks: 1,
    timeoutMs: 1000,
    topicData: [{ name: 'first', partitionData: [{ index: 0, records: builder.build() }] }],
  });
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    let seen = Buffer.alloc(0);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.write(Buffer.concat([...metadata, ...produce])));
    socket.on('data', (chunk: Buffer) => {
      seen = Buffer.concat([seen, chunk]);
      const first = seen.length < 4 ? Number.POSITIVE_INFINITY : 4 + seen.readInt32BE(0);
      if (seen.length < first + 4 || seen.length < first + 4 + seen.readInt32BE(first)) return;
      socket.destroy();
      // Behind size, correlation id and empty tags: one topic, its name, one partition, its index.
      const error = seen.readInt16BE(first + 4 + 4 + 1 + 1 + 1 + 'first'.length + 1 + 4);
      resolve(error === 0);
    });
  });
}

/** Seconds from now until a record is acknowledged. */
async function untilProduced(port: number): Promise<number> {
  const begin = performance.now();
  while (!(await tryProduce(port))) {
    if (performance.now() - begin > GIVE_UP_MS) throw new Error('no acknowledged record in time');
    await pause(2);
  }
  return (performance.now() - begin) / 1000;
}

async function idle(pid: number): Promise<Figures> {
  await pause(5000);
  const before = cpuSeconds(pid);
  await pause(IDLE_SECONDS * 1000);
  return {
    'idle CPU %': ((cpuSeconds(pid) - before) / IDLE_SECONDS) * 100,
    'idle resident MiB': residentMiB(pid),
  };
}

const figuresOf = (seconds: number): Figures => ({ 'first acknowledged record s': seconds });

/** Null cache: the user's own, which a later start finds filled. */
async function weirRound(data: string, cache: string | null): Promise<Figures> {
  const isLater = cache === null;
  const [port, http] = [await freePort(), await freePort()];
  const args = ['src/weir.mjs', 'up', '--data', data];
  args.push('--set', `kafka.port=${port}`, '--set', `console.port=${http}`);
  args.push('--set', 'collectors.files.enabled=false', '--set', 'collectors.syslog.enabled=false');
  const env = { ...process.env, ...(isLater ? {} : { NODE_COMPILE_CACHE: cache }) };
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'ignore', env });
  try {
    const figures = figuresOf(await untilProduced(port));
    return isLater ? { ...figures, ...(await idle(child.pid!)) } : figures;
  } finally {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }
}

const fresh = (): string => fs.mkdtempSync(path.join(os.tmpdir(), 'weir-bench-'));

/** What is compiled by then is what the end of `npm ci` has compiled, and no start before it. */
async function firstOfWeir(): Promise<Figures> {
  const [data, cache] = [fresh(), fresh()];
  try {
    const env = { ...process.env, NODE_COMPILE_CACHE: cache, npm_command: 'ci' };
    execFileSync(process.execPath, ['src/prepare.mjs'], { cwd: root, env });
    return await weirRound(data, cache);
  } finally {
    for (const folder of [data, cache]) fs.rmSync(folder, { recursive: true });
  }
}

/** With the formatting of its directory, which is part of a first start. */
async function firstOfKafka(): Promise<Figures> {
  const port = await freePort();
  const starting = startKafka({ local: true, port });
  try {
    return figuresOf(await untilProduced(port));
  } finally {
    await (await starting).stop();
  }
}

async function laterOfKafka(kafka: Kafka): Promise<Figures> {
  const starting = kafka.restart();
  try {
    const figures = figuresOf(await untilProduced(Number(kafka.bootstrap.split(':')[1])));
    await starting;
    return { ...figures, ...(await idle(kafka.pid)) };
  } finally {
    await starting;
    await kafka.halt();
  }
}

export async function start(rounds: number): Promise<void> {
  await compare(
    'very first start',
    { name: 'Weir', round: firstOfWeir },
    { name: 'Apache Kafka', round: firstOfKafka },
    rounds,
  );
  const data = fresh();
  const kafka = await startKafka({ local: true });
  try {
    await kafka.halt();
    await compare(
      'later start',
      { name: 'Weir', round: () => weirRound(data, null) },
      { name: 'Apache Kafka', round: () => laterOfKafka(kafka) },
      rounds,
    );
  } finally {
    await kafka.stop();
    fs.rmSync(data, { recursive: true });
  }
}
