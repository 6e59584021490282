/**
 * How long Kafka's own producer (acks=all, idempotent, three brokers, two of them in sync at least)
 * has no acknowledgement from a partition whose leader was killed: with what a client waits by itself,
 * unlike `failover-of-leaders.ts`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Workload } from '../crash/workload/workload.ts';
import { type Cluster, eventually, kafkaBrokers, weirBrokers } from './clusters.ts';
import { print } from './measure.ts';

const TOPIC = 'failover';
const PARTITIONS = 3;

export async function failover(rounds: number, only = ''): Promise<void> {
  const isOf = (engine: string): boolean => only === '' || only === engine;
  if (isOf('weir')) await killLeaders(await weirBrokers(), rounds, 4_000);
  // Kafka's controller waits for a session to end.
  if (isOf('kafka')) await killLeaders(await kafkaBrokers(), rounds, 15_000);
}

/** `watchedMs`: in which a new leader has been found. */
async function killLeaders(cluster: Cluster, rounds: number, watchedMs: number): Promise<void> {
  await cluster.createTopic(TOPIC, PARTITIONS);
  const { brokers } = await cluster.admin.describeCluster();
  const workload = await Workload.start({
    bootstrap: cluster.bootstrap,
    topic: TOPIC,
    partitions: PARTITIONS,
    acks: 'all',
    perSecond: 500,
  });
  await eventually('the group reads', async () => (await workload.status()).consumed > 1_000);
  const gaps: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const { partitions } = await cluster.topic(TOPIC);
    const victim = partitions[round % PARTITIONS]!.leader;
    const member = cluster.members[brokers.findIndex(({ id }) => id === victim)]!;
    await workload.mark();
    await member.kill();
    await sleep(watchedMs);
    const { errors, gapMs } = await workload.status();
    if (errors.length > 0) throw new Error(errors.join('\n'));
    gaps.push(gapMs);
    print(`${cluster.name}: broker ${victim} killed: ${gapMs} ms without an acknowledgement`);
    await member.restart();
    await cluster.inSync(TOPIC);
    await sleep(1_000);
  }
  gaps.sort((a, b) => a - b);
  print(`${cluster.name}: median ${gaps[gaps.length >> 1]} ms, longest ${gaps.at(-1)} ms`);
  await workload.end();
  await cluster.stop();
}
