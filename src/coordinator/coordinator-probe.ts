/** What every coordinator counts of its internal topic, in plain fields. */
export class CoordinatorProbe {
  /** Batches that the topic took, and those it refused or did not commit. */
  appends = 0;
  failedAppends = 0;
  /** Records that could not be read while loading, and were skipped. */
  unreadableRecords = 0;
  /** Partitions that were loaded, and attempts that failed. */
  loads = 0;
  failedLoads = 0;
  /** Shards that were given up because it was unknown whether an append would stay. */
  uncertainAppends = 0;
  /** How long the last load, all of them and the longest one took, milliseconds. */
  lastLoadMs = 0;
  loadMsTotal = 0;
  longestLoadMs = 0;
}
