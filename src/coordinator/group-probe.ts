import { CoordinatorProbe } from './coordinator-probe.ts';
import type { GroupState } from './group.ts';

/** What the coordinator counts, in plain fields; the broker copies them at scrape. */
export class GroupProbe extends CoordinatorProbe {
  readonly groups: Record<GroupState, number> = {
    Empty: 0,
    PreparingRebalance: 0,
    CompletingRebalance: 0,
    Stable: 0,
    Dead: 0,
  };
  /** Groups of the consumer protocol, in whatever state. */
  consumerGroups = 0;
  members = 0;
  /** Committed offsets that are held. */
  offsets = 0;
  /** Offsets committed since the start. */
  commits = 0;
  /** Rebalances of classic groups that ended with a stored assignment, and epochs of consumer groups. */
  rebalances = 0;
  /** Of them, those of consumer groups. */
  consumerRebalances = 0;
  /** Members removed because their session timed out. */
  expiredMembers = 0;
  expiredOffsets = 0;
  deletedOffsets = 0;
  /** Requests refused because of `group.max.size`, too many groups, or too many unused member ids. */
  refusedMembers = 0;
  refusedGroups = 0;
  /** Offset commits refused because of `offset.metadata.max.bytes`. */
  refusedMetadata = 0;

  /** Groups of all types and states. */
  get groupCount(): number {
    const { Empty, PreparingRebalance, CompletingRebalance, Stable } = this.groups;
    return Empty + PreparingRebalance + CompletingRebalance + Stable + this.consumerGroups;
  }
}
