/**
 * Which broker takes each replica of one that is to be emptied: another one that runs and has none
 * of the partition, in a rack that has none where there is one, and of those the one with the fewest
 * replicas. It takes the place of the one that goes, so that preferred leaders stay spread.
 */
import type { TopicPartition } from '../client/list-offsets.ts';

export interface Holder {
  readonly id: number;
  readonly rack: string | null;
}

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
  const load = new Map(others.map(({ id }) => [id, 0]));
  const racks = new Map(others.map(({ id, rack }) => [id, rack]));
  for (const { replicas } of partitions) {
    for (const id of replicas) if (load.has(id)) load.set(id, load.get(id)! + 1);
  }
  const moves: DrainPlan['moves'][number][] = [];
  const stuck: PlannedPartition[] = [];
  for (const { topic, partition, replicas } of partitions) {
    if (!replicas.includes(broker)) continue;
    const staying = replicas.filter((id) => id !== broker);
    const usedRacks = new Set(staying.map((id) => racks.get(id) ?? null));
    const free = others.filter(({ id }) => !staying.includes(id));
    const best = free.sort(
      (a, b) =>
        Number(usedRacks.has(a.rack) && a.rack !== null) -
          Number(usedRacks.has(b.rack) && b.rack !== null) ||
        load.get(a.id)! - load.get(b.id)! ||
        a.id - b.id,
    )[0];
    if (best !== undefined) {
      load.set(best.id, load.get(best.id)! + 1);
      const moved = replicas.map((id) => (id === broker ? best.id : id));
      moves.push({ topic, partition, replicas: moved, to: best.id });
    } else if (fewerReplicas && staying.length > 0) {
      moves.push({ topic, partition, replicas: staying, to: null });
    } else stuck.push({ topic, partition, replicas });
  }
  return { moves, stuck };
}
