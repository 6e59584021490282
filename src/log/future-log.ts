/**
 * A future replica: the copy of a log that is to take its place in another log directory (KIP-113).
 *
 * Invariant: it holds batches of the current log as they are, without a gap, from its start up to some
 * offset; where the current log is cut, so is the copy, before anything more is copied. The current
 * log is not compacted meanwhile: a copy that had a value and missed its tombstone would bring
 * the value back.
 */
import { ProtocolError } from '../protocol/error-codes.ts';
import type { ManagedDirectory } from './managed-directory.ts';
import type { PartitionLog } from './partition-log.ts';

export interface FutureLogOptions {
  readonly current: PartitionLog;
  readonly future: PartitionLog;
  readonly target: ManagedDirectory;
  /** Of the name of its directory. */
  readonly unique: string;
}

/** Nothing was cut since the last step. */
const UNCUT = Number.POSITIVE_INFINITY;

/** What was copied is not what the log has: it is thrown away. */
export class CopyDiffers extends Error {
  override name = 'CopyDiffers';
}

export class FutureLog {
  readonly current: PartitionLog;
  readonly future: PartitionLog;
  readonly target: ManagedDirectory;
  readonly unique: string;
  /** No attempt before, after a failure; of the monotonic clock. */
  restUntilMs = Number.NEGATIVE_INFINITY;
  /** The last failure that was logged: the same one is not logged at each attempt. '': none. */
  loggedFailure = '';
  /** Neither goes on: it has taken the place of the current one, was given up, or lost its disk. */
  isOver = false;
  #cutTo = UNCUT;

  constructor({ current, future, target, unique }: FutureLogOptions) {
    this.current = current;
    this.future = future;
    this.target = target;
    this.unique = unique;
    current.onCut = (endOffset) => {
      this.#cutTo = Math.min(this.#cutTo, endOffset);
    };
  }

  /** Offsets that it is behind the current log. */
  get lag(): number {
    return Math.max(this.current.logEndOffset - this.future.logEndOffset, 0);
  }

  /** Resolves when the device has what the copy has by now, and that tombstones are missing in it. */
  async save(): Promise<void> {
    await this.future.flush();
    await this.future.saveRemovedTo();
  }
  /** The copy's device has all that the current log's has, so that a start finds no less in it. */
  get isSafe(): boolean {
    const { current, future } = this;
    return (
      future.flushedOffset >= current.flushedOffset &&
      future.removedTo >= current.removedTo &&
      future.isRemovedToSaved
    );
  }

  /** The current log may be compacted again. */
  end(): void {
    this.isOver = true;
    this.current.onCut = null;
  }

  /** Where a copy of `log` begins: the start of a log may lie within a batch. */
  static startOf(log: PartitionLog): number {
    const { logStartOffset, logEndOffset } = log;
    const read = log.read(logStartOffset, 1, { upTo: logEndOffset, minOneMessage: true });
    read.release?.();
    return Math.min(read.firstOffset, logStartOffset);
  }

  /**
   * After a start, when the two may have been apart: cuts what is not of the current log, found by
   * epochs as a follower does (KIP-101, 279). Throws CopyDiffers, and for a compacted log always:
   * what was compacted while the copy's disk was away cannot be told.
   */
  reconcile(): void {
    const { current, future } = this;
    if (current.cleanedTo !== null || current.config.cleanupPolicy.includes('compact')) {
      throw new CopyDiffers('the log is compacted');
    }
    for (;;) {
      const { latestEpoch: epoch, logEndOffset } = future;
      if (logEndOffset <= future.logStartOffset) return;
      const theirs = current.endOffsetForEpoch(epoch);
      if (theirs.epoch < 0) throw new CopyDiffers(`the log has no epoch ${epoch}`);
      const ours = future.endOffsetForEpoch(theirs.epoch);
      if (ours.epoch < 0) throw new CopyDiffers(`the copy has no epoch ${theirs.epoch}`);
      this.#truncateTo(Math.min(ours.endOffset, theirs.endOffset, logEndOffset));
      if (theirs.epoch === epoch) return;
      // The current log lacks that epoch; the largest one below it is compared next.
      if (future.latestEpoch >= epoch) throw new CopyDiffers(`the log has no epoch ${epoch}`);
    }
  }

  #truncateTo(offset: number): void {
    const { future } = this;
    if (offset >= future.logEndOffset) return;
    if (offset <= future.firstSegmentOffset) throw new CopyDiffers(`the log ends at ${offset}`);
    try {
      future.truncateTo(offset);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // Half done, it is not a copy any more.
      throw new CopyDiffers(error.message);
    }
  }

  /**
   * Copies about `maxBytes`, one batch at least; returns how many. Throws ProtocolError, and
   * CopyDiffers when the copy must be made anew.
   */
  copy(maxBytes: number): number {
    const { current, future } = this;
    if (future.config !== current.config) future.updateConfig(current.config);
    if (this.#cutTo < future.logEndOffset) this.#truncateTo(this.#cutTo);
    this.#cutTo = UNCUT;
    const bytes = future.logEndOffset < current.logEndOffset ? this.#append(maxBytes) : 0;
    future.setHighWatermark(Math.min(current.highWatermark, future.logEndOffset));
    if (future.removedTo < current.removedTo) future.removesTo(current.removedTo);
    this.#followStart();
    return bytes;
  }

  #append(maxBytes: number): number {
    const { current, future } = this;
    const from = future.logEndOffset;
    if (from < current.logStartOffset && from < FutureLog.startOf(current)) {
      throw new CopyDiffers(`the log starts at ${current.logStartOffset}`);
    }
    const bounds = { upTo: current.logEndOffset, minOneMessage: true };
    const size = Math.min(maxBytes, current.config.segmentBytes);
    const read = current.read(Math.max(from, current.logStartOffset), size, bounds);
    try {
      if (read.bytes > 0 && read.firstOffset < from) {
        throw new CopyDiffers(`a batch of the log begins at ${read.firstOffset}`);
      }
      const { records } = read;
      for (const { buffer, byteOffset, length } of records instanceof Uint8Array
        ? [records]
        : records) {
        const batches = Buffer.from(buffer, byteOffset, length);
        future.append(batches, { leaderEpoch: -1, origin: 'replication', reused: true });
      }
      return read.bytes;
    } finally {
      read.release?.();
    }
  }

  #followStart(): void {
    const { current, future } = this;
    const start = Math.min(current.logStartOffset, future.highWatermark);
    if (start > future.logStartOffset) future.advanceLogStartOffset(start);
  }
}
