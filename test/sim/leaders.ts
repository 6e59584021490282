/** Who leads a partition, seen from outside. */
import type { Partition } from '../../src/cluster/partition.ts';
import type { World } from './world.ts';

export const leads = (partition: Partition): boolean =>
  (partition as unknown as { isLeader?: boolean }).isLeader ?? true;

/** The partition on a broker that serves and takes itself for its leader. */
export function leaderOf(world: World, topic: string, index: number): Partition | null {
  for (const node of world.nodes) {
    if (!node.isServing) continue;
    const partition = node.broker!.services.partitions.get(topic, index);
    if (partition !== undefined && !partition.isOffline && leads(partition)) return partition;
  }
  return null;
}

/** All partitions of a topic. */
export const leadersOf = (world: World, topic: string, partitions: number): (Partition | null)[] =>
  Array.from({ length: partitions }, (_, index) => leaderOf(world, topic, index));
