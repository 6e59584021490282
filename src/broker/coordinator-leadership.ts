/**
 * Has the group coordinator take over the partitions of `__consumer_offsets` that this broker comes
 * to lead, and let go of those that it leads no more.
 */
import type { Partition } from '../cluster/partition.ts';
import { OFFSETS_TOPIC } from '../cluster/topic-names.ts';
import type { GroupCoordinator } from '../coordinator/group-coordinator.ts';

export interface Leaderships {
  /** Calls it whenever this broker begins or ends to lead a partition, in the order of the terms. */
  onLeadership(listener: (partition: Partition, isLeader: boolean) => void): void;
}

export function followOffsetsTopic(leaderships: Leaderships, groups: GroupCoordinator): void {
  leaderships.onLeadership((partition, isLeader) => {
    if (partition.topic !== OFFSETS_TOPIC) return;
    const { index, leaderEpoch } = partition;
    if (!isLeader) groups.unload(index, leaderEpoch);
    // Nobody waits for it: what fails is logged and tried again, and requests are told meanwhile.
    else void groups.load(index, leaderEpoch);
  });
}
