import { assert } from '../base/assert.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { CompactionMark } from './compaction-mark.ts';
import { takeBackImpossible } from './impossible-epochs.ts';
import { LeaderEpochFileCache } from './leader-epoch-file-cache.ts';
import {
  type AppendInfo,
  type AppendOptions,
  type ClientBatch,
  LogAppends,
  type NotAppended,
} from './log-appends.ts';
import type { LogCheckpoints } from './log-checkpoints.ts';
import type { LogConfig } from './log-config.ts';
import { LogDamage } from './log-damage.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogEnvironment } from './log-environment.ts';
import { partitionDirectory } from './log-files.ts';
import { LogFlusher } from './log-flusher.ts';
import { LogGuard } from './log-guard.ts';
import { type LoadOptions, loadLog, readAgain } from './log-loader.ts';
import { LogOffsets } from './log-offsets.ts';
import type { LogParts } from './log-parts.ts';
import {
  emptyRead,
  type LogRead,
  LogReader,
  type OffsetAndTimestamp,
  type ReadBounds,
} from './log-reader.ts';
import { type DamagedRange, LogRepair, type MendOutcome } from './log-repair.ts';
import { countUnwanted } from './log-retention.ts';
import type { LogSegment } from './log-segment.ts';
import { LogSegments } from './log-segments.ts';
import { LogTruncation } from './log-truncation.ts';
import type { ProducerStateEntry } from './producer-state-entry.ts';
import { ProducerStateManager } from './producer-state-manager.ts';
import { SegmentList } from './segment-list.ts';
import { SegmentReplacement } from './segment-replacement.ts';
import type { AbortedTransaction } from './transaction-index.ts';
import type { Verification } from './verification.ts';
import { WatchedTail } from './watched-tail.ts';

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
  /** From our own checkpoint, see `CompactionMark`; null: it says nothing. */
  readonly removedTo: number | null;
  readonly checkpoints: LogCheckpoints;
}

/**
 * One partition on disk: Kafka's UnifiedLog.
 *
 * Invariants: batches from `logStartOffset` up to `logEndOffset`, offsets strictly rising and never
 * used twice; `flushedOffset` (the recovery point) ≤ `logEndOffset`; what lies before it is on the
 * device. Everything but `flush`, `close` and the wait of `replaceSegments` for the device is
 * synchronous, so nothing is ever seen half done.
 *
 * A crash leaves at most a torn tail behind the recovery point, indexes and producer snapshots that
 * lag behind, and files named `.deleted`; `loadLog` tells what becomes of each.
 */
export class PartitionLog {
  readonly topic: string;
  readonly partition: number;
  readonly logDirectory: LogDirectory;
  readonly #options: PartitionLogOptions;
  readonly #parts: LogParts;
  readonly #appends: LogAppends;
  readonly #truncation: LogTruncation;
  readonly #replacement: SegmentReplacement;
  readonly #repair: LogRepair;
  #topicId: string | null;

  private constructor(options: PartitionLogOptions) {
    const { environment, logDirectory, path, config, checkpoints } = options;
    this.topic = options.topic;
    this.partition = options.partition;
    this.logDirectory = logDirectory;
    this.#options = options;
    this.#topicId = options.topicId;
    const { disk, logger, probe } = environment;
    const list = new SegmentList();
    const damage = new LogDamage(environment);
    const offsets = new LogOffsets();
    const epochs = new LeaderEpochFileCache(disk, path);
    const logEndOffset = (): number => offsets.end;
    const changed = (): void => {
      checkpoints.changed(this);
      environment.onDirty();
    };
    const parts = {
      ...{ environment, path, config, offsets, epochs, damage, changed },
      name: partitionDirectory(options.topic, options.partition),
      guard: new LogGuard(logDirectory, path),
      producers: new ProducerStateManager({ disk, directory: path, logger, probe }),
      reader: new LogReader(environment, list, damage, offsets, epochs),
      flusher: new LogFlusher({
        ...{ environment, logDirectory, path, epochs, logEndOffset, changed },
        segments: list,
      }),
      tail: new WatchedTail(environment.tailCache),
      mark: new CompactionMark(options.cleanedTo, options.removedTo, {
        saveNow: () => checkpoints.saveCleanedNow(this),
        save: () => checkpoints.saveCleaned(this),
        saveRemoved: () => checkpoints.saveRemoved(this),
      }),
    };
    this.#parts = Object.assign(parts, { segments: new LogSegments(list, parts) });
    this.#appends = new LogAppends(this.#parts);
    this.#truncation = new LogTruncation({
      parts: this.#parts,
      saveRecoveryPoint: () => checkpoints.saveRecoveryPointNow(this),
      saveStart: (start) => checkpoints.saveStartNow(this, start),
    });
    this.#replacement = new SegmentReplacement(this.#parts, this.#truncation);
    this.#repair = new LogRepair(this.#parts, (from) =>
      readAgain({ ...this.#loadOptions(), logStartOffset: offsets.start }, from),
    );
    this.#noteCompacted();
  }

  /** Opens the log in `options.path`, recovering what an unclean stop left. */
  static open(options: PartitionLogOptions): PartitionLog {
    const log = new PartitionLog(options);
    log.#load();
    return log;
  }

  #load(): void {
    const { environment, clean, highWatermark } = this.#options;
    const { segments, offsets, flusher } = this.#parts;
    const loaded = loadLog(this.#loadOptions());
    offsets.load(loaded.logStartOffset, loaded.logEndOffset, highWatermark);
    flusher.startAt(loaded.recoveryPoint);
    // Behind a damaged end there is a new segment.
    flusher.entriesDirty = !clean || this.isDamaged;
    environment.segmentCache.forget(segments.active);
  }

  #loadOptions(): LoadOptions {
    const { environment, clean, recoveryPoint, logStartOffset, highWatermark } = this.#options;
    const { path, config, segments, epochs, producers, mark, damage } = this.#parts;
    return {
      environment,
      directory: path,
      segments: segments.list,
      ...{ epochs, producers, damage, clean },
      recoveryPoint,
      logStartOffset,
      highWatermark,
      mayHaveGaps: config.cleanupPolicy.includes('compact') || mark.cleanedTo !== null,
      preallocates: config.preallocate,
      makeSegment: (base, existing) => segments.make(base, existing),
    };
  }

  get environment(): LogEnvironment {
    return this.#parts.environment;
  }
  get path(): string {
    return this.#parts.path;
  }
  get topicId(): string | null {
    return this.#topicId;
  }
  get config(): LogConfig {
    return this.#parts.config;
  }
  get logStartOffset(): number {
    return this.#parts.offsets.start;
  }
  /** The offset that the next record gets. */
  get logEndOffset(): number {
    return this.#parts.offsets.end;
  }
  /** Consumers see what lies before. */
  get highWatermark(): number {
    return this.#parts.offsets.highWatermark;
  }
  /** Readers of committed records see what lies before: of no transaction that may still be aborted. */
  get lastStableOffset(): number {
    const first = this.#parts.producers.transactions.firstUnstableOffset;
    if (first < 0 || first >= this.#parts.offsets.highWatermark)
      return this.#parts.offsets.highWatermark;
    return Math.max(first, this.#parts.offsets.start);
  }
  /**
   * The same for who reads from `offset` on. Before what is damaged, and was left out when this log was opened,
   * nobody knows yet how the transactions end that were under way there.
   */
  lastStableFrom(offset: number): number {
    const { doubtful } = this.#parts.producers;
    const stable = this.lastStableOffset;
    if (doubtful === null || offset >= doubtful.from) return stable;
    return Math.min(stable, Math.max(doubtful.stable, this.#parts.offsets.start));
  }
  /** The recovery point: what lies before survives power loss. */
  get flushedOffset(): number {
    return this.#parts.flusher.flushedOffset;
  }
  /** The device may have other segments yet than there are: removed ones, or not the new ones. */
  get hasUnsafeNames(): boolean {
    return !this.#parts.flusher.areEntriesSafe;
  }
  get segmentCount(): number {
    return this.#parts.segments.list.length;
  }
  /** -1 when no leader epoch is known. */
  get latestEpoch(): number {
    return this.#parts.epochs.latestEpoch;
  }
  get firstSegmentOffset(): number {
    return this.#parts.segments.list.first.baseOffset;
  }
  get activeSegmentOffset(): number {
    return this.#parts.segments.active.baseOffset;
  }
  /** For the cleaner, which only looks. */
  get segments(): Iterable<LogSegment> {
    return this.#parts.segments.list;
  }
  /** Compaction has been through what lies before; null: it was never here. */
  get cleanedTo(): number | null {
    return this.#parts.mark.cleanedTo;
  }
  /** See `CompactionMark.removedTo`. */
  get removedTo(): number {
    return this.#parts.mark.removedTo;
  }
  /** The device has what `removedTo` says. */
  get isRemovedToSaved(): boolean {
    return this.#parts.mark.isRemovedToSaved;
  }
  get cuts(): number {
    return this.#truncation.cuts;
  }
  /** Who copies it to another directory is told where it ends, whenever its end is cut off. Null: nobody does. */
  set onCut(onCut: ((endOffset: number) => void) | null) {
    this.#truncation.onCut = onCut;
  }
  get isClosed(): boolean {
    return this.#parts.guard.isClosed;
  }
  /** It is being copied to another directory: compaction must not take away what the copy has. */
  get isMoving(): boolean {
    return this.#truncation.onCut !== null;
  }
  /** Bytes of all segments. */
  get size(): number {
    let bytes = 0;
    for (const segment of this.#parts.segments.list) bytes += segment.size;
    return bytes;
  }

  /** Something in it is damaged, as far as is known. */
  get isDamaged(): boolean {
    return this.#parts.damage.place !== null;
  }
  /** Damaged ranges of it that were mended, since it was opened. */
  get mended(): number {
    return this.#parts.damage.mended;
  }

  setTopicId(topicId: string): void {
    this.#topicId = topicId;
  }

  setHighWatermark(offset: number): void {
    const { offsets, producers, changed } = this.#parts;
    if (!offsets.moveHighWatermark(offset)) return;
    producers.transactions.onHighWatermark(offsets.highWatermark);
    changed();
  }

  updateConfig(config: LogConfig): void {
    this.#parts.config = config;
    this.#noteCompacted();
  }

  #noteCompacted(): void {
    if (this.#parts.config.cleanupPolicy.includes('compact')) this.#parts.environment.onCompacted();
  }

  /**
   * Appends whole batches. Offsets and leader epoch are written into `records` in place, and the
   * log keeps a reference to it (unless `reused`, or a leader's): from here on its bytes must not change. Throws
   * ProtocolError, and then nothing was appended.
   */
  append(records: Buffer, options: AppendOptions): AppendInfo {
    return this.#appends.append(records, options);
  }

  /**
   * The same for batches of clients that came together: each as if it came alone, but as many as
   * possible with one write. Tells of each, in its place, where it is or why it was not appended.
   */
  appendTogether(given: readonly ClientBatch[], leaderEpoch: number): (AppendInfo | NotAppended)[] {
    return this.#appends.appendTogether(given, leaderEpoch);
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
    const now = this.#parts.environment.clock.now();
    return this.#parts.producers.startVerification(id, sequence, epoch, bumpsEpoch, now);
  }

  /** Closes the active segment and begins a new one. */
  roll(): void {
    this.#parts.guard.onDisk('roll', () => this.#parts.segments.rollAt(this.#parts.offsets.end));
  }

  /**
   * Whole batches from the one that holds `startOffset`. A read at the log's end, or behind
   * `upTo`, is empty. Throws OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR.
   */
  read(startOffset: number, maxBytes: number, bounds: ReadBounds): LogRead {
    const { guard, offsets, environment, tail, reader, segments, path } = this.#parts;
    guard.assertUsable();
    if (startOffset < offsets.start || startOffset > offsets.end) {
      throw new ProtocolError(
        ErrorCode.OFFSET_OUT_OF_RANGE,
        `${path}: offset ${startOffset} is not within [${offsets.start}, ${offsets.end}]`,
      );
    }
    const upTo = Math.min(bounds.upTo, offsets.end);
    if (startOffset === offsets.end) tail.noteReader();
    if (startOffset >= upTo) return emptyRead(startOffset);
    const { probe } = environment;
    const kept = tail.read(startOffset, maxBytes, upTo, bounds.minOneMessage);
    if (kept !== null) {
      probe.tailCacheHits++;
      probe.readBytes += kept.bytes;
      const records = kept.chunks.length === 1 ? kept.chunks[0]! : kept.chunks;
      const { bytes, firstOffset, nextOffset, release } = kept;
      return { records, bytes, firstOffset, nextOffset, release };
    }
    const read = guard.onDisk('read', () =>
      reader.read(startOffset, maxBytes, { ...bounds, upTo }),
    );
    if (read.firstOffset > segments.active.baseOffset) tail.noteReader();
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
    const { guard, segments } = this.#parts;
    const { list } = segments;
    return guard.onDisk('read', () => {
      for (let i = Math.max(0, list.floor(from)); i < list.length; i++) {
        if (list.at(i)!.transactionIndex.collect(from, to, found)) break;
      }
      return found;
    });
  }

  /** First record at least as young as `timestamp` (milliseconds since 1970), or null. */
  offsetForTimestamp(timestamp: number): OffsetAndTimestamp | null {
    return this.#parts.guard.onDisk('read', () =>
      this.#parts.reader.offsetForTimestamp(timestamp, this.#parts.offsets.start),
    );
  }

  /** The record with the largest timestamp, or null when there is none. */
  maxTimestampOffset(): OffsetAndTimestamp | null {
    return this.#parts.guard.onDisk('read', () => this.#parts.reader.maxTimestampOffset());
  }

  /** Largest known epoch ≤ `epoch` and its end; (-1, -1) when unknown. */
  endOffsetForEpoch(epoch: number): { epoch: number; endOffset: number } {
    return this.#parts.epochs.endOffsetFor(epoch, this.#parts.offsets.end);
  }
  /** The leader epoch that wrote `offset`, or -1. */
  epochForOffset(offset: number): number {
    return this.#parts.epochs.epochForOffset(offset);
  }

  /**
   * A new leader epoch begins at the log's end. Never fails: whoever has won an election leads,
   * even where the disk is full. The file has the epoch before the first record of it, at the
   * latest; a disk that has failed shows in the directory's state.
   */
  assignEpoch(epoch: number): void {
    const { epochs, offsets } = this.#parts;
    if (epoch === epochs.latestEpoch) return;
    epochs.begin(epoch, offsets.end);
    this.#saveEpochs();
  }

  /**
   * The leader epoch is `highest` now: what claims a later one is damaged, and is corrected. Never fails;
   * a disk that has failed shows in the directory's state.
   */
  denyEpochsAbove(highest: number): void {
    const { epochs, guard } = this.#parts;
    if (epochs.latestEpoch <= highest) return;
    guard.attempt('correct epochs of', () => takeBackImpossible(this.#parts, highest));
    this.#saveEpochs();
  }

  #saveEpochs(): void {
    const { guard, epochs } = this.#parts;
    guard.attempt('save the epochs of', () => epochs.complete());
  }

  /** Since when the producer of the oldest open transaction is silent, milliseconds since 1970; -1: none. */
  get oldestTransactionTimestamp(): number {
    const { transactions, producers } = this.#parts.producers;
    return producers.get(transactions.oldestProducer)?.lastTimestamp ?? -1;
  }

  /** Idempotent and transactional producers that the log remembers. */
  activeProducers(): Iterable<ProducerStateEntry> {
    return this.#parts.producers.producers.values();
  }
  removeExpiredProducers(nowMs: number, expirationMs: number): void {
    this.#parts.producers.removeExpired(nowMs, expirationMs);
  }

  /**
   * Resolves when everything appended before the call is on the device; callers share syncs. A
   * failure rejects with KAFKA_STORAGE_ERROR and takes the log directory offline.
   */
  flush(): Promise<void> {
    return this.#parts.flusher.flush();
  }

  /** The same, with nobody waiting: a failure shows in the directory's state. */
  flushInBackground(): void {
    this.#parts.flusher.flushInBackground();
  }

  /**
   * Cuts the log behind what lies before `offset` (a follower that diverged from its leader). The
   * batch that holds `offset` goes as a whole, so the log may end before it. Throws
   * KAFKA_STORAGE_ERROR, and then nothing was cut, or the log directory is offline.
   */
  truncateTo(offset: number): void {
    this.#truncation.truncateTo(offset);
  }

  /**
   * Throws everything away; the log is empty and goes on at `offset`. Throws KAFKA_STORAGE_ERROR, and
   * then everything is still there, or the log directory is offline.
   */
  truncateFullyAndStartAt(offset: number): void {
    this.#truncation.restartAt(offset);
  }

  /**
   * Records before `offset` are gone (DeleteRecords, or the leader's start moved); not for certain
   * before `saveLogStart`. -1 is not known here: callers pass the high watermark. Throws
   * OFFSET_OUT_OF_RANGE above the high watermark.
   */
  advanceLogStartOffset(offset: number): void {
    this.#parts.guard.assertUsable();
    if (offset > this.#parts.offsets.highWatermark) {
      throw new ProtocolError(
        ErrorCode.OFFSET_OUT_OF_RANGE,
        `${this.#parts.path}: can't start at ${offset}, high watermark is ${this.#parts.offsets.highWatermark}`,
      );
    }
    if (offset <= this.#parts.offsets.start) return;
    this.#parts.guard.onDisk('move the start of', () => {
      this.#startAt(offset);
    });
  }

  /**
   * Deletes segments that retention by time, size or start offset no longer wants; returns how
   * many. `nowMs` is retention's clock. Never beyond the high watermark, and none while compaction
   * replaces some: the next search finds what there is then.
   */
  deleteOldSegments(nowMs: number): number {
    return this.#parts.guard.onDisk('delete old segments of', () => {
      if (this.#parts.segments.isReplacing) return 0;
      const count = countUnwanted(this.#parts.segments.list, this.#parts.config, {
        logStartOffset: this.#parts.offsets.start,
        logEndOffset: this.#parts.offsets.end,
        highWatermark: this.#parts.offsets.highWatermark,
        nowMs,
      });
      return count > 0 ? this.#deleteOldest(count) : 0;
    });
  }

  #deleteOldest(count: number): number {
    const { segments, reader, offsets } = this.#parts;
    reader.forgetPlaces();
    const gone = segments.removeOldest(count);
    const start = segments.list.first.baseOffset;
    if (start > offsets.start) this.#startAt(start);
    return gone;
  }

  #startAt(start: number): void {
    const { offsets, epochs, changed } = this.#parts;
    offsets.startAt(start);
    epochs.truncateFromStart(start);
    this.#saveEpochs();
    changed();
  }

  /**
   * Resolves when the start as it is now survives power loss, which is to be told to nobody before.
   * Rejects with KAFKA_STORAGE_ERROR.
   */
  saveLogStart(): Promise<void> {
    return this.#options.checkpoints.saveStart(this);
  }

  /** It has segments of these base offsets, one behind the other, and was not cut since it had `cuts`. */
  hasSegments(bases: readonly number[], cuts: number): boolean {
    return this.#replacement.hasSegments(bases, cuts);
  }

  /**
   * Puts the segment that was cleaned from `sources` (their base offsets) in their place; its files
   * are named `.cleaned`, and are on the device. False: the log was cut since it had `cuts`, has not
   * got those segments any more, is being copied, or nobody wants it any more at the last moment, and
   * nothing has changed.
   */
  replaceSegments(
    sources: readonly number[],
    cuts: number,
    isWanted: () => boolean,
  ): Promise<boolean> {
    return this.#replacement.replace(sources, cuts, isWanted);
  }

  /** Tombstones and markers before `offset` are not here, or will not be soon. */
  removesTo(offset: number): void {
    this.#parts.mark.removesTo(offset);
    this.#parts.changed();
  }
  /** Resolves when that survives power loss. Rejects with KAFKA_STORAGE_ERROR. */
  saveRemovedTo(): Promise<void> {
    return this.#parts.mark.saveRemovedTo();
  }

  /** Compaction has been through what lies before `offset`. */
  noteCleaned(offset: number): void {
    this.#parts.mark.cleanedUpTo(offset);
    this.#parts.changed();
  }

  /** The cleaner has found no whole batch at `position` of the segment of `base`. */
  noteDamage(base: number, position: number, text: string): void {
    const { segments, damage, environment } = this.#parts;
    const segment = segments.list.at(segments.list.floor(base));
    if (segment?.baseOffset === base) damage.met(segment, position, text);
    else environment.logger.error(text);
  }

  /** What is damaged, the first of it that is known of; null: nothing is any more. Throws KAFKA_STORAGE_ERROR. */
  damagedRange(): DamagedRange | null {
    return this.#repair.find();
  }

  /**
   * Mends the range with what another replica has from its first offset on: see `LogRepair`. Rejects
   * with ProtocolError, and the log is damaged still.
   */
  mend(range: DamagedRange, records: Buffer): Promise<MendOutcome> {
    return this.#repair.mend(range, records);
  }

  /**
   * Flushes, completes indexes and producer snapshot, and closes. What came while the device was
   * waited for would not be on it, and the log would be taken for one that was closed in order: so
   * that nothing is appended from here on. Idempotent.
   */
  async close(): Promise<void> {
    if (this.#parts.guard.isClosed) return;
    this.#parts.guard.freeze();
    this.#parts.flusher.closing = true;
    this.#parts.guard.onDisk('close', () => this.#parts.segments.active.complete());
    await this.flush();
    if (this.#parts.guard.isClosed) return;
    this.#parts.guard.onDisk('close', () => this.#parts.producers.takeSnapshot());
    this.#release(true);
  }

  /**
   * Makes nothing more safe from now on; whoever waits for that is served by the log that takes this
   * one's place, or by this one with null. Resolves when no sync is under way.
   */
  holdFlushes(successor: Promise<PartitionLog | null>): Promise<void> {
    return this.#parts.flusher.hold(successor);
  }

  /** Closes without waiting for the device. Whoever opens it next finds it whole. */
  seal(): void {
    this.#parts.guard.onDisk('close', () => {
      this.#parts.segments.active.completeIndexes();
      for (const segment of this.#parts.segments.list) segment.saveTransactions();
      this.#parts.producers.takeSnapshot();
    });
    this.#release(true);
  }

  /**
   * Takes the place of `former`, which ends where this one does: what is known of it and stands in no
   * batch is taken over. `flushedOffset` is how much of this one is on the device.
   */
  succeed(former: PartitionLog, flushedOffset: number): void {
    assert(this.#parts.offsets.end === former.logEndOffset, `${this.#parts.path} is not a copy`);
    this.#parts.producers.takeOver(former.#parts.producers);
    this.#parts.epochs.restore(former.#parts.epochs.entries);
    this.#parts.flusher.startAt(flushedOffset);
    this.#parts.flusher.entriesDirty = true;
    for (
      let i = Math.max(0, this.#parts.segments.list.floor(flushedOffset));
      i < this.#parts.segments.list.length;
      i++
    ) {
      this.#parts.segments.list.at(i)!.noteIndexesUnsynced();
    }
  }

  /** Closes without writing anything: the directory is offline, or the topic is deleted. */
  abandon(): void {
    if (!this.#parts.guard.isClosed) this.#release(false);
  }

  #release(complete: boolean): void {
    this.#parts.guard.close();
    this.#parts.flusher.close();
    this.#parts.tail.clear();
    this.#parts.reader.forgetPlaces();
    for (const segment of this.#parts.segments.list) {
      this.#parts.environment.segmentCache.forget(segment);
      segment.close(complete && segment === this.#parts.segments.active);
    }
  }
}
