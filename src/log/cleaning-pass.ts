/**
 * One pass of compaction over one log: first `map` notes the last offset of every key in the dirty
 * part, then `clean` writes each group of segments anew, into one segment whose files are named
 * `.cleaned`. The log itself is only read; `PartitionLog.replaceSegments` puts what was made in place.
 *
 * All that a pass must know is in its job, as plain data, so that it runs on any thread. It holds the
 * map, a buffer to read into and one to write from, and nothing a record.
 */
import type { Clock } from '../base/clock.ts';
import type { Disk, DiskFile } from '../base/disk.ts';
import { OperatingError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { release } from '../protocol/compression.ts';
import {
  attributes,
  BATCH_OVERHEAD,
  baseOffset,
  batchSize,
  isControl,
  lastOffset,
  recordBytes,
  recordCount,
  validateBatch,
} from '../protocol/record-batch.ts';
import { RecordCursor } from '../protocol/record-cursor.ts';
import { BatchFilter, type KnownOfProducer } from './batch-filter.ts';
import { CleanedTransactions } from './cleaned-transactions.ts';
import type { CleanerPace } from './cleaner-pace.ts';
import { CLEANED_SUFFIX } from './log-files.ts';
import { LogSegment } from './log-segment.ts';
import { OffsetMap } from './offset-map.ts';
import { LogProbe } from './probe.ts';
import type { AbortedTransaction } from './transaction-index.ts';

/** A segment that is not appended to any more. */
export interface SourceSegment {
  readonly baseOffset: number;
  /** Of the segment behind it. */
  readonly nextBaseOffset: number;
  readonly path: string;
  readonly size: number;
}

export interface CleaningJob {
  /** Of the partition. */
  readonly directory: string;
  /** Cleaned before up to here. */
  readonly firstDirtyOffset: number;
  /** All segments that may be cleaned. */
  readonly sources: readonly SourceSegment[];
  readonly nowMs: number;
  /** `delete.retention.ms`. */
  readonly deleteRetentionMs: number;
  /** Every replica has what lies before. */
  readonly removableBelow: number;
  readonly producers: ReadonlyMap<number, KnownOfProducer>;
  /** Lines of the transaction indexes before the end of the last source. */
  readonly aborted: readonly AbortedTransaction[];
  readonly indexIntervalBytes: number;
  readonly segmentIndexBytes: number;
  readonly buffers: CleanerBuffers;
}

export interface CleanerBuffers {
  /** `log.cleaner.dedupe.buffer.size`. */
  readonly dedupeBytes: number;
  /** `log.cleaner.io.buffer.load.factor`. */
  readonly loadFactor: number;
  /** `log.cleaner.io.buffer.size`; a larger batch gets what it needs. */
  readonly ioBytes: number;
}

export interface MapOutcome {
  /** The pass cleans up to here: less than all where the map was full. */
  readonly endOffset: number;
  readonly bytesRead: number;
  /** Share of the map that was taken. */
  readonly utilization: number;
}

export interface GroupOutcome {
  readonly baseOffset: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly recordsRead: number;
  readonly recordsKept: number;
  readonly keyless: number;
}

export interface PassEnvironment {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly pace: CleanerPace;
}

export interface UncleanablePlace {
  /** Of the segment. */
  readonly baseOffset: number;
  readonly position: number;
}

/** Something in the log that is no batch, or a batch whose records do not decode. */
export class UncleanableError extends OperatingError {
  override name = 'UncleanableError';
  /** Where it lies. */
  readonly place: UncleanablePlace;
  constructor(message: string, place: UncleanablePlace) {
    super('EUNCLEANABLE', message);
    this.place = place;
  }
}

export class CleaningPass {
  readonly #job: CleaningJob;
  readonly #environment: PassEnvironment;
  readonly #map: OffsetMap;
  /** Last offset that the map covers. */
  #mappedTo: number;
  #filter: BatchFilter | null = null;
  readonly #transactions: CleanedTransactions;
  readonly #cursor = new RecordCursor();
  #input: Buffer;
  #output: Buffer;
  #outputBytes = 0;
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(job: CleaningJob, environment: PassEnvironment) {
    this.#job = job;
    this.#environment = environment;
    const { dedupeBytes, loadFactor, ioBytes } = job.buffers;
    this.#map = new OffsetMap({
      maxBytes: dedupeBytes,
      loadFactor,
      random: environment.random,
    });
    this.#mappedTo = job.firstDirtyOffset - 1;
    this.#transactions = new CleanedTransactions(job.aborted);
    // Half for each, as of Kafka's buffer of that name.
    const half = Math.max(BATCH_OVERHEAD, Math.floor(ioBytes / 2));
    this.#input = Buffer.allocUnsafeSlow(half);
    this.#output = Buffer.allocUnsafeSlow(half);
  }

  /** Notes the last offset of every key from the first dirty offset on. */
  async map(): Promise<MapOutcome> {
    const { sources, firstDirtyOffset, aborted } = this.#job;
    // Of those that ended before, no marker is met here: they would never seem to end.
    const ending = aborted.filter(({ lastOffset: marker }) => marker >= firstDirtyOffset);
    const transactions = new CleanedTransactions(ending);
    for (const source of sources) {
      if (source.nextBaseOffset <= firstDirtyOffset) continue;
      const isWhole = await this.#walk(source, (buffer, at) => {
        if (lastOffset(buffer, at) < firstDirtyOffset) return true;
        return this.#mapBatch(buffer, at, transactions);
      });
      if (!isWhole) break;
      this.#mappedTo = source.nextBaseOffset - 1;
    }
    const bytesRead = this.#bytesRead;
    this.#bytesRead = 0;
    return { endOffset: this.#mappedTo + 1, bytesRead, utilization: this.#map.utilization };
  }

  /** False: the map is full, from a record of this batch on. */
  #mapBatch(buffer: Buffer, at: number, transactions: CleanedTransactions): boolean {
    if (isControl(attributes(buffer, at))) transactions.isMarkerDone(buffer, at);
    else if (!transactions.isAborted(buffer, at) && !this.#mapRecords(buffer, at)) return false;
    this.#mappedTo = Math.max(this.#mappedTo, lastOffset(buffer, at));
    return true;
  }

  #mapRecords(buffer: Buffer, at: number): boolean {
    const { firstDirtyOffset } = this.#job;
    const map = this.#map;
    const cursor = this.#cursor;
    const first = baseOffset(buffer, at);
    const bytes = recordBytes(buffer, at);
    try {
      cursor.open(bytes, recordCount(buffer, at));
      while (cursor.next()) {
        const offset = first + cursor.offsetDelta;
        if (cursor.keyEnd < 0 || offset < firstDirtyOffset) continue;
        if (!map.put(bytes, cursor.keyStart, cursor.keyEnd, offset)) {
          // A batch with more keys than the map has room for must not stop the log for ever.
          this.#mappedTo = Math.max(this.#mappedTo, offset - 1);
          return false;
        }
      }
      return true;
    } finally {
      release(bytes, buffer);
    }
  }

  /** Writes what stays of `group` into one segment of files named `.cleaned`, and syncs it. */
  async clean(group: readonly SourceSegment[]): Promise<GroupOutcome> {
    const filter = (this.#filter ??= this.#newFilter());
    const counts = { ...filter.counts };
    const segment = this.#newSegment(group[0]!.baseOffset);
    filter.segmentEnd = group.at(-1)!.nextBaseOffset;
    this.#bytesRead = 0;
    this.#bytesWritten = 0;
    try {
      for (const source of group) {
        await this.#walk(source, (buffer, at) => {
          const kept = filter.filter(buffer, at);
          if (kept !== null) this.#write(segment, kept);
          return true;
        });
      }
      this.#flush(segment);
      for (const line of this.#transactions.takeKept()) segment.noteAborted(line);
      segment.completeIndexes();
      await segment.sync(true);
    } finally {
      this.#outputBytes = 0;
      segment.close(false);
    }
    return {
      baseOffset: segment.baseOffset,
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
      recordsRead: filter.counts.recordsRead - counts.recordsRead,
      recordsKept: filter.counts.recordsKept - counts.recordsKept,
      keyless: filter.counts.keyless - counts.keyless,
    };
  }

  #newFilter(): BatchFilter {
    const { producers, nowMs, deleteRetentionMs, removableBelow } = this.#job;
    return new BatchFilter({
      map: this.#map,
      mappedTo: this.#mappedTo,
      transactions: this.#transactions,
      ...{ producers, nowMs, deleteRetentionMs, removableBelow },
    });
  }

  #newSegment(base: number): LogSegment {
    const { directory, indexIntervalBytes, segmentIndexBytes } = this.#job;
    const { disk, clock, logger } = this.#environment;
    return LogSegment.create({
      ...{ disk, clock, logger, directory, indexIntervalBytes, segmentIndexBytes },
      probe: new LogProbe(),
      baseOffset: base,
      suffix: CLEANED_SUFFIX,
      rollJitterMs: 0,
      onOpened: () => {},
      findAborted: () => {},
    });
  }

  #write(segment: LogSegment, batch: Buffer): void {
    if (this.#outputBytes + batch.length > this.#output.length) this.#flush(segment);
    if (batch.length > this.#output.length) {
      this.#output = Buffer.allocUnsafeSlow(batch.length);
    }
    batch.copy(this.#output, this.#outputBytes);
    this.#outputBytes += batch.length;
  }

  #flush(segment: LogSegment): void {
    if (this.#outputBytes === 0) return;
    segment.append([this.#output.subarray(0, this.#outputBytes)]);
    this.#bytesWritten += this.#outputBytes;
    this.#outputBytes = 0;
  }

  /** Visits the batches of a segment, each checked; false: the visitor did not want the rest. */
  async #walk(
    source: SourceSegment,
    visit: (buffer: Buffer, at: number) => boolean,
  ): Promise<boolean> {
    const { pace, disk } = this.#environment;
    const file = disk.open(source.path, 'read');
    let next = source.baseOffset;
    try {
      for (let position = 0; position < source.size; ) {
        const bytes = this.#read(file, position, source);
        let at = 0;
        while (at < bytes && at + batchSizeWithin(this.#input, at, bytes) <= bytes) {
          const size = batchSize(this.#input, at);
          if (!visitChecked(this.#input, at, bytes, visit, source, position, next)) return false;
          next = lastOffset(this.#input, at) + 1;
          at += size;
          const pause = pace.passed(size);
          if (pause !== null) await pause;
        }
        position += at;
        this.#bytesRead += at;
      }
      return true;
    } finally {
      file.close();
    }
  }

  /** Fills the input buffer from `position` with at least one whole batch. */
  #read(file: DiskFile, position: number, { baseOffset: base, size }: SourceSegment): number {
    for (;;) {
      const wanted = Math.min(this.#input.length, size - position);
      const bytes = file.read(this.#input, 0, wanted, position);
      if (bytes < wanted) {
        const text = `${file.path} ends at ${position + bytes} of ${size} bytes`;
        throw new UncleanableError(text, { baseOffset: base, position });
      }
      const needed = batchSizeWithin(this.#input, 0, bytes);
      if (needed <= bytes) return bytes;
      if (needed > size - position) {
        const text = `${file.path}: no whole batch at position ${position}`;
        throw new UncleanableError(text, { baseOffset: base, position });
      }
      this.#input = Buffer.allocUnsafeSlow(needed);
    }
  }
}

/** Of the batch at `at`, as far as its header is there; a size that can't be is more than there is. */
function batchSizeWithin(buffer: Buffer, at: number, end: number): number {
  if (at + BATCH_OVERHEAD > end) return BATCH_OVERHEAD;
  const size = batchSize(buffer, at);
  return size < BATCH_OVERHEAD ? Number.POSITIVE_INFINITY : size;
}

function visitChecked(
  buffer: Buffer,
  at: number,
  end: number,
  visit: (buffer: Buffer, at: number) => boolean,
  { path, baseOffset: base, nextBaseOffset }: SourceSegment,
  readAt: number,
  next: number,
): boolean {
  const fault = validateBatch(buffer, at, end);
  const position = readAt + at;
  const place = { baseOffset: base, position };
  if (fault !== null) {
    throw new UncleanableError(`${path}: ${fault.reason} at position ${position}`, place);
  }
  // No checksum covers its offsets: they rise, and none is one of the segment behind.
  if (baseOffset(buffer, at) < next || lastOffset(buffer, at) >= nextBaseOffset) {
    const text = `${path}: offset ${baseOffset(buffer, at)} is out of place at position ${position}`;
    throw new UncleanableError(text, place);
  }
  try {
    return visit(buffer, at);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UncleanableError(`${path}: ${error.message} at position ${position}`, place);
  }
}
