/** More or fewer replicas for the partitions of a topic, as moves that the cluster carries out. */
import { OperatingError } from '../base/errors.ts';
import { type Administrators, settledPartitions } from './broker-client.ts';
import type { PlannedPartition } from './drain-plan.ts';
import { type Holder, ReplicaSpread } from './replica-spread.ts';

/** Begins the moves; the cluster goes on with them. */
export async function changeFactor(
  { admin, cluster }: Administrators,
  topic: string,
  factor: number,
): Promise<void> {
  const { brokers } = await cluster.describeCluster();
  const running = brokers.filter(({ isFenced }) => !isFenced);
  const moves = planFactor(topic, factor, await settledPartitions(admin, cluster), running);
  if (moves.length === 0) return;
  const results = await cluster.alterReassignments(moves);
  const failed = results.find(({ error }) => error !== null);
  if (failed?.error) throw failed.error;
}

/** The partitions that change. The first replicas stay; throws when there are too few brokers. */
export function planFactor(
  topic: string,
  factor: number,
  partitions: readonly PlannedPartition[],
  brokers: readonly Holder[],
): PlannedPartition[] {
  if (factor > brokers.length) {
    throw new OperatingError(
      'too-few-brokers',
      `${factor} replicas need ${factor} brokers; ${brokers.length} run`,
    );
  }
  const spread = new ReplicaSpread(
    brokers,
    partitions.map(({ replicas }) => replicas),
  );
  const moves: PlannedPartition[] = [];
  for (const partition of partitions) {
    if (partition.topic !== topic || partition.replicas.length === factor) continue;
    const replicas = partition.replicas.slice(0, factor);
    while (replicas.length < factor) {
      const next = spread.take(replicas);
      if (next === null) break;
      replicas.push(next);
    }
    moves.push({ ...partition, replicas });
  }
  return moves;
}
