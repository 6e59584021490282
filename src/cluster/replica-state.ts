/**
 * What a leader knows of one of its followers: where its log ends and what of it is on its device,
 * as told by its fetches, and when it last had everything.
 *
 * A fetch from an offset says that everything before it is in the follower's log. Offsets are -1
 * until the follower has fetched in this leader's term. Times are of the monotonic clock.
 */

/** Not told yet. */
export const UNKNOWN_OFFSET = -1;

/** A broker epoch that is not told; it is taken for any. */
export const UNKNOWN_BROKER_EPOCH = -1;

export interface FollowerPosition {
  /** Where its log ends. */
  readonly fetchOffset: number;
  /** What lies before is on its device; -1: it does not tell. */
  readonly flushedOffset: number;
  readonly logStartOffset: number;
  readonly brokerEpoch: number;
}

export class ReplicaState {
  readonly id: number;
  logEndOffset = UNKNOWN_OFFSET;
  flushedOffset = UNKNOWN_OFFSET;
  logStartOffset = UNKNOWN_OFFSET;
  /** Under which it fetches; see KIP-903. */
  brokerEpoch = UNKNOWN_BROKER_EPOCH;
  /** It has fetched since this broker leads. */
  hasFetched = false;
  /** The last time at which it had everything that there was; -Infinity: never. */
  lastCaughtUpMs = Number.NEGATIVE_INFINITY;
  /** Counts for the high watermark: it is in sync, or is being added to those that are. */
  isInSync = false;
  /** No attempt to bring it in sync before: the controller has refused one. */
  expandNotBeforeMs = Number.NEGATIVE_INFINITY;
  #lastFetchMs = Number.NEGATIVE_INFINITY;
  /** Where the leader's log ended at the last fetch. */
  #leaderEndThen = UNKNOWN_OFFSET;

  constructor(id: number) {
    this.id = id;
  }

  /** A new term begins, at `leaderEnd`; `isNewLeader`: somebody else led the one before. */
  reset(nowMs: number, leaderEnd: number, isNewLeader: boolean, isInSync: boolean): void {
    this.lastCaughtUpMs = isInSync ? nowMs : Number.NEGATIVE_INFINITY;
    this.isInSync = isInSync;
    this.expandNotBeforeMs = Number.NEGATIVE_INFINITY;
    if (isNewLeader) {
      this.logEndOffset = UNKNOWN_OFFSET;
      this.flushedOffset = UNKNOWN_OFFSET;
      this.logStartOffset = UNKNOWN_OFFSET;
      this.brokerEpoch = UNKNOWN_BROKER_EPOCH;
      this.hasFetched = false;
      this.#lastFetchMs = Number.NEGATIVE_INFINITY;
      this.#leaderEndThen = UNKNOWN_OFFSET;
    } else {
      this.#lastFetchMs = isInSync ? nowMs : Number.NEGATIVE_INFINITY;
      this.#leaderEndThen = leaderEnd;
    }
  }

  /** It fetches, when the leader's log ends at `leaderEnd`. */
  fetched(position: FollowerPosition, nowMs: number, leaderEnd: number): void {
    const { fetchOffset } = position;
    if (fetchOffset >= leaderEnd) this.lastCaughtUpMs = Math.max(this.lastCaughtUpMs, nowMs);
    else if (this.#leaderEndThen >= 0 && fetchOffset >= this.#leaderEndThen) {
      // It has what there was when it last asked; that it lacks is younger.
      this.lastCaughtUpMs = Math.max(this.lastCaughtUpMs, this.#lastFetchMs);
    }
    this.logEndOffset = fetchOffset;
    this.flushedOffset = Math.min(position.flushedOffset, fetchOffset);
    this.logStartOffset = position.logStartOffset;
    this.brokerEpoch = position.brokerEpoch;
    this.hasFetched = true;
    this.#lastFetchMs = nowMs;
    this.#leaderEndThen = leaderEnd;
  }

  /** It has everything, or had so not longer than `lagMaxMs` ago. */
  isCaughtUp(leaderEnd: number, nowMs: number, lagMaxMs: number): boolean {
    return this.logEndOffset === leaderEnd || nowMs - this.lastCaughtUpMs <= lagMaxMs;
  }
}
