/** What replication has done on this broker since it started, as plain numbers. */
export class ReplicationStats {
  isrShrinks = 0;
  isrExpands = 0;
  /** Changes of the ISR that the controller refused. */
  failedIsrUpdates = 0;
  /** Bytes of record batches that this broker has fetched as a follower. */
  bytesIn = 0;
  /** Bytes of record batches that this broker has sent to followers. */
  bytesOut = 0;
  /** Logs that were cut because they differed from the leader's. */
  truncations = 0;
  /** Cuts that went below what was known to be committed: an unclean election was before. */
  truncationsBelowCommitted = 0;
  /** Batches that came damaged from a leader, and were refused. */
  corruptBatches = 0;
  /** Damaged ranges of logs here that were mended with what other replicas have of them. */
  mendedRanges = 0;
  /** Such that were left as they are, because what other replicas have of them does not fit. */
  unmendableRanges = 0;
  /** Fetches of this broker as a follower that failed, and answers to them that it could not take. */
  fetchFailures = 0;
}
