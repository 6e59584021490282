/** `replay`: Produce and Fetch at the broker's limit, beside Apache Kafka. */

import { spawnSync } from 'node:child_process';
import type { LoadOptions } from './loader.ts';
import {
  compare,
  cpuSeconds,
  type Figures,
  print,
  residentMiB,
  type Side,
  warmMemory,
} from './measure.ts';
import { createTopic, deleteTopic, load, type Server, startPeer, startWeir } from './servers.ts';

const MB = 1e6;
const GB = 1e9;

interface Case {
  readonly recordBytes: number;
  readonly compression: LoadOptions['compression'];
  readonly bytes: number;
  readonly batchBytes: number;
}

const KIB = 1024;

/** Batches of 16 KiB, the Java producer's default, and of 512 KiB, as busy senders build them. */
const cases: readonly Case[] = [
  { recordBytes: 1000, compression: 'none', bytes: GB, batchBytes: 16 * KIB },
  { recordBytes: 1000, compression: 'none', bytes: GB, batchBytes: 512 * KIB },
  { recordBytes: 100, compression: 'none', bytes: GB, batchBytes: 16 * KIB },
  { recordBytes: 1000, compression: 'lz4', bytes: 4 * GB, batchBytes: 512 * KIB },
  { recordBytes: 100, compression: 'lz4', bytes: 4 * GB, batchBytes: 512 * KIB },
];

let topics = 0;

/** The next round must not pay for the writes of this one. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1500));
  spawnSync('sync');
}

async function round(server: Server, c: Case): Promise<Figures> {
  const topic = `replay-${topics++}`;
  await createTopic(server, topic, 4);
  const options: LoadOptions = {
    host: '127.0.0.1',
    port: server.port,
    topic,
    partitions: 4,
    acks: 1,
    inFlight: 8,
    ...c,
  };
  warmMemory(c.bytes * (c.compression === 'none' ? 1.2 : 0.5));
  const before = cpuSeconds(server.pid);
  const produced = await load('produce', options);
  const afterProduce = cpuSeconds(server.pid);
  const fetched = await load('fetch', { ...options, batchBytes: 1024 * 1024 });
  const afterFetch = cpuSeconds(server.pid);
  await deleteTopic(server, topic);
  await settle();
  return {
    'produce MB/s': produced.bytes / produced.seconds / MB,
    'produce CPU-s/GB': (afterProduce - before) / (produced.bytes / GB),
    'fetch MB/s (stored bytes)': fetched.bytes / fetched.seconds / MB,
    'fetch CPU-s/GB': (afterFetch - afterProduce) / (fetched.bytes / GB),
    'resident MiB after': residentMiB(server.pid),
  };
}

/** `only`: a part of the titles of the cases to run; '' for all. */
export async function replay(rounds: number, only = ''): Promise<void> {
  const weir = await startWeir();
  const peer = await startPeer();
  try {
    for (const c of cases) {
      const side = (server: Server): Side => ({
        name: server.name,
        round: () => round(server, c),
      });
      const title = `replay ${c.recordBytes} B, ${c.compression}, batches of ${c.batchBytes / KIB} KiB, acks=1, 4 partitions`;
      if (!title.includes(only)) continue;
      await compare(title, side(weir), side(peer), rounds);
    }
    print(`\nWeir resident after everything: ${residentMiB(weir.pid).toFixed(0)} MiB`);
  } finally {
    await weir.stop();
    await peer.stop();
  }
}
