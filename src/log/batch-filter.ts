/**
 * What compaction leaves of one batch: all of it, byte for byte; a batch with fewer records; an
 * empty batch, where its header still says something (sequence numbers that are remembered, the end
 * of the segment); or nothing.
 *
 * Offsets, order, sequence numbers, leader epoch and codec stay. A record stays that is the last of
 * its key. A tombstone stays, too, and so does a marker whose transaction is gone, until
 * `delete.retention.ms` after a cleaning first met it (KIP-534: the batch then has the time at which
 * they may go as its base timestamp, with a bit that says so), and in any case until every replica
 * has it (`removableBelow`): one that never sees it would keep the record that it deletes, or wait
 * for ever for the end of the transaction.
 */
import {
  type CompressionCode,
  CompressionType,
  compress,
  release,
} from '../protocol/compression.ts';
import {
  attributes,
  BATCH_OVERHEAD,
  BatchAttribute,
  baseOffset,
  baseTimestamp,
  batchSize,
  compressionOf,
  hasDeleteHorizon,
  isControl,
  isLogAppendTime,
  isTransactional,
  LOG_OVERHEAD,
  lastOffset,
  maxTimestamp,
  NO_TIMESTAMP,
  OFFSET_OF_LENGTH,
  producerEpoch,
  producerId,
  recordBytes,
  recordCount,
  seal,
  setAttributes,
  setBaseTimestamp,
  setMaxTimestamp,
  setRecordCount,
  varlongSize,
  writeVarint,
  writeVarlong,
} from '../protocol/record-batch.ts';
import { RecordCursor } from '../protocol/record-cursor.ts';
import type { CleanedTransactions } from './cleaned-transactions.ts';
import type { OffsetMap } from './offset-map.ts';

/**
 * What a log remembers of a producer, and must be able to read from the batches that stay. Kafka keeps
 * the last one only: after a start that finds no snapshot, the repetition of an earlier one is out of
 * order, and its sender writes it again under a new epoch.
 */
export interface KnownOfProducer {
  /** Last offsets of its batches of records; none: only a marker is known of this epoch. */
  readonly batchEnds: readonly number[];
  readonly epoch: number;
}

export interface FilterRules {
  readonly map: OffsetMap;
  /** What lies behind is not in the map, and stays. */
  readonly mappedTo: number;
  readonly transactions: CleanedTransactions;
  readonly producers: ReadonlyMap<number, KnownOfProducer>;
  /** Of the wall clock, at the begin of the pass. */
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  /** Every replica has what lies before. */
  readonly removableBelow: number;
}

/** Records that a filter has seen and left. */
export interface FilterCounts {
  recordsRead: number;
  recordsKept: number;
  /** Of a topic that was not compacted when they came: nothing to compact them by. */
  keyless: number;
}

export class BatchFilter {
  readonly counts: FilterCounts = { recordsRead: 0, recordsKept: 0, keyless: 0 };
  readonly #rules: FilterRules;
  readonly #cursor = new RecordCursor();
  /** Of the batch: `[start, end)` of the runs of records that stay. */
  #runs = new Int32Array(64);
  #runCount = 0;
  #keptCount = 0;
  #keptBytes = 0;
  /** Smallest first and largest timestamp delta of those. */
  #maxDelta = 0;
  #hasTombstone = false;
  /**
   * Where the segment that is being written ends. The batch that reaches there stays, be it empty:
   * offsets may be missing within a segment, but where one ends before the next begins, a power cut
   * has taken the rest of it, and recovery must be able to tell.
   */
  segmentEnd = -1;

  constructor(rules: FilterRules) {
    this.#rules = rules;
  }

  /**
   * Null: nothing stays. Else a batch, which may be `buffer` from `at` on: use it before the buffer
   * is changed. Throws RangeError when the records do not decode.
   */
  filter(buffer: Buffer, at: number): Buffer | null {
    const { transactions, nowMs, removableBelow } = this.#rules;
    const bits = attributes(buffer, at);
    const control = isControl(bits);
    const isDone = control
      ? transactions.isMarkerDone(buffer, at)
      : transactions.isAborted(buffer, at);
    const isDue =
      hasDeleteHorizon(bits) &&
      baseTimestamp(buffer, at) <= nowMs &&
      lastOffset(buffer, at) < removableBelow;
    const count = recordCount(buffer, at);
    if (isDone && (!control || isDue)) {
      this.counts.recordsRead += count;
      return this.#mustStay(buffer, at) ? emptied(buffer, at) : null;
    }
    const bytes = recordBytes(buffer, at);
    try {
      if (control) this.#keepAll(bytes, count);
      else this.#select(bytes, buffer, at, isDue);
      this.counts.recordsRead += count;
      this.counts.recordsKept += this.#keptCount;
      if (this.#keptCount === 0) return this.#mustStay(buffer, at) ? emptied(buffer, at) : null;
      const setsHorizon = !hasDeleteHorizon(bits) && (this.#hasTombstone || (control && isDone));
      if (this.#keptCount === count && !setsHorizon) {
        return buffer.subarray(at, at + batchSize(buffer, at));
      }
      return setsHorizon ? this.#dated(bytes, buffer, at) : this.#thinned(bytes, buffer, at);
    } finally {
      release(bytes, buffer);
    }
  }

  /** The header says what nothing else does. */
  #mustStay(buffer: Buffer, at: number): boolean {
    const { producers } = this.#rules;
    const last = lastOffset(buffer, at);
    if (last + 1 === this.segmentEnd) return true;
    const id = producerId(buffer, at);
    const known = id < 0 ? undefined : producers.get(id);
    if (known === undefined) return false;
    const bits = attributes(buffer, at);
    const { batchEnds } = known;
    if (batchEnds.length === 0) return isControl(bits) && known.epoch === producerEpoch(buffer, at);
    // Nobody repeats a batch of a transaction that has ended, and others are not cleaned.
    return isTransactional(bits) ? batchEnds.at(-1) === last : batchEnds.includes(last);
  }

  #keepAll(bytes: Buffer, count: number): void {
    this.#begin();
    this.#cursor.open(bytes, count);
    while (this.#cursor.next()) this.#keep();
  }

  #select(bytes: Buffer, buffer: Buffer, at: number, tombstonesAreDue: boolean): void {
    const cursor = this.#cursor;
    const { map, mappedTo } = this.#rules;
    const first = baseOffset(buffer, at);
    this.#begin();
    cursor.open(bytes, recordCount(buffer, at));
    while (cursor.next()) {
      const offset = first + cursor.offsetDelta;
      if (offset <= mappedTo) {
        if (cursor.keyEnd < 0) {
          this.counts.keyless++;
          continue;
        }
        if (offset < map.get(bytes, cursor.keyStart, cursor.keyEnd)) continue;
        if (!cursor.hasValue && tombstonesAreDue) continue;
      }
      if (!cursor.hasValue) this.#hasTombstone = true;
      this.#keep();
    }
  }

  #begin(): void {
    this.#runCount = 0;
    this.#keptCount = 0;
    this.#keptBytes = 0;
    this.#maxDelta = Number.NEGATIVE_INFINITY;
    this.#hasTombstone = false;
  }

  #keep(): void {
    const { start, end, timestampDelta } = this.#cursor;
    const last = this.#runCount * 2 - 1;
    if (last > 0 && this.#runs[last] === start) this.#runs[last] = end;
    else {
      if (last + 2 >= this.#runs.length) {
        const larger = new Int32Array(this.#runs.length * 2);
        larger.set(this.#runs);
        this.#runs = larger;
      }
      this.#runs[last + 1] = start;
      this.#runs[last + 2] = end;
      this.#runCount++;
    }
    this.#keptCount++;
    this.#keptBytes += end - start;
    if (timestampDelta > this.#maxDelta) this.#maxDelta = timestampDelta;
  }

  /** With the records that stay, as they are. */
  #thinned(bytes: Buffer, buffer: Buffer, at: number): Buffer {
    const records = Buffer.allocUnsafe(BATCH_OVERHEAD + this.#keptBytes);
    let end = BATCH_OVERHEAD;
    for (let run = 0; run < this.#runCount; run++) {
      end += bytes.copy(records, end, this.#runs[run * 2]!, this.#runs[run * 2 + 1]!);
    }
    const base = baseTimestamp(buffer, at);
    return this.#finish(records, buffer, at, attributes(buffer, at), base);
  }

  /** The same, with the time at which its tombstones or its marker may go as base timestamp. */
  #dated(bytes: Buffer, buffer: Buffer, at: number): Buffer {
    const { nowMs, deleteRetentionMs } = this.#rules;
    const horizon = nowMs + deleteRetentionMs;
    const shift = baseTimestamp(buffer, at) - horizon;
    // A timestamp takes at most ten bytes, and the length of the record then one more.
    const records = Buffer.allocUnsafe(BATCH_OVERHEAD + this.#keptBytes + this.#keptCount * 11);
    let end = BATCH_OVERHEAD;
    const cursor = this.#cursor;
    let run = 0;
    cursor.open(bytes, recordCount(buffer, at));
    while (run < this.#runCount && cursor.next()) {
      if (cursor.start < this.#runs[run * 2]!) continue;
      const delta = cursor.timestampDelta + shift;
      const size = cursor.end - cursor.offsetStart;
      end = writeVarint(records, 1 + varlongSize(delta) + size, end);
      records[end++] = 0;
      end = writeVarlong(records, delta, end);
      end += bytes.copy(records, end, cursor.offsetStart, cursor.end);
      if (cursor.end >= this.#runs[run * 2 + 1]!) run++;
    }
    const bits = attributes(buffer, at) | BatchAttribute.deleteHorizon;
    // Records are told their times from the horizon on, the header the largest of them.
    this.#maxDelta += shift;
    return this.#finish(records.subarray(0, end), buffer, at, bits, horizon);
  }

  /** Packs the records behind the room for a header, and writes that of `buffer` before them. */
  #finish(records: Buffer, buffer: Buffer, at: number, bits: number, base: number): Buffer {
    const codec = compressionOf(bits);
    let batch = records;
    if (codec !== CompressionType.none) {
      const packed = compress(codec as CompressionCode, records.subarray(BATCH_OVERHEAD));
      batch = Buffer.allocUnsafe(BATCH_OVERHEAD + packed.length);
      packed.copy(batch, BATCH_OVERHEAD);
    }
    buffer.copy(batch, 0, at, at + BATCH_OVERHEAD);
    batch.writeInt32BE(batch.length - LOG_OVERHEAD, OFFSET_OF_LENGTH);
    setAttributes(batch, 0, bits);
    setBaseTimestamp(batch, 0, base);
    setRecordCount(batch, 0, this.#keptCount);
    if (!isLogAppendTime(bits)) setMaxTimestamp(batch, 0, base + this.#maxDelta);
    seal(batch, 0);
    return batch;
  }
}

/** The header of the batch at `at`, with no records behind it. */
function emptied(buffer: Buffer, at: number): Buffer {
  const batch = Buffer.from(buffer.subarray(at, at + BATCH_OVERHEAD));
  const codecAndHorizon = 0x07 | BatchAttribute.deleteHorizon;
  batch.writeInt32BE(BATCH_OVERHEAD - LOG_OVERHEAD, OFFSET_OF_LENGTH);
  setAttributes(batch, 0, attributes(buffer, at) & ~codecAndHorizon);
  setBaseTimestamp(batch, 0, NO_TIMESTAMP);
  setMaxTimestamp(batch, 0, maxTimestamp(buffer, at));
  setRecordCount(batch, 0, 0);
  seal(batch, 0);
  return batch;
}
