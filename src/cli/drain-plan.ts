/**
 * Which broker takes each replica of one that is to be emptied. It takes the place of the one that
 * goes in the order of preference, so that preferred leaders stay spread.
 */
import type { TopicPartition } from '../client/list-offsets.ts';
import { type Holder, ReplicaSpread } from './replica-spread.ts';

export interface PlannedPartition extends TopicPartition {
  readonly replicas: readonly number[];
}

export interface DrainPlan {
  readonly moves: readonly (PlannedPartition & {
    /** Null: the partition goes on with one replica less. */
    readonly to: number | null;
  })[];
  /** Partitions for whose replica there is no other broker. */
  readonly stuck: readonly PlannedPartition[];
}

export interface DrainOptions {
  readonly broker: number;
  /** Every partition of the cluster, as it will be once moves under way are done. */
  readonly partitions: readonly PlannedPartition[];
  /** Brokers that run, but not the one to be emptied. */
  readonly others: readonly Holder[];
  /** Whether a partition may go on with fewer replicas (but at least one) when there is no broker. */
  readonly fewerReplicas: boolean;
}

export function planDrain({ broker, partitions, others, fewerReplicas }: DrainOptions): DrainPlan {
  const spread = new ReplicaSpread(
    others,
    partitions.map(({ replicas }) => replicas),
  );
  const moves: DrainPlan['moves'][number][] = [];
  const stuck: PlannedPartition[] = [];
  for (const { topic, partition, replicas } of partitions) {
    if (!replicas.includes(broker)) continue;
    const staying = replicas.filter((id) => id !== broker);
    const to = spread.take(staying);
    if (to !== null) {
      const moved = replicas.map((id) => (id === broker ? to : id));
      moves.push({ topic, partition, replicas: moved, to });
    } else if (fewerReplicas && staying.length > 0) {
      moves.push({ topic, partition, replicas: staying, to: null });
    } else stuck.push({ topic, partition, replicas });
  }
  return { moves, stuck };
}
