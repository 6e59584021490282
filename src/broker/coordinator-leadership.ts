/**
 * Has a coordinator take over the partitions of its internal topic that this broker comes to lead,
 * and let go of those that it leads no more.
 */
import type { Partition } from '../cluster/partition.ts';

export interface Leaderships {
  /** Calls it whenever this broker begins or ends to lead a partition, in the order of the terms. */
  onLeadership(listener: (partition: Partition, isLeader: boolean) => void): void;
}

/** See `GroupCoordinator` and `TransactionCoordinator`. */
interface PartitionedCoordinator {
  load(partition: number, epoch: number): Promise<void>;
  unload(partition: number, epoch: number): void;
}

export function followTopic(
  leaderships: Leaderships,
  topic: string,
  coordinator: PartitionedCoordinator,
): void {
  leaderships.onLeadership((partition, isLeader) => {
    if (partition.topic !== topic) return;
    const { index, leaderEpoch } = partition;
    if (!isLeader) coordinator.unload(index, leaderEpoch);
    // Nobody waits for it: what fails is logged and tried again, and requests are told meanwhile.
    else void coordinator.load(index, leaderEpoch);
  });
}
