import { CoordinatorProbe } from '../coordinator-probe.ts';

/** What the coordinator of transactions counts, in plain fields; the broker copies them at scrape. */
export class TransactionProbe extends CoordinatorProbe {
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
}
