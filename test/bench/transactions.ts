/**
 * `transactions`: produce in transactions of 100 ms, beside Apache Kafka; on the page cache, as
 * Kafka does it, and with each acknowledgement behind the device.
 *
 * First by Kafka's own producer, whose one thread is busier than either broker, then by several
 * producers whose requests were encoded before, which load the broker to its limit.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkCommitted } from './committed.ts';
import { compare, cpuSeconds, type Figures, type Side, warmMemory } from './measure.ts';
import {
  createTopic,
  deleteTopic,
  runLoader,
  type Server,
  startPeer,
  startWeir,
} from './servers.ts';
import { transactionalProducer } from './tools.ts';
import type { TransactionLoadOptions, TransactionLoadResult } from './transaction-loader.ts';

const KIB = 1024;
const GB = 1e9;
/** Apache Kafka gets faster by a third from the second gigabyte to the fourth: its code is compiled. */
const WARM_UP_ROUNDS = 3;
const PAGE_CACHE = 'broker.log.flush.on.acks.all=false';

let topics = 0;

async function replayed(server: Server, partitions: number, batchBytes: number): Promise<Figures> {
  const topic = `committed-${topics++}`;
  await createTopic(server, topic, partitions);
  const address = { host: '127.0.0.1', port: server.port };
  const options: TransactionLoadOptions = {
    ...{ ...address, topic, partitions, producers: 4, transactionMs: 100 },
    ...{ inFlight: 5, bytes: GB, recordBytes: 1000, compression: 'none', batchBytes },
  };
  warmMemory(options.bytes * 1.2);
  const before = cpuSeconds(server.pid);
  const file = path.join(import.meta.dirname, 'transaction-loader.ts');
  const result = await runLoader<TransactionLoadResult>(file, [JSON.stringify(options)]);
  const after = cpuSeconds(server.pid);
  const count = await checkCommitted(address, topic, partitions, result.committed);
  if (count * options.recordBytes !== result.bytes) {
    throw new Error(`${count} records are there, ${result.bytes} bytes of them were committed`);
  }
  await deleteTopic(server, topic);
  // The next round must not pay for the writes of this one.
  await sleep(1500);
  spawnSync('sync');
  return {
    'MB/s': result.bytes / result.seconds / 1e6,
    'broker CPU-s/GB': (after - before) / (result.bytes / GB),
    'commits/s': result.committed.length / result.seconds,
    'commit ms': result.commitMs,
    'commit to next record ms': result.nextMs,
    'requests sent again': result.retries,
    'broker CPU s/s': (after - before) / result.seconds,
    'replayer CPU s/s': result.cpuSeconds / result.seconds,
  };
}

interface Case {
  readonly title: string;
  readonly run: (server: Server) => Promise<Figures>;
}

const cases: readonly Case[] = [
  { title: 'ProducerPerformance, 1 KB records', run: transactionalProducer },
  ...[
    { partitions: 1, kib: 16 },
    { partitions: 4, kib: 16 },
    { partitions: 4, kib: 64 },
  ].map(({ partitions, kib }) => ({
    title: `replay, 4 producers, 1 KB records, ${partitions} x ${kib} KiB in a request`,
    run: (server: Server) => replayed(server, partitions, kib * KIB),
  })),
];

/** `only`: a part of the titles of the cases to run; '' for all. */
export async function transactions(rounds: number, only = ''): Promise<void> {
  for (const onDevice of [false, true]) {
    const where = onDevice ? 'on the device' : 'page cache';
    const chosen = cases
      .map(({ title, run }) => ({ title: `transactions of 100 ms, ${where}: ${title}`, run }))
      .filter(({ title }) => title.includes(only));
    if (chosen.length === 0) continue;
    const weir = await startWeir({ settings: onDevice ? [] : [PAGE_CACHE] });
    const peer = await startPeer();
    try {
      for (const { title, run } of chosen) {
        const side = (server: Server): Side => ({ name: server.name, round: () => run(server) });
        await compare(title, side(weir), side(peer), rounds, WARM_UP_ROUNDS);
      }
    } finally {
      await weir.stop();
      await peer.stop();
    }
  }
}
