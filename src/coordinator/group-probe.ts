import type { GroupState } from './group.ts';

/** What the coordinator counts, in plain fields; the broker copies them at scrape. */
export class GroupProbe {
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
  /** Batches that `__consumer_offsets` took, and those it refused or did not commit. */
  appends = 0;
  failedAppends = 0;
  /** Records of `__consumer_offsets` that could not be read while loading, and were skipped. */
  unreadableRecords = 0;
  /** Partitions of `__consumer_offsets` that were loaded, and attempts that failed. */
  loads = 0;
  failedLoads = 0;
  /** Partitions that were read anew because it was unknown whether an append would stay. */
  uncertainAppends = 0;
  /** Milliseconds. */
  lastLoadMs = 0;
  loadMsTotal = 0;
  longestLoadMs = 0;
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
