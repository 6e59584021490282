/**
 * What is appended to one log: checked, given offsets and a leader epoch, written, and noted by all
 * that must know of it. Batches are appended whole or not at all, and in the order in which they came.
 */
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import {
  attributes,
  baseOffset,
  batchSize,
  isControl,
  lastOffset,
  lastOffsetDelta,
  maxTimestamp,
  partitionLeaderEpoch,
  producerId,
  recordCount,
  setBaseOffset,
  setLogAppendTime,
  setPartitionLeaderEpoch,
} from '../protocol/record-batch.ts';
import { AppendRun } from './append-run.ts';
import { segmentMsOf } from './log-config.ts';
import type { LogParts } from './log-parts.ts';
import { recompressed, validateRecords } from './log-validator.ts';
import type { BatchMetadata } from './producer-state-entry.ts';
import { SEGMENT_OFFSETS_MAX } from './sparse-index.ts';
import type { Verification } from './verification.ts';
import type { Memory } from './watched-tail.ts';

export interface AppendOptions {
  /** Written into the batches; for `replication` they keep the leader's. */
  readonly leaderEpoch: number;
  /**
   * `client`: one batch of a producer, all rules apply. `coordinator`: the broker's own batches.
   * `replication`: batches of the leader, which keep their offsets and epochs.
   */
  readonly origin: 'client' | 'coordinator' | 'replication';
  /** The memory of `records` is used again once `append` has returned: keep no reference to it. */
  readonly reused?: boolean;
  /** Of a batch that begins a transaction here: that its coordinator was asked (KIP-890). */
  readonly verification?: Verification | null;
  /** Of a marker: the version of the transaction that it ends. Default 0. */
  readonly transactionVersion?: number;
}

export interface AppendInfo {
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** Milliseconds since 1970 with LogAppendTime, and the first time's for a duplicate; else -1. */
  readonly logAppendTime: number;
  readonly logStartOffset: number;
  /** The producer had sent this batch before: nothing was appended, the offsets are the first ones. */
  readonly duplicate: boolean;
}

/** One of several batches of clients that came together: see `AppendOptions`. */
export interface ClientBatch {
  readonly records: Buffer;
  readonly reused: boolean;
  readonly verification: Verification | null;
}

/** A batch that was not appended, and why. */
export class NotAppended {
  readonly error: unknown;
  constructor(error: unknown) {
    this.error = error;
  }
}

export class LogAppends {
  readonly #parts: LogParts;

  constructor(parts: LogParts) {
    this.#parts = parts;
  }

  /**
   * Appends whole batches. Offsets and leader epoch are written into `records` in place, and the
   * log keeps a reference to it (unless `reused`, or a leader's): from here on its bytes must not change. Throws
   * ProtocolError, and then nothing was appended.
   */
  append(records: Buffer, options: AppendOptions): AppendInfo {
    const { environment, name, guard, config, mark, offsets } = this.#parts;
    guard.assertWritable();
    const { origin } = options;
    const nowMs = environment.clock.now();
    let batches = records;
    let duplicate: BatchMetadata | null;
    let hasGaps = false;
    try {
      validateRecords(records, origin, config, nowMs, name);
      if (origin === 'client') batches = recompressed(records, config);
      if (origin === 'replication') hasGaps = this.#checkPlaces(records, options.leaderEpoch);
      duplicate = origin === 'replication' ? null : this.#checkProducers(batches, options);
    } catch (error) {
      environment.probe.rejectedBatches++;
      throw error;
    }
    if (duplicate !== null) return this.#answerDuplicate(duplicate);
    let appendTime = -1;
    if (origin !== 'replication') {
      appendTime = this.#appendTime(nowMs);
      this.#assignOffsets([batches], options.leaderEpoch, appendTime);
    }
    let memory: Memory = options.reused === true && batches === records ? 'reused' : 'given';
    if (origin === 'replication') memory = 'unread';
    guard.onDisk('append to', () => {
      if (hasGaps) mark.expectGapsNow(offsets.start);
      this.#write([batches], nowMs, memory);
    });
    return this.#appended(batches, offsets.end - 1, appendTime);
  }

  /**
   * The same for batches of clients that came together: each as if it came alone, but as many as
   * possible with one write. Tells of each, in its place, where it is or why it was not appended.
   */
  appendTogether(given: readonly ClientBatch[], leaderEpoch: number): (AppendInfo | NotAppended)[] {
    const { environment, name, guard, config } = this.#parts;
    guard.assertWritable();
    const nowMs = environment.clock.now();
    const { segmentBytes } = config;
    const run = new AppendRun({ segmentBytes, segmentMs: segmentMsOf(config) });
    const outcomes: (AppendInfo | NotAppended)[] = Array.from({ length: given.length });
    for (let i = 0; i < given.length; i++) {
      const { records, reused, verification } = given[i]!;
      try {
        validateRecords(records, 'client', config, nowMs, name);
        const batch = recompressed(records, config);
        if (!run.takes(batch)) this.#writeRun(run, outcomes, leaderEpoch, nowMs);
        const duplicate = run.precedes(batch) ? null : this.#checkProducer(batch, verification);
        if (duplicate === null) run.add(batch, i, reused && batch === records);
        else outcomes[i] = this.#answerDuplicate(duplicate);
      } catch (error) {
        environment.probe.rejectedBatches++;
        outcomes[i] = new NotAppended(error);
      }
    }
    this.#writeRun(run, outcomes, leaderEpoch, nowMs);
    return outcomes;
  }

  /** Appends what is in the run, all of it or nothing, says so in `outcomes`, and empties it. */
  #writeRun(
    run: AppendRun,
    outcomes: (AppendInfo | NotAppended)[],
    leaderEpoch: number,
    nowMs: number,
  ): void {
    const { batches, places } = run;
    if (batches.length === 0) return;
    const { guard } = this.#parts;
    const appendTime = this.#appendTime(nowMs);
    try {
      guard.assertWritable();
      this.#assignOffsets(batches, leaderEpoch, appendTime);
      guard.onDisk('append to', () =>
        this.#write(batches, nowMs, run.isReused ? 'reused' : 'given'),
      );
      batches.forEach((batch, i) => {
        outcomes[places[i]!] = this.#appended(batch, lastOffset(batch, 0), appendTime);
      });
    } catch (error) {
      const failure = new NotAppended(error);
      for (const place of places) outcomes[place] = failure;
    }
    run.clear();
  }

  #appendTime(nowMs: number): number {
    return this.#parts.config.messageTimestampType === 'LogAppendTime' ? nowMs : -1;
  }

  #appended(records: Buffer, last: number, logAppendTime: number): AppendInfo {
    return {
      firstOffset: baseOffset(records, 0),
      lastOffset: last,
      logAppendTime,
      logStartOffset: this.#parts.offsets.start,
      duplicate: false,
    };
  }

  /** Throws what forbids the batches; returns what the first of them repeats. */
  #checkProducers(records: Buffer, options: AppendOptions): BatchMetadata | null {
    const { origin, verification = null, transactionVersion = 0 } = options;
    const { producers } = this.#parts;
    if (origin === 'client') return this.#checkProducer(records, verification);
    for (let at = 0; at < records.length; at += batchSize(records, at)) {
      if (producerId(records, at) < 0) continue;
      if (isControl(attributes(records, at))) {
        producers.checkMarker(records, at, transactionVersion);
      } else producers.checkCoordinated(records, at, verification);
    }
    return null;
  }

  /** The same of a client's one batch. */
  #checkProducer(batch: Buffer, verification: Verification | null): BatchMetadata | null {
    if (producerId(batch, 0) < 0) return null;
    const { producers } = this.#parts;
    const duplicate = producers.findDuplicate(batch, 0);
    if (duplicate === null) producers.check(batch, 0, verification);
    return duplicate;
  }

  #answerDuplicate(batch: BatchMetadata): AppendInfo {
    this.#parts.environment.probe.duplicateBatches++;
    return {
      firstOffset: batch.lastOffset - batch.offsetDelta,
      lastOffset: batch.lastOffset,
      logAppendTime: batch.timestamp,
      logStartOffset: this.#parts.offsets.start,
      duplicate: true,
    };
  }

  /**
   * A leader's batches follow what is here, their offsets rise, and none is of an epoch above the
   * leader's, where that is known. True: the offsets do not rise one by one.
   */
  #checkPlaces(records: Buffer, leaderEpoch: number): boolean {
    const { offsets, path } = this.#parts;
    let next = offsets.end;
    let hasGaps = false;
    for (let at = 0; at < records.length; at += batchSize(records, at)) {
      const first = baseOffset(records, at);
      if (first < next) {
        const text = `${path}: expected offset ${next} or later from the leader, saw ${first}`;
        throw new ProtocolError(ErrorCode.OFFSET_OUT_OF_RANGE, text);
      }
      const epoch = partitionLeaderEpoch(records, at);
      if (leaderEpoch >= 0 && epoch > leaderEpoch) {
        const text = `${path}: expected epoch ${leaderEpoch} or less of offset ${first}, saw ${epoch}`;
        throw new ProtocolError(ErrorCode.CORRUPT_MESSAGE, text);
      }
      hasGaps ||= first > next;
      next = lastOffset(records, at) + 1;
    }
    return hasGaps;
  }

  #assignOffsets(pieces: readonly Buffer[], leaderEpoch: number, appendTime: number): void {
    let next = this.#parts.offsets.end;
    for (const records of pieces) {
      for (let at = 0; at < records.length; at += batchSize(records, at)) {
        if (appendTime >= 0) setLogAppendTime(records, at, appendTime);
        setBaseOffset(records, at, next);
        setPartitionLeaderEpoch(records, at, leaderEpoch);
        next += lastOffsetDelta(records, at) + 1;
      }
    }
  }

  #write(pieces: readonly Buffer[], nowMs: number, memory: Memory): void {
    const { epochs } = this.#parts;
    const before = epochs.entries;
    try {
      epochs.complete();
      this.#writeBatches(pieces, nowMs, memory);
    } catch (error) {
      // The epochs of batches that were not appended must not be taken for the log's.
      epochs.restore(before);
      throw error;
    }
  }

  #writeBatches(pieces: readonly Buffer[], nowMs: number, memory: Memory): void {
    const { epochs, segments, offsets, producers, tail } = this.#parts;
    let last = -1;
    let youngest = -1;
    let count = 0;
    let batches = 0;
    let bytes = 0;
    for (const records of pieces) {
      bytes += records.length;
      for (let at = 0; at < records.length; at += batchSize(records, at)) {
        const epoch = partitionLeaderEpoch(records, at);
        if (epoch >= 0 && epoch !== epochs.latestEpoch) {
          epochs.assign(epoch, baseOffset(records, at));
        }
        last = lastOffset(records, at);
        youngest = Math.max(youngest, maxTimestamp(records, at));
        count += recordCount(records, at);
        batches++;
      }
    }
    this.#maybeRoll(bytes, youngest, baseOffset(pieces[0]!, 0), last, nowMs);
    segments.active.append(pieces);
    offsets.appendedTo(last + 1);
    for (const records of pieces) {
      for (let at = 0; at < records.length; at += batchSize(records, at)) {
        const aborted = producers.update(records, at);
        if (aborted !== null) segments.active.noteAborted(aborted);
      }
      tail.add(records, memory);
    }
    this.#countAppend(bytes, batches, count);
  }

  #countAppend(bytes: number, batches: number, records: number): void {
    const { environment, flusher, config, changed } = this.#parts;
    const { probe } = environment;
    probe.appendedBytes += bytes;
    probe.appendedBatches += batches;
    probe.appendedRecords += records;
    changed();
    flusher.appended(config);
  }

  #maybeRoll(bytes: number, youngest: number, first: number, last: number, nowMs: number): void {
    const { segments, offsets, config } = this.#parts;
    const full = segments.active.shouldRoll({
      nowMs,
      maxTimestamp: youngest,
      bytes,
      lastOffset: last,
      segmentBytes: config.segmentBytes,
      segmentMs: segmentMsOf(config),
    });
    // Without a gap before it, so that recovery can tell when the end of the one before is lost; but a
    // copy may leave out more offsets than a segment's index can span.
    const fits = last - offsets.end <= SEGMENT_OFFSETS_MAX;
    if (full) segments.rollAt(fits ? offsets.end : first);
  }
}
