/**
 * `compaction`: dirty log cleaned in a second, and what a producer on another topic notices of it.
 *
 * A compacted topic is filled and left dirty; then its dirty ratio is lowered, and it is cleaned. The
 * speed is that of the broker's own metrics; latencies are of one acks=1 record after the other.
 */
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { Producer } from '../../src/client/producer.ts';
import { WeirProcess } from '../support/weir-process.ts';
import { cpuSeconds, type Figures, report } from './measure.ts';

const DIRTY_BYTES = 400e6;
const KEYS = 500_000;
const RECORD_BYTES = 200;
const QUIET_MS = 4000;
const PAUSE_MS = 2;
/** Between two looks at the broker's metrics. */
const LOOK_MS = 200;
const PASSES = 'weir_log_cleaner_passes_total';
const MB = 1e6;

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

async function metric(weir: WeirProcess, name: string): Promise<number> {
  const text = await (await fetch(`${weir.url}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(name));
  return Number(line?.slice(line.lastIndexOf(' ') + 1) ?? Number.NaN);
}

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
    const quiet = latency(client, () => performance.now() > quietUntil);
    // Looked at as often as below: that is work for the broker, too.
    while (performance.now() < quietUntil) {
      await metric(weir, PASSES);
      await pause(LOOK_MS);
    }
    const before = await quiet;
    const cpu = cpuSeconds(weir.pid);
    const begin = performance.now();
    await admin.alterConfigs('topic', 'dirty', { 'min.cleanable.dirty.ratio': '0' });
    let isDone = false;
    const during = latency(client, () => isDone);
    while (!((await metric(weir, PASSES)) > 0)) await pause(LOOK_MS);
    const seconds = (performance.now() - begin) / 1000;
    isDone = true;
    const cleaned = await metric(weir, 'weir_log_cleaner_dirty_bytes_total');
    const slow = await during;
    return {
      'dirty MB/s': cleaned / MB / seconds,
      'dirty MB/CPU-s': cleaned / MB / (cpuSeconds(weir.pid) - cpu),
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
