/**
 * `compaction`: dirty log cleaned in a second, and what a producer on another topic notices of it.
 *
 * A compacted topic is filled and left dirty; then its dirty ratio is lowered, and it is cleaned. When
 * that is over tells the cleaner's checkpoint: scrapes would be work for the broker, too, and more of
 * it than a hundredth of the records would notice. How many bytes it were tells the broker's own
 * metric; latencies are of one acks=1 record after the other.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { Producer } from '../../src/client/producer.ts';
import { CLEANER_OFFSET_FILE } from '../../src/log/log-files.ts';
import { WeirProcess } from '../support/weir-process.ts';
import { cpuSeconds, type Figures, report } from './measure.ts';

const DIRTY_BYTES = 1e9;
const KEYS = 500_000;
const RECORD_BYTES = 200;
const QUIET_MS = 8000;
const PAUSE_MS = 2;
/** Between two looks at the cleaner's checkpoint. */
const LOOK_MS = 20;
const SCRAPE_MS = 200;
const DIRTY = 'weir_log_cleaner_dirty_bytes_total';
const MB = 1e6;

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

async function metric(weir: WeirProcess, name: string): Promise<number> {
  const text = await (await fetch(`${weir.url}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(name));
  return Number(line?.slice(line.lastIndexOf(' ') + 1) ?? Number.NaN);
}

/** The cleaner's checkpoint, which names a log once a pass over it is over. */
function checkpointOf(weir: WeirProcess): string {
  const [log] = fs.globSync(path.join(weir.data, '**', 'dirty-0'));
  return path.join(log!, '..', CLEANER_OFFSET_FILE);
}

const isCleaned = (checkpoint: string): boolean =>
  fs.existsSync(checkpoint) && fs.readFileSync(checkpoint, 'latin1').includes('dirty 0 ');

async function fill(client: Client): Promise<void> {
  const producer = new Producer(client, { acks: 1, bufferBytes: 64 * MB });
  const filler = 'lorem ipsum dolor sit amet '.repeat(8).slice(0, RECORD_BYTES);
  let sent = 0;
  for (let n = 0; sent < DIRTY_BYTES; n++) {
    const key = Buffer.from(`user-${(n * 7919) % KEYS}`);
    while (!producer.append('dirty', Buffer.from(filler), { key, partition: 0 })) {
      await producer.drained();
    }
    sent += RECORD_BYTES + key.length;
  }
  await producer.flush();
  await producer.close();
}

/** 99th percentile of a record's way to the broker and back, until `isOver`. Milliseconds. */
async function latency(client: Client, isOver: () => boolean): Promise<number> {
  const producer = new Producer(client, { acks: 1, lingerMs: 0 });
  const times: number[] = [];
  while (!isOver()) {
    const begin = performance.now();
    await new Promise<void>((resolve) => {
      producer.append('beside', Buffer.from('x'.repeat(RECORD_BYTES)), {
        delivered: () => resolve(),
      });
    });
    times.push(performance.now() - begin);
    await pause(PAUSE_MS);
  }
  await producer.close();
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)] ?? Number.NaN;
}

async function round(): Promise<Figures> {
  const weir = await WeirProcess.start({
    roles: 'broker,console',
    settings: ['broker.log.cleaner.backoff.ms=200'],
  });
  const client = new Client({ bootstrap: [weir.bootstrap], clientId: 'bench' });
  try {
    const admin = new Admin(client);
    await admin.createTopics([
      {
        name: 'dirty',
        partitions: 1,
        configs: {
          'cleanup.policy': 'compact',
          'min.cleanable.dirty.ratio': '1',
          'segment.bytes': String(64 * 1024 * 1024),
        },
      },
      { name: 'beside', partitions: 1 },
    ]);
    await fill(client);
    const quietUntil = performance.now() + QUIET_MS;
    const before = await latency(client, () => performance.now() > quietUntil);
    const checkpoint = checkpointOf(weir);
    const cpu = cpuSeconds(weir.pid);
    const begin = performance.now();
    await admin.alterConfigs('topic', 'dirty', { 'min.cleanable.dirty.ratio': '0' });
    let isDone = false;
    const during = latency(client, () => isDone);
    while (!isCleaned(checkpoint)) await pause(LOOK_MS);
    const seconds = (performance.now() - begin) / 1000;
    const cpuUsed = cpuSeconds(weir.pid) - cpu;
    isDone = true;
    const slow = await during;
    let cleaned = 0;
    while (!((cleaned = await metric(weir, DIRTY)) > 0)) await pause(SCRAPE_MS);
    return {
      'dirty MB/s': cleaned / MB / seconds,
      'dirty MB/CPU-s': cleaned / MB / cpuUsed,
      'p99 ms without': before,
      'p99 ms meanwhile': slow,
      'p99 ratio': slow / before,
    };
  } finally {
    client.close();
    await weir.stop();
  }
}

export const compaction = (rounds: number): Promise<void> =>
  report('compaction', { name: 'Weir', round }, rounds);
