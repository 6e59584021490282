import { assert } from '../base/assert.ts';
import type { Disk } from '../base/disk.ts';
import { below } from '../base/random.ts';
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
import { LeaderEpochFileCache } from './leader-epoch-file-cache.ts';
import type { LogConfig } from './log-config.ts';
import { isPassing, type LogDirectory } from './log-directory.ts';
import type { LogEnvironment } from './log-environment.ts';
import { DELETED_SUFFIX, LOG_SUFFIX, offsetName, TEMPORARY_SUFFIX } from './log-files.ts';
import { LogFlusher } from './log-flusher.ts';
import { findAborted, loadLog, rebuildProducers } from './log-loader.ts';
import {
  emptyRead,
  type LogRead,
  LogReader,
  type OffsetAndTimestamp,
  type ReadBounds,
} from './log-reader.ts';
import { countUnwanted } from './log-retention.ts';
import { LogSegment } from './log-segment.ts';
import { recompressed, validateRecords } from './log-validator.ts';
import type { BatchMetadata, ProducerStateEntry } from './producer-state-entry.ts';
import { ProducerStateManager } from './producer-state-manager.ts';
import { SegmentList } from './segment-list.ts';
import { swapIn } from './segment-swap.ts';
import { SEGMENT_OFFSETS_MAX } from './sparse-index.ts';
import { LogTail } from './tail-cache.ts';
import type { AbortedTransaction } from './transaction-index.ts';
import type { Verification } from './verification.ts';

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

export interface PartitionLogOptions {
  readonly environment: LogEnvironment;
  readonly logDirectory: LogDirectory;
  /** Path of the partition's own directory, which exists. */
  readonly path: string;
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string | null;
  readonly config: LogConfig;
  readonly clean: boolean;
  readonly recoveryPoint: number;
  readonly logStartOffset: number;
  readonly highWatermark: number;
  /** From the cleaner's checkpoint; null: never cleaned, and without gaps. */
  readonly cleanedTo: number | null;
  /** Must make `flushedOffset` durable before it returns: it is about to go down. */
  readonly saveRecoveryPoint: (log: PartitionLog) => void;
  /** Must make `cleanedTo` durable before it returns: offsets are about to have gaps. */
  readonly saveCleaned: (log: PartitionLog) => void;
  /** The log start offset went up. */
  readonly onLogStartChanged: (log: PartitionLog) => void;
}

/**
 * Of appended batches: `given` is the log's from now on, `reused` is written to again. What a
 * follower copies is `unread`: readers ask the leader, as a rule.
 */
type Memory = 'given' | 'reused' | 'unread';

/** What is appended to is not compacted, so no segment of a compacted log may stay open for longer. */
const segmentMsOf = ({ segmentMs, maxCompactionLagMs, cleanupPolicy }: LogConfig): number =>
  cleanupPolicy.includes('compact') ? Math.min(segmentMs, maxCompactionLagMs) : segmentMs;

/** A directory that is full may have no room for a longer name: then the file goes at once. False: so it was. */
function renamedOrRemoved(disk: Disk, path: string): boolean {
  try {
    disk.rename(path, path + DELETED_SUFFIX);
    return true;
  } catch (error) {
    if (!isPassing(error)) throw error;
    disk.remove(path);
    return false;
  }
}

/**
 * A log whose readers have been elsewhere for this many bytes, or that nobody has read up to its end,
 * is not kept in the tail cache: copies that nobody asks for cost a tenth of a small append.
 */
const TAIL_UNREAD_BYTES_MAX = 8 * 1024 * 1024;

/**
 * One partition on disk: Kafka's UnifiedLog.
 *
 * Invariants: batches from `logStartOffset` up to `logEndOffset`, offsets strictly rising and never
 * used twice; `flushedOffset` (the recovery point) ≤ `logEndOffset`; what lies before it is on the
 * device. Everything but `flush` and `close` is synchronous, so nothing is ever seen half done.
 *
 * A crash leaves at most a torn tail behind the recovery point, indexes and producer snapshots that
 * lag behind, and files named `.deleted`; `loadLog` tells what becomes of each.
 */
export class PartitionLog {
  readonly topic: string;
  readonly partition: number;
  readonly logDirectory: LogDirectory;
  readonly #environment: LogEnvironment;
  readonly #options: PartitionLogOptions;
  readonly #segments = new SegmentList();
  readonly #epochs: LeaderEpochFileCache;
  readonly #producers: ProducerStateManager;
  readonly #reader: LogReader;
  readonly #flusher: LogFlusher;
  readonly #tail: LogTail;
  #path: string;
  #topicId: string | null;
  #config: LogConfig;
  #logStartOffset = 0;
  #logEndOffset = 0;
  #highWatermark = 0;
  #cleanedTo: number | null;
  /** How often its end was cut off: what was learnt of its segments before is worth nothing then. */
  #cuts = 0;
  /** Who copies it to another directory is told where it ends now. Null: nobody does. */
  onCut: ((endOffset: number) => void) | null = null;
  #tailUnreadBytes = Number.POSITIVE_INFINITY;
  #closed = false;

  private constructor(options: PartitionLogOptions) {
    const { environment } = options;
    this.topic = options.topic;
    this.partition = options.partition;
    this.logDirectory = options.logDirectory;
    this.#environment = environment;
    this.#options = options;
    this.#path = options.path;
    this.#topicId = options.topicId;
    this.#config = options.config;
    this.#cleanedTo = options.cleanedTo;
    const { disk, logger, probe } = environment;
    this.#epochs = new LeaderEpochFileCache(disk, options.path);
    this.#producers = new ProducerStateManager({ disk, directory: options.path, logger, probe });
    this.#reader = new LogReader(environment, this.#segments);
    this.#flusher = new LogFlusher({
      environment,
      logDirectory: options.logDirectory,
      path: options.path,
      segments: this.#segments,
      epochs: this.#epochs,
      logEndOffset: () => this.#logEndOffset,
    });
    this.#tail = new LogTail(environment.tailCache);
    this.#noteCompacted();
  }

  /** Opens the log in `options.path`, recovering what an unclean stop left. */
  static open(options: PartitionLogOptions): PartitionLog {
    const log = new PartitionLog(options);
    log.#load();
    return log;
  }

  #load(): void {
    const { environment, clean, recoveryPoint, logStartOffset, highWatermark } = this.#options;
    const loaded = loadLog({
      environment,
      directory: this.#path,
      segments: this.#segments,
      epochs: this.#epochs,
      producers: this.#producers,
      clean,
      recoveryPoint,
      logStartOffset,
      highWatermark,
      mayHaveGaps: this.#config.cleanupPolicy.includes('compact') || this.#cleanedTo !== null,
      preallocates: this.#config.preallocate,
      makeSegment: (base, existing) => this.#makeSegment(base, existing),
    });
    this.#logStartOffset = loaded.logStartOffset;
    this.#logEndOffset = loaded.logEndOffset;
    this.#flusher.startAt(loaded.recoveryPoint);
    this.#highWatermark = Math.min(
      Math.max(highWatermark, loaded.logStartOffset),
      loaded.logEndOffset,
    );
    this.#flusher.entriesDirty = !clean;
    environment.segmentCache.forget(this.#segments.active);
  }

  #makeSegment(base: number, existing: boolean): LogSegment {
    const { environment } = this;
    const { segmentJitterMs, indexIntervalBytes, segmentIndexBytes, preallocate, segmentBytes } =
      this.#config;
    const jitter = Math.min(segmentJitterMs, segmentMsOf(this.#config));
    const options = {
      ...environment,
      directory: this.#path,
      baseOffset: base,
      indexIntervalBytes,
      segmentIndexBytes,
      preallocatedBytes: preallocate ? segmentBytes : 0,
      rollJitterMs: jitter > 0 ? below(environment.random, jitter) : 0,
      onOpened: (segment: LogSegment): void => {
        if (this.#segments.length > 0 && segment !== this.#segments.active) {
          environment.segmentCache.used(segment);
        }
      },
      findAborted: (segment: LogSegment): void =>
        findAborted(this.#producers, this.#segments, this.#logStartOffset, segment),
    };
    return existing ? new LogSegment(options) : LogSegment.create(options);
  }

  get environment(): LogEnvironment {
    return this.#environment;
  }
  get path(): string {
    return this.#path;
  }
  get topicId(): string | null {
    return this.#topicId;
  }
  get config(): LogConfig {
    return this.#config;
  }
  get logStartOffset(): number {
    return this.#logStartOffset;
  }
  /** The offset that the next record gets. */
  get logEndOffset(): number {
    return this.#logEndOffset;
  }
  /** Consumers see what lies before. */
  get highWatermark(): number {
    return this.#highWatermark;
  }
  /** Readers of committed records see what lies before: of no transaction that may still be aborted. */
  get lastStableOffset(): number {
    const first = this.#producers.transactions.firstUnstableOffset;
    if (first < 0 || first >= this.#highWatermark) return this.#highWatermark;
    return Math.max(first, this.#logStartOffset);
  }
  /** The recovery point: what lies before survives power loss. */
  get flushedOffset(): number {
    return this.#flusher.flushedOffset;
  }
  get segmentCount(): number {
    return this.#segments.length;
  }
  /** -1 when no leader epoch is known. */
  get latestEpoch(): number {
    return this.#epochs.latestEpoch;
  }
  get firstSegmentOffset(): number {
    return this.#segments.first.baseOffset;
  }
  get activeSegmentOffset(): number {
    return this.#segments.active.baseOffset;
  }
  /** For the cleaner, which only looks. */
  get segments(): Iterable<LogSegment> {
    return this.#segments;
  }
  /** Compaction has been through what lies before; null: it was never here. */
  get cleanedTo(): number | null {
    return this.#cleanedTo;
  }
  get cuts(): number {
    return this.#cuts;
  }
  get isClosed(): boolean {
    return this.#closed;
  }
  /** It is being copied to another directory: compaction must not take away what the copy has. */
  get isMoving(): boolean {
    return this.onCut !== null;
  }
  /** Bytes of all segments. */
  get size(): number {
    let bytes = 0;
    for (const segment of this.#segments) bytes += segment.size;
    return bytes;
  }

  setTopicId(topicId: string): void {
    this.#topicId = topicId;
  }

  setHighWatermark(offset: number): void {
    const bounded = Math.min(Math.max(offset, this.#logStartOffset), this.#logEndOffset);
    if (bounded === this.#highWatermark) return;
    this.#highWatermark = bounded;
    this.#producers.transactions.onHighWatermark(bounded);
    this.#environment.onDirty();
  }

  updateConfig(config: LogConfig): void {
    this.#config = config;
    this.#noteCompacted();
  }

  #noteCompacted(): void {
    if (this.#config.cleanupPolicy.includes('compact')) this.#environment.onCompacted();
  }

  #assertUsable(): void {
    this.logDirectory.assertOnline();
    if (this.#closed) {
      throw new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER, `${this.#path} is closed`);
    }
  }

  /** Runs what touches the disk; its failures become the protocol's, and fence the directory. */
  #onDisk<T>(what: string, action: () => T): T {
    this.#assertUsable();
    try {
      return action();
    } catch (error) {
      throw this.logDirectory.failed(`${what} ${this.#path}`, error);
    }
  }

  /**
   * Runs changes that belong together: halfway through, the log would be neither what it was nor what
   * it is to be, so that no failure leaves its directory in service.
   */
  #asOne(what: string, changes: () => void): void {
    try {
      changes();
    } catch (error) {
      this.logDirectory.takeOffline(`can't ${what} ${this.#path}`, error);
      throw error;
    }
  }

  /**
   * Appends whole batches. Offsets and leader epoch are written into `records` in place, and the
   * log keeps a reference to it (unless `reused`, or a leader's): from here on its bytes must not change. Throws
   * ProtocolError, and then nothing was appended.
   */
  append(records: Buffer, options: AppendOptions): AppendInfo {
    this.#assertUsable();
    const { origin } = options;
    const nowMs = this.#environment.clock.now();
    let batches = records;
    let duplicate: BatchMetadata | null;
    let hasGaps = false;
    try {
      validateRecords(records, origin, this.#config, nowMs);
      if (origin === 'client') batches = recompressed(records, this.#config);
      if (origin === 'replication') hasGaps = this.#checkOffsets(records);
      duplicate = origin === 'replication' ? null : this.#checkProducers(batches, options);
    } catch (error) {
      this.#environment.probe.rejectedBatches++;
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
    this.#onDisk('append to', () => {
      if (hasGaps) this.#expectGaps();
      this.#write([batches], nowMs, memory);
    });
    return this.#appended(batches, this.#logEndOffset - 1, appendTime);
  }

  /**
   * The same for batches of clients that came together: each as if it came alone, but as many as
   * possible with one write. Tells of each, in its place, where it is or why it was not appended.
   */
  appendTogether(given: readonly ClientBatch[], leaderEpoch: number): (AppendInfo | NotAppended)[] {
    this.#assertUsable();
    const nowMs = this.#environment.clock.now();
    const { segmentBytes } = this.#config;
    const run = new AppendRun({ segmentBytes, segmentMs: segmentMsOf(this.#config) });
    const outcomes: (AppendInfo | NotAppended)[] = Array.from({ length: given.length });
    for (let i = 0; i < given.length; i++) {
      const { records, reused, verification } = given[i]!;
      try {
        validateRecords(records, 'client', this.#config, nowMs);
        const batch = recompressed(records, this.#config);
        if (!run.takes(batch)) this.#writeRun(run, outcomes, leaderEpoch, nowMs);
        const duplicate = run.precedes(batch) ? null : this.#checkProducer(batch, verification);
        if (duplicate === null) run.add(batch, i, reused && batch === records);
        else outcomes[i] = this.#answerDuplicate(duplicate);
      } catch (error) {
        this.#environment.probe.rejectedBatches++;
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
    const appendTime = this.#appendTime(nowMs);
    try {
      this.#assertUsable();
      this.#assignOffsets(batches, leaderEpoch, appendTime);
      this.#onDisk('append to', () =>
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
    return this.#config.messageTimestampType === 'LogAppendTime' ? nowMs : -1;
  }

  #appended(records: Buffer, last: number, logAppendTime: number): AppendInfo {
    return {
      firstOffset: baseOffset(records, 0),
      lastOffset: last,
      logAppendTime,
      logStartOffset: this.#logStartOffset,
      duplicate: false,
    };
  }

  /** Throws what forbids the batches; returns what the first of them repeats. */
  #checkProducers(records: Buffer, options: AppendOptions): BatchMetadata | null {
    const { origin, verification = null, transactionVersion = 0 } = options;
    if (origin === 'client') return this.#checkProducer(records, verification);
    for (let at = 0; at < records.length; at += batchSize(records, at)) {
      if (producerId(records, at) < 0) continue;
      if (isControl(attributes(records, at))) {
        this.#producers.checkMarker(records, at, transactionVersion);
      } else this.#producers.checkCoordinated(records, at, verification);
    }
    return null;
  }

  /** The same of a client's one batch. */
  #checkProducer(batch: Buffer, verification: Verification | null): BatchMetadata | null {
    if (producerId(batch, 0) < 0) return null;
    const duplicate = this.#producers.findDuplicate(batch, 0);
    if (duplicate === null) this.#producers.check(batch, 0, verification);
    return duplicate;
  }

  /**
   * Before the first batch of a producer's transaction is appended its coordinator must be asked;
   * the append wants what this returns. Null: the transaction is open here already. `sequence` is
   * that of the batch; `bumpsEpoch`: the transaction is of version 2. Throws INVALID_PRODUCER_EPOCH.
   */
  startVerification(
    id: number,
    sequence: number,
    epoch: number,
    bumpsEpoch: boolean,
  ): Verification | null {
    const now = this.#environment.clock.now();
    return this.#producers.startVerification(id, sequence, epoch, bumpsEpoch, now);
  }

  #answerDuplicate(batch: BatchMetadata): AppendInfo {
    this.#environment.probe.duplicateBatches++;
    return {
      firstOffset: batch.lastOffset - batch.offsetDelta,
      lastOffset: batch.lastOffset,
      logAppendTime: batch.timestamp,
      logStartOffset: this.#logStartOffset,
      duplicate: true,
    };
  }

  /** A leader's batches follow what is here, and their offsets rise. True: not one by one. */
  #checkOffsets(records: Buffer): boolean {
    let next = this.#logEndOffset;
    let hasGaps = false;
    for (let at = 0; at < records.length; at += batchSize(records, at)) {
      const first = baseOffset(records, at);
      if (first < next) {
        const text = `${this.#path}: expected offset ${next} or later from the leader, saw ${first}`;
        throw new ProtocolError(ErrorCode.OFFSET_OUT_OF_RANGE, text);
      }
      hasGaps ||= first > next;
      next = lastOffset(records, at) + 1;
    }
    return hasGaps;
  }

  #assignOffsets(pieces: readonly Buffer[], leaderEpoch: number, appendTime: number): void {
    let next = this.#logEndOffset;
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
    const epochs = this.#epochs.entries;
    try {
      this.#epochs.complete();
      this.#writeBatches(pieces, nowMs, memory);
    } catch (error) {
      // The epochs of batches that were not appended must not be taken for the log's.
      this.#epochs.restore(epochs);
      throw error;
    }
  }

  #writeBatches(pieces: readonly Buffer[], nowMs: number, memory: Memory): void {
    let last = -1;
    let youngest = -1;
    let count = 0;
    let batches = 0;
    let bytes = 0;
    for (const records of pieces) {
      bytes += records.length;
      for (let at = 0; at < records.length; at += batchSize(records, at)) {
        const epoch = partitionLeaderEpoch(records, at);
        if (epoch >= 0 && epoch !== this.#epochs.latestEpoch) {
          this.#epochs.assign(epoch, baseOffset(records, at));
        }
        last = lastOffset(records, at);
        youngest = Math.max(youngest, maxTimestamp(records, at));
        count += recordCount(records, at);
        batches++;
      }
    }
    this.#maybeRoll(bytes, youngest, baseOffset(pieces[0]!, 0), last, nowMs);
    this.#segments.active.append(pieces);
    this.#logEndOffset = last + 1;
    for (const records of pieces) {
      for (let at = 0; at < records.length; at += batchSize(records, at)) {
        const aborted = this.#producers.update(records, at);
        if (aborted !== null) this.#segments.active.noteAborted(aborted);
      }
      this.#keepTail(records, memory);
    }
    this.#countAppend(bytes, batches, count);
  }

  #keepTail(records: Buffer, memory: Memory): void {
    this.#tailUnreadBytes += records.length;
    if (memory !== 'unread' && this.#tailUnreadBytes <= TAIL_UNREAD_BYTES_MAX) {
      this.#environment.tailCache.add(this.#tail, records, memory === 'reused');
    } else this.#tail.clear();
  }

  #countAppend(bytes: number, batches: number, records: number): void {
    const { probe } = this.#environment;
    probe.appendedBytes += bytes;
    probe.appendedBatches += batches;
    probe.appendedRecords += records;
    this.#environment.onDirty();
    this.#flusher.appended(this.#config);
  }

  #maybeRoll(bytes: number, youngest: number, first: number, last: number, nowMs: number): void {
    const full = this.#segments.active.shouldRoll({
      nowMs,
      maxTimestamp: youngest,
      bytes,
      lastOffset: last,
      segmentBytes: this.#config.segmentBytes,
      segmentMs: segmentMsOf(this.#config),
    });
    // Without a gap before it, so that recovery can tell when the end of the one before is lost; but a
    // copy may leave out more offsets than a segment's index can span.
    const fits = last - this.#logEndOffset <= SEGMENT_OFFSETS_MAX;
    if (full) this.#roll(fits ? this.#logEndOffset : first);
  }

  /**
   * Begins a new segment at `base`: the log's end, or behind it when the leader's batches leave a
   * gap. An empty active segment of that base stays, one of another base makes room.
   */
  #roll(base: number): void {
    const { active } = this.#segments;
    if (active.baseOffset === base) return;
    const isEmpty = active.size === 0;
    if (!isEmpty) {
      active.complete();
      this.#producers.takeSnapshot();
    }
    // Last, because a file of that name with nothing behind it would be taken for the log's end.
    const next = this.#makeSegment(base, false);
    if (isEmpty) {
      this.#removeSegments([active]);
      this.#segments.replace(this.#segments.length - 1, 1, next);
    } else {
      this.#environment.segmentCache.used(active);
      this.#segments.add(next);
    }
    this.#environment.segmentCache.forget(next);
    this.#environment.probe.segmentsRolled++;
    this.#flusher.entriesDirty = true;
    this.flushInBackground();
  }

  /** Closes the active segment and begins a new one. */
  roll(): void {
    this.#onDisk('roll', () => this.#roll(this.#logEndOffset));
  }

  /**
   * Whole batches from the one that holds `startOffset`. A read at the log's end, or behind
   * `upTo`, is empty. Throws OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR.
   */
  read(startOffset: number, maxBytes: number, bounds: ReadBounds): LogRead {
    this.#assertUsable();
    if (startOffset < this.#logStartOffset || startOffset > this.#logEndOffset) {
      throw new ProtocolError(
        ErrorCode.OFFSET_OUT_OF_RANGE,
        `${this.#path}: offset ${startOffset} is not within [${this.#logStartOffset}, ${this.#logEndOffset}]`,
      );
    }
    const upTo = Math.min(bounds.upTo, this.#logEndOffset);
    if (startOffset === this.#logEndOffset) this.#tailUnreadBytes = 0;
    if (startOffset >= upTo) return emptyRead(startOffset);
    const { probe } = this.#environment;
    const tail = this.#tail.read(startOffset, maxBytes, upTo, bounds.minOneMessage);
    if (tail !== null) {
      this.#tailUnreadBytes = 0;
      probe.tailCacheHits++;
      probe.readBytes += tail.bytes;
      const records = tail.chunks.length === 1 ? tail.chunks[0]! : tail.chunks;
      const { bytes, firstOffset, nextOffset, release } = tail;
      return { records, bytes, firstOffset, nextOffset, release };
    }
    const read = this.#onDisk('read', () =>
      this.#reader.read(startOffset, maxBytes, { ...bounds, upTo }),
    );
    if (read.firstOffset > this.#segments.active.baseOffset) this.#tailUnreadBytes = 0;
    probe.tailCacheMisses++;
    probe.readBytes += read.bytes;
    return read;
  }

  /**
   * The aborted transactions that have records in [`from`, `to`), by rising offset of their markers;
   * `to` is not beyond the last stable offset, or the end of what a cleaner rewrites.
   */
  abortedTransactions(from: number, to: number): AbortedTransaction[] {
    const found: AbortedTransaction[] = [];
    if (to <= from) return found;
    return this.#onDisk('read', () => {
      for (let i = Math.max(0, this.#segments.floor(from)); i < this.#segments.length; i++) {
        if (this.#segments.at(i)!.transactionIndex.collect(from, to, found)) break;
      }
      return found;
    });
  }

  /** First record at least as young as `timestamp` (milliseconds since 1970), or null. */
  offsetForTimestamp(timestamp: number): OffsetAndTimestamp | null {
    return this.#onDisk('read', () =>
      this.#reader.offsetForTimestamp(timestamp, this.#logStartOffset),
    );
  }

  /** The record with the largest timestamp, or null when there is none. */
  maxTimestampOffset(): OffsetAndTimestamp | null {
    return this.#onDisk('read', () => this.#reader.maxTimestampOffset());
  }

  /** Largest known epoch ≤ `epoch` and its end; (-1, -1) when unknown. */
  endOffsetForEpoch(epoch: number): { epoch: number; endOffset: number } {
    return this.#epochs.endOffsetFor(epoch, this.#logEndOffset);
  }
  /** The leader epoch that wrote `offset`, or -1. */
  epochForOffset(offset: number): number {
    return this.#epochs.epochForOffset(offset);
  }

  /**
   * A new leader epoch begins at the log's end. Never fails: whoever has won an election leads,
   * even where the disk is full. The file has the epoch before the first record of it, at the
   * latest; a disk that has failed shows in the directory's state.
   */
  assignEpoch(epoch: number): void {
    if (epoch === this.#epochs.latestEpoch) return;
    this.#epochs.begin(epoch, this.#logEndOffset);
    this.#saveEpochs();
  }

  #saveEpochs(): void {
    try {
      this.#onDisk('save the epochs of', () => this.#epochs.complete());
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }

  /** Since when the producer of the oldest open transaction is silent, milliseconds since 1970; -1: none. */
  get oldestTransactionTimestamp(): number {
    const { transactions, producers } = this.#producers;
    return producers.get(transactions.oldestProducer)?.lastTimestamp ?? -1;
  }

  /** Idempotent and transactional producers that the log remembers. */
  activeProducers(): Iterable<ProducerStateEntry> {
    return this.#producers.producers.values();
  }
  removeExpiredProducers(nowMs: number, expirationMs: number): void {
    this.#producers.removeExpired(nowMs, expirationMs);
  }

  /**
   * Resolves when everything appended before the call is on the device; callers share syncs. A
   * failure rejects with KAFKA_STORAGE_ERROR and takes the log directory offline.
   */
  flush(): Promise<void> {
    return this.#flusher.flush();
  }

  /** The same, with nobody waiting: a failure shows in the directory's state. */
  flushInBackground(): void {
    this.#flusher.flushInBackground();
  }

  /**
   * Cuts the log behind what lies before `offset` (a follower that diverged from its leader). The
   * batch that holds `offset` goes as a whole, so the log may end before it. Throws
   * KAFKA_STORAGE_ERROR, and then nothing was cut, or the log directory is offline.
   */
  truncateTo(offset: number): void {
    assert(offset >= 0, `truncate ${this.#path} to ${offset}`);
    if (offset >= this.#logEndOffset) {
      // A term that began at the end, and wrote nothing, may not be the leader's.
      this.#assertUsable();
      this.#epochs.truncateFromEnd(this.#logEndOffset);
      return this.#saveEpochs();
    }
    if (offset <= this.#segments.first.baseOffset) return this.truncateFullyAndStartAt(offset);
    this.#onDisk('truncate', () => {
      const index = this.#segments.floor(offset - 1);
      const segment = this.#segments.at(index)!;
      const place = segment.findPastDamage(offset);
      const end =
        place === null ? (segment.loadEnd() ?? offset) : Math.min(place.baseOffset, offset);
      if (end < this.#logStartOffset) return this.truncateFullyAndStartAt(offset);
      this.#lowerRecoveryPoint(end);
      this.#producers.snapshots.removeAfter(end);
      this.#asOne('truncate', () => {
        this.#removeSegments(this.#segments.cut(index + 1));
        this.#environment.segmentCache.forget(segment);
        if (place !== null) segment.truncate(place.position, end);
        this.#environment.disk.syncDirectory(this.#path);
        this.#setEnd(end);
        rebuildProducers(this.#producers, this.#segments, {
          logStartOffset: this.#logStartOffset,
          logEndOffset: end,
          highWatermark: this.#highWatermark,
        });
      });
      this.#saveEpochs();
    });
  }

  /**
   * Throws everything away; the log is empty and goes on at `offset`. Throws KAFKA_STORAGE_ERROR, and
   * then everything is still there, or the log directory is offline.
   */
  truncateFullyAndStartAt(offset: number): void {
    this.#onDisk('truncate', () => {
      this.#lowerRecoveryPoint(offset);
      this.#lowerSavedStart(offset);
      this.#producers.snapshots.removeAll();
      this.#restartSegmentsAt(offset);
      this.#producers.restartAt(offset);
      this.#logStartOffset = offset;
      this.#flusher.startAt(offset);
      this.#setEnd(offset);
      this.#highWatermark = offset;
      this.#epochs.clear();
      this.#saveEpochs();
    });
  }

  /** Puts an empty segment in the place of all. What needs room comes first, and can be left be. */
  #restartSegmentsAt(offset: number): void {
    const { disk, segmentCache } = this.#environment;
    const path = `${this.#path}/${offsetName(offset, LOG_SUFFIX)}`;
    disk.open(path + TEMPORARY_SUFFIX, 'create').close();
    this.#asOne('truncate', () => {
      this.#removeSegments([...this.#segments]);
      disk.rename(path + TEMPORARY_SUFFIX, path);
      const segment = this.#makeSegment(offset, false);
      this.#segments.replace(0, this.#segments.length, segment);
      segmentCache.forget(segment);
      disk.syncDirectory(this.#path);
    });
  }

  /** What was flushed must not look flushed once it is replaced by other bytes. */
  #lowerRecoveryPoint(offset: number): void {
    const before = this.#flusher.flushedOffset;
    if (!this.#flusher.lowerTo(offset)) return;
    try {
      this.#options.saveRecoveryPoint(this);
    } catch (error) {
      this.#flusher.startAt(before);
      throw error;
    }
  }

  /** A log that is to begin before its start: a start would begin it anew at the one that was saved. */
  #lowerSavedStart(offset: number): void {
    const before = this.#logStartOffset;
    if (offset >= before) return;
    this.#logStartOffset = offset;
    try {
      this.#options.onLogStartChanged(this);
    } finally {
      this.#logStartOffset = before;
    }
  }

  #setEnd(offset: number): void {
    this.#cuts++;
    this.onCut?.(offset);
    if (this.#cleanedTo !== null) this.#cleanedTo = Math.min(this.#cleanedTo, offset);
    this.#tail.clear();
    this.#reader.forgetPlaces();
    this.#logEndOffset = offset;
    this.#highWatermark = Math.min(this.#highWatermark, offset);
    this.#epochs.truncateFromEnd(offset);
    this.#flusher.entriesDirty = true;
    this.#environment.onDirty();
  }

  /**
   * Records before `offset` are gone (DeleteRecords, or the leader's start moved). -1 is not known
   * here: callers pass the high watermark. Throws OFFSET_OUT_OF_RANGE above the high watermark.
   */
  advanceLogStartOffset(offset: number): void {
    this.#assertUsable();
    if (offset > this.#highWatermark) {
      throw new ProtocolError(
        ErrorCode.OFFSET_OUT_OF_RANGE,
        `${this.#path}: can't start at ${offset}, high watermark is ${this.#highWatermark}`,
      );
    }
    if (offset <= this.#logStartOffset) return;
    this.#onDisk('move the start of', () => {
      this.#logStartOffset = offset;
      this.#epochs.truncateFromStart(offset);
      this.#options.onLogStartChanged(this);
    });
  }

  /**
   * Deletes segments that retention by time, size or start offset no longer wants; returns how
   * many. `nowMs` is retention's clock. Never beyond the high watermark.
   */
  deleteOldSegments(nowMs: number): number {
    return this.#onDisk('delete old segments of', () => {
      const count = countUnwanted(this.#segments, this.#config, {
        logStartOffset: this.#logStartOffset,
        logEndOffset: this.#logEndOffset,
        highWatermark: this.#highWatermark,
        nowMs,
      });
      if (count > 0) this.#deleteOldest(count);
      return count;
    });
  }

  #deleteOldest(count: number): void {
    if (count === this.#segments.length) this.#roll(this.#logEndOffset);
    assert(count < this.#segments.length, `${this.#path} would be left without a segment`);
    this.#reader.forgetPlaces();
    this.#removeSegments(this.#segments.shift(count));
    const start = this.#segments.first.baseOffset;
    this.#producers.snapshots.removeBefore(start);
    if (start <= this.#logStartOffset) return;
    this.#logStartOffset = start;
    this.#epochs.truncateFromStart(start);
    this.#options.onLogStartChanged(this);
  }

  /** It has segments of these base offsets, one behind the other, and was not cut since it had `cuts`. */
  hasSegments(bases: readonly number[], cuts: number): boolean {
    const index = this.#segments.floor(bases[0]!);
    return (
      !this.#closed &&
      cuts === this.#cuts &&
      bases.every((base, i) => this.#segments.at(index + i)?.baseOffset === base)
    );
  }

  /**
   * Puts the segment that was cleaned from `sources` (their base offsets) in their place; its files
   * are named `.cleaned`. False: the log was cut since it had `cuts`, has not got those segments any
   * more, or is being copied, and nothing has changed.
   */
  replaceSegments(sources: readonly number[], cuts: number): boolean {
    const index = this.#segments.floor(sources[0]!);
    const isClosed = index + sources.length < this.#segments.length;
    if (this.isMoving || !isClosed || !this.hasSegments(sources, cuts)) return false;
    this.#onDisk('replace segments of', () => {
      this.#expectGaps();
      this.#swapIn(index, sources);
    });
    return true;
  }

  #swapIn(index: number, sources: readonly number[]): void {
    const { disk, segmentCache } = this.#environment;
    const [base] = sources as readonly [number];
    const old = sources.map((_, i) => this.#segments.at(index + i)!);
    for (const segment of old) {
      segmentCache.forget(segment);
      segment.close(false);
    }
    const files = old.flatMap((segment) => segment.files);
    let deleted: string[] = [];
    this.#asOne('replace segments of', () => {
      deleted = swapIn(disk, this.#path, base, files);
    });
    const segment = this.#makeSegment(base, true);
    segment.noteVerified(0, segment.size);
    this.#segments.replace(index, sources.length, segment);
    this.#tail.clear();
    this.#reader.forgetPlaces();
    const bases = new Set([...this.#segments].map((one) => one.baseOffset));
    this.#producers.snapshots.removeStray(bases);
    this.#environment.removeLater(deleted, this.#config.fileDeleteDelayMs);
    this.#flusher.entriesDirty = true;
  }

  /**
   * Has the checkpoint say that offsets may have gaps, before there is the first one: a start that
   * comes upon one takes it for a loss otherwise, and cuts the log there. It can't go by the topic's
   * configuration, which is in another log that is not read yet.
   */
  #expectGaps(): void {
    if (this.#cleanedTo !== null) return;
    this.#cleanedTo = this.#logStartOffset;
    try {
      this.#options.saveCleaned(this);
    } catch (error) {
      this.#cleanedTo = null;
      throw error;
    }
  }

  /** Compaction has been through what lies before `offset`. */
  noteCleaned(offset: number): void {
    this.#cleanedTo = offset;
    this.#environment.onDirty();
  }

  #removeSegments(gone: readonly LogSegment[]): void {
    const { disk, probe, segmentCache } = this.#environment;
    const paths: string[] = [];
    this.#asOne('remove segments of', () => {
      for (const segment of gone) {
        probe.segmentsDeleted++;
        probe.deletedBytes += segment.size;
        segmentCache.forget(segment);
        segment.close(false);
        for (const path of segment.files) {
          if (!disk.exists(path)) continue;
          if (renamedOrRemoved(disk, path)) paths.push(path + DELETED_SUFFIX);
        }
      }
    });
    if (paths.length > 0) this.#environment.removeLater(paths, this.#config.fileDeleteDelayMs);
  }

  /** Flushes, completes indexes and producer snapshot, and closes. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#flusher.closing = true;
    this.#onDisk('close', () => this.#segments.active.complete());
    await this.flush();
    if (this.#closed) return;
    this.#onDisk('close', () => this.#producers.takeSnapshot());
    this.#release(true);
  }

  /**
   * Makes nothing more safe from now on; whoever waits for that is served by the log that takes this
   * one's place, or by this one with null. Resolves when no sync is under way.
   */
  holdFlushes(successor: Promise<PartitionLog | null>): Promise<void> {
    return this.#flusher.hold(successor);
  }

  /** Closes without waiting for the device. Whoever opens it next finds it whole. */
  seal(): void {
    this.#onDisk('close', () => {
      this.#segments.active.completeIndexes();
      for (const segment of this.#segments) segment.saveTransactions();
      this.#producers.takeSnapshot();
    });
    this.#release(true);
  }

  /**
   * Takes the place of `former`, which ends where this one does: what is known of it and stands in no
   * batch is taken over. `flushedOffset` is how much of this one is on the device.
   */
  succeed(former: PartitionLog, flushedOffset: number): void {
    assert(this.#logEndOffset === former.#logEndOffset, `${this.#path} is not a copy`);
    this.#producers.takeOver(former.#producers);
    this.#epochs.restore(former.#epochs.entries);
    this.#flusher.startAt(flushedOffset);
    this.#flusher.entriesDirty = true;
    for (let i = Math.max(0, this.#segments.floor(flushedOffset)); i < this.#segments.length; i++) {
      this.#segments.at(i)!.noteIndexesUnsynced();
    }
  }

  /** Closes without writing anything: the directory is offline, or the topic is deleted. */
  abandon(): void {
    if (!this.#closed) this.#release(false);
  }

  #release(complete: boolean): void {
    this.#closed = true;
    this.#flusher.close();
    this.#tail.clear();
    this.#reader.forgetPlaces();
    for (const segment of this.#segments) {
      this.#environment.segmentCache.forget(segment);
      segment.close(complete && segment === this.#segments.active);
    }
  }
}
