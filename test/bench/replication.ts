/**
 * `replication`: three brokers beside three of Apache Kafka, replication factor 3, two in sync at
 * least, acks=all, 1 KB records. Weir runs as people run it: all three in one process.
 */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { catchUp } from './catch-up.ts';
import {
  type Cluster,
  kafkaBrokers,
  weirAppliance,
  weirBrokers,
  wholeAppliance,
} from './clusters.ts';
import { failover } from './failover-of-leaders.ts';
import type { LoadOptions } from './loader.ts';
import {
  compare,
  cpuSeconds,
  type Figures,
  print,
  report,
  residentMiB,
  type Side,
  warmMemory,
} from './measure.ts';
import { load } from './servers.ts';
import { latencyOf } from './tools.ts';

const KIB = 1024;
const BYTES = 500e6;
const PARTITIONS = 6;
const IDLE_SECONDS = 20;
const PAGE_CACHE = 'broker.log.flush.on.acks.all=false';

let topics = 0;

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const cpuOf = ({ pids }: Cluster): number => sum(pids.map(cpuSeconds));

async function produceRound(cluster: Cluster, batchBytes: number): Promise<Figures> {
  const topic = `replicated-${topics++}`;
  await cluster.createTopic(topic, PARTITIONS);
  const ports = await cluster.leaderPorts(topic);
  const options: LoadOptions = {
    ...{ host: '127.0.0.1', port: ports[0]!, ports, topic, partitions: PARTITIONS, acks: -1 },
    ...{ inFlight: 8, bytes: BYTES, recordBytes: 1000, compression: 'none', batchBytes },
  };
  warmMemory(BYTES * 3.5);
  const before = cpuOf(cluster);
  const produced = await load('produce', options);
  const after = cpuOf(cluster);
  await cluster.deleteTopic(topic);
  await sleep(1500);
  spawnSync('sync');
  return {
    'MB/s': produced.bytes / produced.seconds / 1e6,
    'CPU-s/GB, all brokers': (after - before) / (produced.bytes / 1e9),
  };
}

async function latencyRound(cluster: Cluster): Promise<Figures> {
  const topic = `replicated-latency-${topics++}`;
  await cluster.createTopic(topic, 1);
  const figures = await latencyOf(cluster.bootstrap, topic, 'all');
  await cluster.deleteTopic(topic);
  return figures;
}

async function beside(
  title: string,
  rounds: number,
  weir: () => Promise<Cluster>,
  run: (cluster: Cluster) => Promise<Figures>,
): Promise<void> {
  const clusters = [await weir(), await kafkaBrokers()];
  try {
    const [subject, peer] = clusters.map(
      (cluster): Side => ({ name: cluster.name, round: () => run(cluster) }),
    );
    await compare(title, subject!, peer!, rounds);
  } finally {
    for (const cluster of clusters) await cluster.stop();
  }
}

/** Resident memory and CPU of all brokers when nothing is to do. */
async function idle(start: () => Promise<Cluster>): Promise<Figures> {
  const cluster = await start();
  try {
    await cluster.createTopic('logs-idle', PARTITIONS);
    await sleep(20_000);
    const before = cpuOf(cluster);
    await sleep(IDLE_SECONDS * 1000);
    return {
      'idle resident MiB': sum(cluster.pids.map(residentMiB)),
      'idle CPU %': ((cpuOf(cluster) - before) / IDLE_SECONDS) * 100,
    };
  } finally {
    await cluster.stop();
  }
}

const catchUps = (rounds: number): Promise<void> =>
  report('catch-up of a follower that was away', { name: 'Weir', round: catchUp }, rounds);

const parts: readonly (readonly [name: string, run: (rounds: number) => Promise<void>])[] = [
  ...[16, 512].flatMap((kib) =>
    [true, false].map((flush) => {
      const how = flush ? 'synced to the device' : 'page cache';
      const title = `acks=all (${how}), batches of ${kib} KiB, ${PARTITIONS} partitions x 3`;
      const start = () => weirAppliance(flush ? [] : [PAGE_CACHE]);
      const run = (cluster: Cluster) => produceRound(cluster, kib * KIB);
      return [title, (rounds: number) => beside(title, rounds, start, run)] as const;
    }),
  ),
  ...[true, false].map((flush) => {
    const title = `EndToEndLatency, acks=all (${flush ? 'synced to the device' : 'page cache'})`;
    const start = () => weirAppliance(flush ? [] : [PAGE_CACHE]);
    return [title, (rounds: number) => beside(title, rounds, start, latencyRound)] as const;
  }),
  ...(
    [
      ['three brokers in one process', weirAppliance],
      ['three brokers and all collectors in one process', wholeAppliance],
    ] as const
  ).map(([what, start]) => {
    const round = (): Promise<Figures> => idle(start);
    return [`idle, ${what}`, () => report(`idle, ${what}`, { name: 'Weir', round }, 1)] as const;
  }),
  ['catch-up of a follower that was away', catchUps],
  ...[30, 3000].map((partitions) => {
    const title = `failover of a killed broker's leaders, ${partitions} partitions x 3`;
    const run = (cluster: Cluster) => failover(cluster, partitions);
    return [title, (rounds: number) => beside(title, rounds, weirBrokers, run)] as const;
  }),
];

/** `only`: a part of the names of what to run; '' for all. */
export async function replication(rounds: number, only = ''): Promise<void> {
  const chosen = parts.filter(([name]) => name.includes(only));
  if (chosen.length === 0) print(`none of: ${parts.map(([name]) => name).join('; ')}`);
  for (const [, run] of chosen) await run(rounds);
}
