import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Disk, DiskFile } from '../base/disk.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import {
  BATCH_OVERHEAD,
  baseOffset as baseOffsetOf,
  batchSize,
  lastOffset as lastOffsetOf,
  maxTimestamp as maxTimestampOf,
  partitionLeaderEpoch,
  validateBatch,
} from '../protocol/record-batch.ts';
import { isPlausibleHeader, type Scan, scanHeaders } from './batch-scanner.ts';
import { LentFile } from './lent-file.ts';
import { isPassing } from './log-directory.ts';
import {
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  offsetName,
  TIME_INDEX_SUFFIX,
  TXN_INDEX_SUFFIX,
} from './log-files.ts';
import { OffsetIndex } from './offset-index.ts';
import type { LogProbe } from './probe.ts';
import { findNextBatch } from './resync.ts';
import { PENDING_ENTRIES_MAX, type SparseIndex } from './sparse-index.ts';
import { TimeIndex } from './time-index.ts';
import { type AbortedTransaction, TransactionIndex } from './transaction-index.ts';

export interface SegmentOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly probe: LogProbe;
  readonly directory: string;
  readonly baseOffset: number;
  /** Behind the names of all its files: what is being made is not part of the log. */
  readonly suffix?: string;
  readonly indexIntervalBytes: number;
  readonly segmentIndexBytes: number;
  /** Length that the file of a new segment has at once (`preallocate`); 0 or absent: it grows. */
  readonly preallocatedBytes?: number;
  /** Subtracted from `segment.ms` for this segment. */
  readonly rollJitterMs: number;
  /** Called when the file or an index is opened, so that the owner can bound how many are. */
  readonly onOpened: (segment: LogSegment) => void;
  /** The index of aborted transactions is damaged: fills it anew, by `noteAborted`. */
  readonly findAborted: (segment: LogSegment) => void;
}

/** What decides whether a segment is full. */
export interface RollCheck {
  readonly nowMs: number;
  /** Of the batch to come. */
  readonly maxTimestamp: number;
  readonly bytes: number;
  readonly lastOffset: number;
  readonly segmentBytes: number;
  readonly segmentMs: number;
}

/** Where a batch lies in a segment. */
export interface BatchPlace {
  readonly position: number;
  /** 0 when what lies there is no batch. */
  readonly size: number;
  /** Of the batch; unknown (Infinity) when it is damaged. */
  readonly baseOffset: number;
  readonly lastOffset: number;
}

export const placeOf = (buffer: Buffer, at: number, position: number): BatchPlace => ({
  position,
  size: batchSize(buffer, at),
  baseOffset: baseOffsetOf(buffer, at),
  lastOffset: lastOffsetOf(buffer, at),
});

/** Where no batch is to be read, and a log is cut that ends at `offset` then. */
const cutPlace = (position: number, offset: number): BatchPlace => ({
  position,
  size: 0,
  baseOffset: offset,
  lastOffset: offset,
});

const UNKNOWN = -2;

/**
 * One `.log` file with its indexes. Only the last segment of a log is appended to.
 *
 * Invariants: `[0, size)` of the file are whole batches with rising offsets, all ≥ `baseOffset`;
 * what a failed write left behind `size` is cut off at once. Behind `size` nothing lies but the zeros
 * of a file that was preallocated, until `trim`. File and indexes are opened when
 * needed; those of a segment that is not appended to any more may be released at any time.
 *
 * A crash leaves a file whose tail may be torn, and index files that lag behind or are missing:
 * `LogLoader` cuts the one and the segment rebuilds the others. That of aborted transactions is
 * right from before the recovery point on, as no flush leaves a segment before it is written.
 */
export class LogSegment {
  readonly baseOffset: number;
  readonly path: string;
  readonly rollJitterMs: number;
  readonly #options: SegmentOptions;
  readonly #indexPath: string;
  readonly #timeIndexPath: string;
  readonly #transactionIndexPath: string;
  #file: LentFile | null = null;
  #size = UNKNOWN;
  #isPreallocated = false;
  #index: OffsetIndex | null = null;
  #timeIndex: TimeIndex | null = null;
  #transactionIndex: TransactionIndex | null = null;
  #bytesSinceIndexEntry = 0;
  #maxTimestamp = UNKNOWN;
  #offsetOfMaxTimestamp = UNKNOWN;
  #firstTimestamp = UNKNOWN;
  #createdAt: number;
  /** CRCs were checked by this process in `[0, #verifiedTo)` and `[#verifiedFrom, size)`. */
  #verifiedTo = 0;
  #verifiedFrom = Number.POSITIVE_INFINITY;
  #indexesUnsynced = false;

  constructor(options: SegmentOptions) {
    this.#options = options;
    this.baseOffset = options.baseOffset;
    this.rollJitterMs = options.rollJitterMs;
    const { directory, baseOffset, suffix: behind = '' } = options;
    const file = (suffix: string): string =>
      `${directory}/${offsetName(baseOffset, suffix)}${behind}`;
    this.path = file(LOG_SUFFIX);
    this.#indexPath = file(OFFSET_INDEX_SUFFIX);
    this.#timeIndexPath = file(TIME_INDEX_SUFFIX);
    this.#transactionIndexPath = file(TXN_INDEX_SUFFIX);
    this.#createdAt = options.clock.now();
  }

  /** A new, empty segment; its file exists when this returns. */
  static create(options: SegmentOptions): LogSegment {
    const segment = new LogSegment(options);
    const { preallocatedBytes = 0 } = options;
    const file = segment.#opened();
    try {
      if (file.size() > 0) file.truncate(0);
      if (preallocatedBytes > 0) file.truncate(preallocatedBytes);
    } catch (error) {
      // An empty file of this name would be taken for the end of the log.
      segment.#closeFile();
      options.disk.remove(segment.path);
      throw error;
    }
    segment.#size = 0;
    segment.#isPreallocated = preallocatedBytes > 0;
    segment.#verifiedFrom = 0;
    segment.#maxTimestamp = -1;
    segment.#offsetOfMaxTimestamp = options.baseOffset;
    segment.#index = segment.#newIndex();
    segment.#timeIndex = segment.#newTimeIndex();
    segment.#transactionIndex = segment.#newTransactionIndex();
    return segment;
  }

  get size(): number {
    if (this.#size === UNKNOWN) this.#size = this.#opened().size();
    return this.#size;
  }
  get isOpen(): boolean {
    return this.#file !== null || this.#index !== null;
  }
  /** Bytes that the loaded indexes hold in memory. */
  get memoryBytes(): number {
    const aborted = this.#transactionIndex?.memoryBytes() ?? 0;
    return (this.#index?.memoryBytes() ?? 0) + (this.#timeIndex?.memoryBytes() ?? 0) + aborted;
  }
  /** All files that belong to the segment, whether they exist or not. */
  get files(): readonly string[] {
    return [this.path, this.#indexPath, this.#timeIndexPath, this.#transactionIndexPath];
  }

  get maxTimestamp(): number {
    if (this.#maxTimestamp === UNKNOWN) this.#loadMaxTimestamp();
    return this.#maxTimestamp;
  }
  /** Last offset of the batch with the largest timestamp. */
  get offsetOfMaxTimestamp(): number {
    if (this.#maxTimestamp === UNKNOWN) this.#loadMaxTimestamp();
    return this.#offsetOfMaxTimestamp;
  }
  /** Largest record timestamp, or when there is none the time the file was last written. */
  get largestTimestamp(): number {
    return this.maxTimestamp >= 0 ? this.maxTimestamp : this.#options.disk.modifiedAt(this.path);
  }

  #opened(): DiskFile {
    return this.#shared().file;
  }
  #shared(): LentFile {
    if (this.#file === null) {
      this.#file = new LentFile(this.#options.disk.open(this.path, 'create'));
      this.#options.onOpened(this);
    }
    return this.#file;
  }

  #newIndex(): OffsetIndex {
    const { segmentIndexBytes } = this.#options;
    return new OffsetIndex(this.#indexPath, this.baseOffset, segmentIndexBytes);
  }
  #newTimeIndex(): TimeIndex {
    const { segmentIndexBytes } = this.#options;
    return new TimeIndex(this.#timeIndexPath, this.baseOffset, segmentIndexBytes);
  }

  #newTransactionIndex(): TransactionIndex {
    return new TransactionIndex(this.#transactionIndexPath, this.baseOffset);
  }

  /** The aborted transactions whose markers lie here. */
  get transactionIndex(): TransactionIndex {
    return this.#transactionIndex ?? this.#loadTransactionIndex();
  }

  #loadTransactionIndex(): TransactionIndex {
    const { disk, logger, probe, findAborted, onOpened } = this.#options;
    const index = this.#newTransactionIndex();
    if (index.load(disk)) {
      this.#transactionIndex = index;
    } else {
      probe.indexRebuilds++;
      logger.warn(`rebuilding ${index.path}: not sane`);
      this.#transactionIndex = this.#newTransactionIndex();
      findAborted(this);
    }
    if (this.#transactionIndex.count > 0) onOpened(this);
    return this.#transactionIndex;
  }

  /** The marker of the transaction, which lies here, is in the log. */
  noteAborted(aborted: AbortedTransaction): void {
    this.transactionIndex.append(aborted);
    this.#persistTransactions();
  }

  get index(): OffsetIndex {
    if (this.#index === null) this.#loadIndexes();
    return this.#index!;
  }
  get timeIndex(): TimeIndex {
    if (this.#timeIndex === null) this.#loadIndexes();
    return this.#timeIndex!;
  }

  #loadIndexes(): void {
    const index = this.#newIndex();
    const timeIndex = this.#newTimeIndex();
    const sane =
      index.load(this.#options.disk) &&
      timeIndex.load(this.#options.disk) &&
      index.lastPosition < Math.max(1, this.size) &&
      this.#pointsAtBatch(index);
    if (!sane) return this.rebuildIndexes('missing or not sane');
    this.#index = index;
    this.#timeIndex = timeIndex;
    this.#options.onOpened(this);
  }

  /** Does the last entry lead to the batch it names? */
  #pointsAtBatch(index: OffsetIndex): boolean {
    if (index.count === 0) return true;
    const header = Buffer.allocUnsafe(BATCH_OVERHEAD);
    const position = index.lastPosition;
    const read = this.#opened().read(header, 0, BATCH_OVERHEAD, position);
    if (read < BATCH_OVERHEAD || !isPlausibleHeader(header, 0, this.size - position)) return false;
    const first = baseOffsetOf(header, 0);
    // Kafka before 4 named the last offset of an append that may have had several batches.
    return first >= this.baseOffset && first <= index.lastOffset;
  }

  /** Makes both indexes anew from the headers in the log. */
  rebuildIndexes(reason: string): void {
    this.#options.probe.indexRebuilds++;
    this.#options.logger.warn(`rebuilding the indexes of ${this.path}: ${reason}`);
    this.resetIndexes();
    let next = this.baseOffset;
    const scan = scanHeaders(this.#opened(), 0, this.size, (buffer, at, position) => {
      const last = lastOffsetOf(buffer, at);
      if (baseOffsetOf(buffer, at) < next || !this.index.fits(last)) return false;
      this.noteBatch(buffer, at, position);
      next = last + 1;
      return true;
    });
    if (scan.position < this.size) {
      this.#options.logger.error(
        `${this.path}: no batch at position ${scan.position} of ${this.size}`,
      );
    }
    this.completeIndexes();
    this.#options.onOpened(this);
  }

  /** The aborted transactions are to be found anew. */
  resetTransactions(): void {
    this.#transactionIndex = this.#newTransactionIndex();
    this.#transactionIndex.clear();
    this.#persistTransactions();
  }

  /**
   * The same, with what was found; whether that is news. Whoever is killed leaves the file as it was or as it
   * is to be, since no start would read the segment again.
   */
  replaceTransactions(found: readonly AbortedTransaction[]): boolean {
    const index = this.#newTransactionIndex();
    for (const aborted of found) index.append(aborted);
    if (index.equals(this.transactionIndex)) return false;
    this.#transactionIndex = index;
    this.#indexesUnsynced = true;
    try {
      index.replaceFile(this.#options.disk);
    } catch (error) {
      if (!isPassing(error)) throw error;
      this.#options.probe.cacheWriteFailures++;
      this.#options.logger.warn(`can't write ${index.path} yet: ${reasonOf(error)}`);
    }
    return true;
  }

  /** Empties the indexes; `noteBatch` for each batch of the file must follow. */
  resetIndexes(): void {
    this.#index = this.#newIndex();
    this.#timeIndex = this.#newTimeIndex();
    this.#bytesSinceIndexEntry = 0;
    this.#maxTimestamp = -1;
    this.#offsetOfMaxTimestamp = this.baseOffset;
    this.#firstTimestamp = UNKNOWN;
  }

  /** Accounts for the batch at `position` in timestamps and indexes. */
  noteBatch(buffer: Buffer, at: number, position: number): void {
    const timestamp = maxTimestampOf(buffer, at);
    const last = lastOffsetOf(buffer, at);
    if (position === 0) this.#firstTimestamp = timestamp;
    if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp;
      this.#offsetOfMaxTimestamp = last;
    }
    if (this.#bytesSinceIndexEntry > this.#options.indexIntervalBytes) {
      const index = this.#index!;
      const timeIndex = this.#timeIndex!;
      // Both or neither: the time index must cover what lies before the offset index's last entry.
      if (!index.isFull && !timeIndex.isFull) {
        index.append(last, position);
        timeIndex.maybeAppend(this.#maxTimestamp, this.#offsetOfMaxTimestamp);
      }
      if (index.pending >= PENDING_ENTRIES_MAX) this.persistIndexes();
      this.#bytesSinceIndexEntry = 0;
    }
    this.#bytesSinceIndexEntry += batchSize(buffer, at);
  }

  /**
   * Writes what the index files lack. When there is no room the file is removed, because one that
   * lacks its end can't be told from a whole one; it is rebuilt when next needed.
   */
  persistIndexes(): void {
    if (this.#index !== null) this.#persist(this.#index);
    if (this.#timeIndex !== null) this.#persist(this.#timeIndex);
  }
  #persist(index: SparseIndex): void {
    try {
      if (index.persist(this.#options.disk)) this.#indexesUnsynced = true;
    } catch (error) {
      if (!isPassing(error)) throw error;
      this.#options.disk.remove(index.path);
      index.fileLost();
      this.#options.probe.cacheWriteFailures++;
      this.#options.logger.warn(`can't write index ${index.path}: ${reasonOf(error)}`);
    }
  }

  /** What can't be written for now stays in memory, and is written when the segment is synced. */
  #persistTransactions(): void {
    const index = this.#transactionIndex;
    if (index === null) return;
    try {
      if (index.persist(this.#options.disk)) this.#indexesUnsynced = true;
    } catch (error) {
      if (!isPassing(error)) throw error;
      this.#indexesUnsynced = true;
      this.#options.probe.cacheWriteFailures++;
      this.#options.logger.warn(`can't write ${index.path} yet: ${reasonOf(error)}`);
    }
  }

  /** Aborted transactions that the device can't have, as their file lacks them. Throws the disk's error. */
  saveTransactions(): void {
    this.#transactionIndex?.persist(this.#options.disk);
  }

  /**
   * Finds out where the segment ends by reading from its last index entry on, checking headers only
   * (after a clean shutdown). Null: there is something that is no batch.
   */
  loadEnd(): number | null {
    return this.#loadEnd(false);
  }

  /** `passesDamage`: what lies behind damage counts; where nothing whole does, the segment ends there. */
  #loadEnd(passesDamage: boolean): number | null {
    const from = this.index.lastPosition;
    let next = this.baseOffset;
    let maxTimestamp = this.#timeIndex!.lastTimestamp;
    let offsetOfMax = this.#timeIndex!.lastOffset;
    for (let position: number | null = from; position !== null; ) {
      const scan: Scan = scanHeaders(this.#opened(), position, this.size, (buffer, at, here) => {
        const last = lastOffsetOf(buffer, at);
        if (last < next) return false;
        if (passesDamage && this.isOutOfPlace(placeOf(buffer, at, here), Infinity)) return false;
        next = last + 1;
        // What comes before the index's last entry is no younger, unless it is damaged.
        if (maxTimestampOf(buffer, at) > maxTimestamp && last >= offsetOfMax) {
          maxTimestamp = maxTimestampOf(buffer, at);
          offsetOfMax = last;
        }
        return true;
      });
      if (scan.reason === 'end') break;
      if (!passesDamage) return null;
      position = findNextBatch(this.#opened(), scan.position + 1, this.size, next);
    }
    this.#maxTimestamp = maxTimestamp;
    this.#offsetOfMaxTimestamp = offsetOfMax;
    this.#bytesSinceIndexEntry = this.size - from;
    return next;
  }

  #loadMaxTimestamp(): void {
    const timeIndex = this.timeIndex;
    // A segment is closed with an entry for its largest timestamp.
    if (this.#maxTimestamp !== UNKNOWN) return;
    if (timeIndex.count === 0 && this.size > 0) {
      this.loadEnd();
      if (this.#maxTimestamp !== UNKNOWN) return;
    }
    this.#maxTimestamp = timeIndex.lastTimestamp;
    this.#offsetOfMaxTimestamp = timeIndex.lastOffset;
  }

  shouldRoll(check: RollCheck): boolean {
    const size = this.size;
    if (size === 0) return !this.index.fits(check.lastOffset);
    return (
      size > check.segmentBytes - check.bytes ||
      this.#timeWaited(check.nowMs, check.maxTimestamp) > check.segmentMs - this.rollJitterMs ||
      this.index.isFull ||
      this.timeIndex.isFull ||
      !this.index.fits(check.lastOffset)
    );
  }

  /** Largest timestamp of the first batch; negative: there is none. */
  get firstTimestamp(): number {
    if (this.#firstTimestamp === UNKNOWN && this.size > 0) {
      scanHeaders(this.#opened(), 0, this.size, (buffer, at) => {
        this.#firstTimestamp = maxTimestampOf(buffer, at);
        return false;
      });
    }
    return this.#firstTimestamp;
  }

  /** Time that the records of the segment span, up to a batch to come. */
  #timeWaited(nowMs: number, timestamp: number): number {
    const first = this.firstTimestamp;
    return first >= 0 ? timestamp - first : nowMs - this.#createdAt;
  }

  /**
   * Appends whole batches whose offsets are assigned. On an error the file is cut back to where it
   * was; when that fails too, the error says so (`cause`), and the segment must not be used.
   */
  append(pieces: readonly Buffer[]): void {
    const position = this.size;
    try {
      this.#opened().write(pieces, position);
    } catch (error) {
      this.#cutBack(position, error);
      throw error;
    }
    this.#size = pieces.reduce((size, { length }) => size + length, position);
    this.#verifiedFrom = Math.min(this.#verifiedFrom, position);
    let start = position;
    for (const records of pieces) {
      for (let at = 0; at < records.length; at += batchSize(records, at)) {
        this.noteBatch(records, at, start + at);
      }
      start += records.length;
    }
  }

  #cutBack(size: number, reason: unknown): void {
    try {
      this.#opened().truncate(size);
    } catch (error) {
      throw new Error(
        `${this.path} can't be cut back to ${size} bytes: ${reasonOf(error)}, after ${reasonOf(reason)}`,
        { cause: error },
      );
    }
  }

  /**
   * The first batch that holds `offset` or a later one, looked for from `from` on; null when there
   * is none, and the place of the damage (`size` 0) when there is some before it.
   */
  find(offset: number, from?: number): BatchPlace | null {
    let place: BatchPlace | null = null;
    const start = from ?? this.index.lookup(offset);
    const scan = scanHeaders(this.#opened(), start, this.size, (buffer, at, position) => {
      const lastOffset = lastOffsetOf(buffer, at);
      if (lastOffset < offset) return true;
      place = placeOf(buffer, at, position);
      return false;
    });
    if (place !== null || scan.reason !== 'invalid') return place;
    return { position: scan.position, size: 0, baseOffset: Infinity, lastOffset: Infinity };
  }

  /**
   * The same for one who must go on, and cuts there: what is damaged before is passed over. A batch is
   * believed when its checksum is right, and it has a place: another one may claim offsets that lie behind
   * it, or a length that hides batches. `limit`: the segment has no offsets from there on. Null: it ends before.
   */
  findPastDamage(offset: number, limit: number): BatchPlace | null {
    // One entry before the one that leads there: which of two lies is told by what is before them.
    let from = this.index.positionBefore(this.index.lookup(offset - 1));
    let isPast = false;
    for (;;) {
      const next = from === 0 ? this.baseOffset : UNKNOWN;
      const { place, damagedAt, expected } = this.#around(offset, limit, from, next);
      if (damagedAt === null) return place;
      if (damagedAt === from && from > 0 && !isPast) {
        from = this.index.positionBefore(from);
        continue;
      }
      if (expected === offset) return cutPlace(damagedAt, offset);
      const lowest = Math.max(expected, this.baseOffset);
      const behind = findNextBatch(this.#opened(), damagedAt + 1, this.size, lowest);
      if (behind === null) return cutPlace(this.size, offset);
      from = behind;
      isPast = true;
    }
  }

  /**
   * The batch that holds `offset`, or the first one behind it, unless there is damage before: then where, and
   * which offset is `expected` there. `next` is expected at `from`.
   */
  #around(
    offset: number,
    limit: number,
    from: number,
    next: number,
  ): {
    readonly place: BatchPlace | null;
    readonly damagedAt: number | null;
    readonly expected: number;
  } {
    const { before, place, expected, brokenAt } = this.#headersAround(offset, limit, from, next);
    if (before !== null && this.#isDamaged(before)) {
      return { place: null, damagedAt: before.position, expected: before.baseOffset };
    }
    if (brokenAt !== null) return { place: null, damagedAt: brokenAt, expected };
    const straddles = place !== null && place.baseOffset < offset;
    const damagedAt = straddles && this.#isDamaged(place) ? place.position : null;
    return { place, damagedAt, expected };
  }

  /** The same by headers alone; `before`: the last batch that ends before `offset`. */
  #headersAround(
    offset: number,
    limit: number,
    from: number,
    next: number,
  ): {
    readonly before: BatchPlace | null;
    readonly place: BatchPlace | null;
    readonly expected: number;
    /** Where no header is, or one that lies. */
    readonly brokenAt: number | null;
  } {
    let before: BatchPlace | null = null;
    let place: BatchPlace | null = null;
    let expected = next;
    const { position, reason } = this.scanHeaders(from, (buffer, at, here) => {
      const found = placeOf(buffer, at, here);
      if (found.baseOffset < Math.max(expected, this.baseOffset)) return false;
      if (found.baseOffset !== expected && this.isOutOfPlace(found, limit)) return false;
      if (found.lastOffset >= offset) place = found;
      else {
        before = found;
        expected = found.lastOffset + 1;
      }
      return place === null;
    });
    const brokenAt = reason === 'end' || place !== null ? null : position;
    return { before, place, expected, brokenAt };
  }

  /**
   * Whether a batch that leaves offsets out before it has such as belong to others: to the batch behind
   * it, or where there is none to what begins at `bound`. No checksum covers offsets.
   */
  isOutOfPlace({ position, size, lastOffset: last }: BatchPlace, bound: number): boolean {
    const behind = position + size;
    const header = Buffer.allocUnsafe(BATCH_OVERHEAD);
    const read = this.read(header, 0, BATCH_OVERHEAD, behind);
    if (read < BATCH_OVERHEAD || !isPlausibleHeader(header, 0, this.size - behind)) {
      return last >= bound;
    }
    return baseOffsetOf(header, 0) <= last;
  }

  /** What the batches before and behind the one at `position` say, as far as there are some. */
  epochsBeside(position: number): { readonly offset: number; readonly epoch: number }[] {
    let before: { offset: number; epoch: number }[] = [];
    let behind: typeof before = [];
    this.scanHeaders(this.index.positionBefore(position), (buffer, at, here) => {
      const said = [{ offset: baseOffsetOf(buffer, at), epoch: partitionLeaderEpoch(buffer, at) }];
      if (here < position) before = said;
      else if (here > position) behind = said;
      return here <= position;
    });
    return [...before, ...behind];
  }

  #isDamaged(place: BatchPlace): boolean {
    const batch = Buffer.allocUnsafe(place.size);
    const read = this.read(batch, 0, place.size, place.position);
    return validateBatch(batch, 0, read) !== null;
  }

  scanHeaders(
    from: number,
    visit: (buffer: Buffer, at: number, position: number) => boolean | void,
  ): Scan {
    return scanHeaders(this.#opened(), from, this.size, visit);
  }

  /** Has this process checked the batch at `position` before, on append, recovery or read? */
  isVerified(position: number): boolean {
    return position < this.#verifiedTo || position >= this.#verifiedFrom;
  }
  noteVerified(from: number, to: number): void {
    if (from > this.#verifiedTo) return;
    this.#verifiedTo = Math.max(this.#verifiedTo, to);
  }

  /** What lies there is not what this process has checked, if it has. */
  noteDamaged(position: number): void {
    this.#verifiedTo = Math.min(this.#verifiedTo, position);
    if (position >= this.#verifiedFrom) this.#verifiedFrom = Number.POSITIVE_INFINITY;
  }

  /** Writes over what lies there. A failure, or a crash, leaves any part of it; the device has it after `sync`. */
  overwrite(position: number, bytes: Buffer): void {
    assert(position + bytes.length <= this.size, `${this.path}: written over its end`);
    this.#opened().write([bytes], position);
  }

  /** Reads up to `length` bytes at `position`; returns how many. */
  read(into: Uint8Array, offset: number, length: number, position: number): number {
    return this.#opened().read(into, offset, Math.min(length, this.size - position), position);
  }

  get file(): DiskFile {
    return this.#opened();
  }

  /**
   * Cuts the file at `size` and forgets index entries of `offset` and later ones. On the device when
   * it returns: what was cut must not come back between batches that take its place.
   */
  truncate(size: number, offset: number): void {
    assert(size <= this.size, `${this.path}: truncate to ${size} of ${this.size}`);
    const { index, timeIndex } = this;
    index.truncateTo(offset);
    timeIndex.truncateTo(offset);
    this.transactionIndex.truncateTo(offset);
    this.persistIndexes();
    this.#persistTransactions();
    this.trim(size);
    this.#opened().syncNow();
    this.#verifiedTo = Math.min(this.#verifiedTo, size);
    if (this.#verifiedFrom >= size) this.#verifiedFrom = Number.POSITIVE_INFINITY;
    if (size === 0) {
      this.#createdAt = this.#options.clock.now();
      this.#firstTimestamp = UNKNOWN;
    }
    this.#maxTimestamp = UNKNOWN;
    // What was damaged on the device is kept, and may lie before.
    this.#loadEnd(true);
  }

  /** Nothing more will be appended: the file ends where its batches do, and the indexes are whole. */
  complete(): void {
    if (this.#isPreallocated) this.trim(this.size);
    this.completeIndexes();
  }

  /** Cuts off what lies behind `size`, which is no batch. */
  trim(size: number): void {
    this.#opened().truncate(size);
    this.#size = size;
    this.#isPreallocated = false;
  }

  /**
   * Writes down the largest timestamp and what the index files lack: when nothing more will be
   * appended, or the indexes were made anew.
   */
  completeIndexes(): void {
    this.timeIndex.maybeAppend(this.maxTimestamp, this.offsetOfMaxTimestamp, true);
    this.persistIndexes();
  }

  /** Waits for the device. `complete`: the segment is closed, so its index files must be safe too. */
  async sync(complete: boolean): Promise<void> {
    const shared = this.#shared();
    const file = shared.lend();
    try {
      const indexes = complete ? this.#syncIndexes() : Promise.resolve();
      // Both have ended before the descriptor may be closed.
      const results = await Promise.allSettled([file.sync(), indexes]);
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    } finally {
      shared.giveBack();
    }
  }

  /** Reads up to `length` bytes at `position` without keeping anybody waiting; resolves with how many. */
  async readLater(into: Uint8Array, length: number, position: number): Promise<number> {
    const shared = this.#shared();
    const file = shared.lend();
    try {
      return await file.readLater(into, Math.min(length, this.size - position), position);
    } finally {
      shared.giveBack();
    }
  }

  /** The index files hold what the device may not have yet. */
  get indexesUnsynced(): boolean {
    return this.#indexesUnsynced;
  }
  /** Who wrote them has not waited for the device. */
  noteIndexesUnsynced(): void {
    this.#indexesUnsynced = true;
  }

  async #syncIndexes(): Promise<void> {
    if (!this.#indexesUnsynced) return;
    this.#indexesUnsynced = false;
    try {
      for (const path of this.files.slice(1)) await this.#syncIndex(path);
    } catch (error) {
      this.#indexesUnsynced = true;
      throw error;
    }
  }

  async #syncIndex(path: string): Promise<void> {
    if (!this.#options.disk.exists(path)) return;
    const file = this.#options.disk.open(path, 'read');
    try {
      await file.sync();
    } finally {
      file.close();
    }
  }

  /** Closes the file and forgets the indexes; they come back when needed. */
  release(): void {
    this.#index = null;
    this.#timeIndex = null;
    if (this.#transactionIndex?.pending === 0) this.#transactionIndex = null;
    this.#closeFile();
  }

  #closeFile(): void {
    if (this.#file === null) return;
    if (this.#size === UNKNOWN) this.#size = this.#file.file.size(); // Known without it from here on.
    this.#file.close();
    this.#file = null;
  }

  /** The last call. `complete`: leave the index files whole. */
  close(complete: boolean): void {
    if (complete && this.#index !== null) this.completeIndexes();
    else {
      this.#index = null;
      this.#timeIndex = null;
    }
    this.release();
  }
}
