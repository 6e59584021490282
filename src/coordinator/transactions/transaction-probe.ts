/** What the coordinator of transactions counts, in plain fields; the broker copies them at scrape. */
export class TransactionProbe {
  /** Transactional ids that are held. */
  ids = 0;
  committed = 0;
  aborted = 0;
  /** Of the aborted ones, those that took longer than their timeout. */
  timedOut = 0;
  /** Ids forgotten because nobody used them. */
  expiredIds = 0;
  /** Requests refused because there are too many ids. */
  refusedIds = 0;
  /** Markers written, and those that had to be sent again. */
  markers = 0;
  retriedMarkers = 0;
  /** Markers that wait for a leader of their partition. */
  markersWithoutLeader = 0;
  /** Ends whose record the log did not take yet. */
  endsToRetry = 0;
  /** Batches that `__transaction_state` took, and those it refused or did not commit. */
  appends = 0;
  failedAppends = 0;
  /** Records of `__transaction_state` that could not be read while loading, and were skipped. */
  unreadableRecords = 0;
  /** Partitions of `__transaction_state` that were loaded, and attempts that failed. */
  loads = 0;
  failedLoads = 0;
  /** Partitions that were read anew because it was unknown whether an append would stay. */
  uncertainAppends = 0;
  /** Milliseconds. */
  lastLoadMs = 0;
  loadMsTotal = 0;
  longestLoadMs = 0;
}
