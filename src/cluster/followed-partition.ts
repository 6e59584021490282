/**
 * One partition while this broker follows a leader in one term: what it asks for, and what it does
 * with what comes. A new term makes a new one, so an answer that was asked for in an earlier term
 * finds nobody any more (KAFKA-10554).
 *
 * The end of the own log is the truth of how far it is: nothing else is remembered. Where the two
 * logs part is found by epochs alone (KIP-101, 279, 595): the leader says the largest of its epochs
 * that is not above ours, and where that one ended; whatever of ours lies behind is cut.
 */
import { ZERO_UUID } from '../base/bytes.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { fetchResponse } from '../protocol/messages/01-fetch.ts';
import { baseOffset } from '../protocol/record-batch.ts';
import type { Infer } from '../protocol/schema.ts';
import type { Partition } from './partition.ts';
import type { AskedPartition } from './replica-fetch-session.ts';

type Response = Infer<typeof fetchResponse>;
export type FetchedPartition = Response['responses'][number]['partitions'][number];

export class FollowedPartition {
  readonly partition: Partition;
  readonly leaderEpoch: number;
  /** Of the partition, in every term. */
  readonly key: string;
  /** No fetch before, after a failure; of the monotonic clock. */
  restUntilMs = Number.NEGATIVE_INFINITY;
  /** Its disk has failed: it is not fetched any more. */
  hasFailed = false;
  /** The last failure that was logged: the same one is not logged at each attempt. '': none. */
  loggedFailure = '';
  /** Records that the leader is known to have more. */
  lag = 0;
  /** Whether it has ever had everything, in this term: then it counts as in sync for quotas. */
  #hasCaughtUp = false;
  #asked: AskedPartition | null = null;
  /** What is here and what the leader has go together. */
  #isChecked = false;

  constructor(partition: Partition) {
    this.partition = partition;
    this.leaderEpoch = partition.leaderEpoch;
    this.key = `${partition.topicId}/${partition.index}`;
  }

  /** Whether the partition is still to be followed in this term. */
  get isCurrent(): boolean {
    const { partition } = this;
    return (
      !partition.isRemoved && !partition.isLeader && partition.leaderEpoch === this.leaderEpoch
    );
  }
  get isThrottled(): boolean {
    return this.partition.isFollowerThrottled && !this.#hasCaughtUp;
  }

  /** What to ask the leader for. Throws when the log can't be used. */
  ask(partitionMaxBytes: number): AskedPartition {
    const { log, index } = this.partition;
    // Where nothing comes nothing is written: it would be asked for, and be in sync, for ever.
    log.logDirectory.assertOnline();
    // No term is above the one under way: no checksum covers a batch's own, so what claims one is
    // damaged. The leader, which does not know it either, could not tell where the logs part.
    if (log.latestEpoch > this.leaderEpoch) {
      this.partition.truncateTo(log.endOffsetForEpoch(this.leaderEpoch).endOffset);
    }
    const before = this.#asked;
    const { logEndOffset: fetchOffset, latestEpoch: lastFetchedEpoch, logStartOffset } = log;
    const flushedOffset = Math.min(log.flushedOffset, fetchOffset);
    const isSame =
      before !== null &&
      before.fetchOffset === fetchOffset &&
      before.flushedOffset === flushedOffset &&
      before.lastFetchedEpoch === lastFetchedEpoch &&
      before.logStartOffset === logStartOffset;
    if (isSame) return before;
    this.#asked = {
      partition: index,
      currentLeaderEpoch: this.leaderEpoch,
      fetchOffset,
      lastFetchedEpoch,
      logStartOffset,
      partitionMaxBytes,
      // None is asked for.
      replicaDirectoryId: ZERO_UUID,
      highWatermark: Number.MAX_SAFE_INTEGER,
      flushedOffset,
    };
    return this.#asked;
  }

  /**
   * Takes the leader's answer without error: appends or cuts. Returns the bytes appended. Throws
   * ProtocolError: CORRUPT_MESSAGE for what came damaged, KAFKA_STORAGE_ERROR.
   */
  take(answer: FetchedPartition): number {
    const { partition } = this;
    const { log } = partition;
    if (log.logEndOffset !== this.#asked?.fetchOffset) return 0; // Of a request before a cut.
    const { epoch, endOffset } = answer.divergingEpoch;
    if (epoch >= 0) {
      partition.truncateTo(this.#partingOffset(epoch, endOffset));
      return 0;
    }
    if (this.#isTornCopy(answer)) {
      partition.restartAt(answer.logStartOffset);
      return 0;
    }
    const records = answer.records as Buffer | null;
    const bytes = records?.length ?? 0;
    this.loggedFailure = '';
    if (records !== null && bytes > 0) {
      const first = baseOffset(records, 0);
      // The leader's log starts within a batch: so does ours, which has nothing yet.
      const isEmpty = log.logStartOffset === log.logEndOffset;
      if (isEmpty && first < log.logEndOffset) partition.restartAt(first);
      partition.replicate(records);
    }
    partition.follow(answer.highWatermark, answer.logStartOffset);
    partition.toldReplicated(answer.replicated.offset, answer.replicated.partitionEpoch);
    if (answer.removedTo > log.removedTo) log.removesTo(answer.removedTo);
    this.lag = Math.max(answer.highWatermark - log.logEndOffset, 0);
    // An answer without records may be one that had no room for them, or was held back.
    if (this.lag === 0) this.#hasCaughtUp = true;
    return bytes;
  }

  /**
   * A copy of one leader's log was not finished when another one began to lead, who lacks tombstones
   * and markers of what is still to come: with them would be missing what of the copy so far is gone.
   * A leader lets none of them go that a replica of its still needs, so that one term, and the next
   * one of the same leader, is no danger.
   */
  #isTornCopy({ removedTo }: FetchedPartition): boolean {
    if (this.#isChecked) return false;
    const { partition, leaderEpoch } = this;
    const { log, leaderId } = partition;
    const isTorn =
      log.logStartOffset < log.logEndOffset &&
      log.logEndOffset < removedTo &&
      !partition.isInSync &&
      !partition.copiesFrom(leaderId, leaderEpoch);
    if (!isTorn) {
      this.#isChecked = true;
      partition.copiedFrom(leaderId, leaderEpoch);
    }
    return isTorn;
  }

  /** Where our log stops being the leader's, whose largest epoch up to ours ended at `endOffset`. */
  #partingOffset(epoch: number, endOffset: number): number {
    const { log } = this.partition;
    const own = log.endOffsetForEpoch(epoch);
    // Without an epoch of ours to compare, the leader's end decides.
    if (own.epoch < 0) return Math.min(endOffset, log.logEndOffset);
    // We lack that epoch, so our largest one below it is asked for next (KIP-279).
    if (own.epoch !== epoch) return Math.min(own.endOffset, log.logEndOffset);
    return Math.min(own.endOffset, endOffset, log.logEndOffset);
  }

  /** The offset that we asked for is not within the leader's log, which is [start, end]. */
  moveInto(start: number, end: number): void {
    const { log } = this.partition;
    // Unclean elections leave a leader with less than its followers.
    if (end < log.logEndOffset) this.partition.truncateTo(end);
    else if (start > log.logEndOffset) this.partition.restartAt(start);
    else this.partition.follow(log.highWatermark, start);
  }
}

/** What a failure of one partition means to its follower. */
export type Verdict = 'rest' | 'failed';

export function verdictOn(followed: FollowedPartition, error: unknown): Verdict {
  if (!(error instanceof ProtocolError)) throw error;
  const isStorage = error.code === ErrorCode.KAFKA_STORAGE_ERROR;
  return isStorage && followed.partition.isOffline ? 'failed' : 'rest';
}
