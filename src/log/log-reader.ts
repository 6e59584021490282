import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import {
  BATCH_OVERHEAD,
  baseOffset,
  batchSize,
  forEachPassingRecord,
  lastOffset,
  maxTimestamp,
  partitionLeaderEpoch,
  setPartitionLeaderEpoch,
  validateBatch,
} from '../protocol/record-batch.ts';
import { isPlausibleHeader, type ScanEnd } from './batch-scanner.ts';
import type { LeaderEpochFileCache } from './leader-epoch-file-cache.ts';
import type { LogDamage } from './log-damage.ts';
import type { LogEnvironment } from './log-environment.ts';
import type { LogOffsets } from './log-offsets.ts';
import type { LogSegment } from './log-segment.ts';
import { type Piece, READ_AHEAD_BYTES_MIN } from './read-ahead.ts';
import { findNextBatch } from './resync.ts';
import type { SegmentList } from './segment-list.ts';

/** Readers whose place in the log is remembered, so that reading on needs no search. */
const PLACES_MAX = 16;

/** Whole batches as they lie in the log. */
export interface LogRead {
  /** Empty when there is nothing to read below the bound. */
  readonly records: Uint8Array | readonly Uint8Array[];
  readonly bytes: number;
  /** Base offset of the first batch; it may lie before the offset asked for. */
  readonly firstOffset: number;
  /** Behind the last batch. */
  readonly nextOffset: number;
  /**
   * Gives the bytes back for other reads. Call it once, when nobody looks at `records` any more
   * (for a fetch: when the socket has taken them), or never. Null: they are shared and stay valid.
   */
  readonly release: (() => void) | null;
}

export interface OffsetAndTimestamp {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

export interface ReadBounds {
  /** Only batches that end before this offset (the high watermark, or the end for a replica). */
  readonly upTo: number;
  /** Return the first batch even when it is larger than `maxBytes`. */
  readonly minOneMessage: boolean;
}

const NO_BYTES = Buffer.alloc(0);

export const emptyRead = (offset: number): LogRead => ({
  records: NO_BYTES,
  bytes: 0,
  firstOffset: offset,
  nextOffset: offset,
  release: null,
});

interface Located {
  readonly position: number;
  readonly reason: ScanEnd;
  /** Of the batch that was found; Infinity: none was. */
  readonly baseOffset: number;
  /** Position of the batch before it; -1: not known. */
  readonly previous: number;
  /** Where that one ends; -1: not known. */
  readonly before: number;
}

/** Whether what lies at `at` can be the batch behind one that ends with offset `last`; damage can't tell. */
const leavesRoom = (last: number, buffer: Buffer, at: number, room: number): boolean =>
  !isPlausibleHeader(buffer, at, room) || last < baseOffset(buffer, at);

/** Where a reader went on to, when it took all that there was up to `offset`. */
interface Place {
  readonly offset: number;
  readonly segment: LogSegment;
  readonly position: number;
  /** Where the batch before it ends; -1: not known. */
  readonly before: number;
  /** What lies there, read before it is asked for. */
  readonly ahead: Piece | null;
}

/**
 * Reads batches of one log from its files. Every batch that is handed out has been checked: that it
 * is where it should be, and its CRC unless this process had checked it before, on append,
 * recovery or read. No checksum covers its base offset: that is believed where it continues the batch
 * before, and else where it leaves room for the batch behind, since offsets rise. Nor does one cover its
 * epoch, of which the log knows without it: one that can't be is made right, in the file as well.
 */
export class LogReader {
  readonly #environment: LogEnvironment;
  readonly #segments: SegmentList;
  readonly #damage: LogDamage;
  readonly #offsets: LogOffsets;
  readonly #epochs: LeaderEpochFileCache;
  #places: Place[] = [];

  constructor(
    environment: LogEnvironment,
    segments: SegmentList,
    damage: LogDamage,
    offsets: LogOffsets,
    epochs: LeaderEpochFileCache,
  ) {
    this.#environment = environment;
    this.#segments = segments;
    this.#damage = damage;
    this.#offsets = offsets;
    this.#epochs = epochs;
  }

  /** Remembered places are wrong once the log has been cut, and what was read ahead once it was mended. */
  forgetPlaces(): void {
    for (const place of this.#places) this.#leave(place);
    this.#places = [];
  }

  read(offset: number, maxBytes: number, bounds: ReadBounds): LogRead {
    const known = this.#takePlace(offset);
    const place = known ?? this.#search(offset);
    if (place === null) return emptyRead(offset);
    const { segment, position, ahead } = place;
    const wanted = Math.min(maxBytes, segment.size - position);
    let { buffer, read } = this.#taken(ahead, wanted) ?? {
      buffer: this.#environment.buffers.take(wanted),
      read: 0,
    };
    if (read < wanted) read += segment.read(buffer, read, wanted - read, position + read);
    const first = this.#firstSize(buffer, read, segment, position);
    if (first > read && bounds.minOneMessage) {
      this.#environment.buffers.release(buffer);
      buffer = this.#environment.buffers.take(first);
      read = segment.read(buffer, 0, first, position);
    }
    const { bytes, nextOffset } = this.#wholeBatches(
      buffer,
      read,
      bounds.upTo,
      segment,
      position,
      place.before,
    );
    if (bytes === 0) {
      this.#environment.buffers.release(buffer);
      this.#keepPlace({ ...place, ahead: null });
      return emptyRead(offset);
    }
    const behind = position + bytes;
    if (behind < segment.size) {
      // Who has come from before will go on.
      const ahead = known === null ? null : this.#readAhead(segment, behind, maxBytes);
      const next = { offset: nextOffset, before: nextOffset, segment, position: behind };
      this.#keepPlace({ ...next, ahead });
    }
    return this.#answer(buffer, bytes, nextOffset);
  }

  /** What was read ahead, if it is here; not if it was read for somebody who may have less. */
  #taken(ahead: Piece | null, wanted: number): { buffer: Buffer; read: number } | null {
    const { buffers, readAhead } = this.#environment;
    const taken = ahead === null ? null : readAhead.take(ahead);
    if (taken === null) return null;
    const { buffer } = taken;
    if (buffer.length >= wanted) return { buffer, read: Math.min(taken.read, wanted) };
    buffers.release(buffer);
    return null;
  }

  #answer(buffer: Buffer, bytes: number, nextOffset: number): LogRead {
    const { buffers } = this.#environment;
    let owned: Buffer | null = buffer;
    const release = (): void => {
      if (owned !== null) buffers.release(owned);
      owned = null;
    };
    const records = buffer.subarray(0, bytes);
    return { records, bytes, firstOffset: baseOffset(buffer, 0), nextOffset, release };
  }

  /** Size of the batch at the start of the buffer. */
  #firstSize(buffer: Buffer, read: number, segment: LogSegment, position: number): number {
    let header = buffer;
    if (read < BATCH_OVERHEAD) {
      header = Buffer.allocUnsafe(BATCH_OVERHEAD);
      const got = segment.read(header, 0, BATCH_OVERHEAD, position);
      if (got < BATCH_OVERHEAD) throw this.#corrupt(segment, position);
    }
    if (!isPlausibleHeader(header, 0, segment.size - position)) {
      throw this.#corrupt(segment, position);
    }
    return batchSize(header, 0);
  }

  /** Bytes of the whole batches below `upTo` in the buffer. `before`: the end of the one before; -1: not known. */
  #wholeBatches(
    buffer: Buffer,
    read: number,
    upTo: number,
    segment: LogSegment,
    position: number,
    before: number,
  ): { readonly bytes: number; readonly nextOffset: number } {
    let at = 0;
    let next = before;
    while (read - at >= BATCH_OVERHEAD) {
      if (!isPlausibleHeader(buffer, at, segment.size - position - at)) {
        if (at > 0) break; // What lies before is whole; the next read answers for this.
        throw this.#corrupt(segment, position);
      }
      const size = batchSize(buffer, at);
      if (at + size > read) break;
      // Checked before its offsets are believed: a damaged one must not look like one to come.
      const isInOrder = baseOffset(buffer, at) >= next;
      if (!isInOrder || !this.#isSound(buffer, at, read, segment, position + at, next)) {
        if (at > 0) break;
        throw this.#corrupt(segment, position);
      }
      if (lastOffset(buffer, at) >= upTo) break;
      next = lastOffset(buffer, at) + 1;
      at += size;
    }
    return { bytes: at, nextOffset: next };
  }

  /** Checks CRC and place, once in the life of the process. `before`: the end of the batch before; -1: not known. */
  #isSound(
    buffer: Buffer,
    at: number,
    end: number,
    segment: LogSegment,
    position: number,
    before: number,
  ): boolean {
    if (!this.#environment.verifyReads || segment.isVerified(position)) return true;
    if (validateBatch(buffer, at, end) !== null) return false;
    if (!this.#isInPlace(buffer, at, end, segment, position, before)) return false;
    this.#correctEpoch(buffer, at, segment, position);
    segment.noteVerified(position, position + batchSize(buffer, at));
    return true;
  }

  /**
   * Makes the epoch that the batch says what the log knows; not where a neighbour says the same, since the
   * log knows less then. A crash before the device has it leaves the wrong one, for whoever reads it next.
   */
  #correctEpoch(buffer: Buffer, at: number, segment: LogSegment, position: number): void {
    const written = partitionLeaderEpoch(buffer, at);
    const offset = baseOffset(buffer, at);
    if (written === this.#epochs.epochForOffset(offset)) return;
    const span = this.#epochs.spanOf(offset);
    const isSaidBeside = ({ offset: other, epoch }: { offset: number; epoch: number }): boolean =>
      epoch === written && other >= span!.start && other < span!.end;
    if (span === null || segment.epochsBeside(position).some(isSaidBeside)) return;
    setPartitionLeaderEpoch(buffer, at, span.epoch);
    segment.overwrite(position, buffer.subarray(at, at + BATCH_OVERHEAD));
    // It may have been read ahead.
    this.forgetPlaces();
    const { probe, logger } = this.#environment;
    probe.corruptBatches++;
    logger.error(`${segment.path}: offset ${offset} says epoch ${written}, it is of ${span.epoch}`);
  }

  /** Whether the batch can have the offsets that it says. */
  #isInPlace(
    buffer: Buffer,
    at: number,
    end: number,
    segment: LogSegment,
    position: number,
    before: number,
  ): boolean {
    const first = baseOffset(buffer, at);
    if (first < segment.baseOffset) return false;
    if (first === (position === 0 ? segment.baseOffset : before)) return true;
    const size = batchSize(buffer, at);
    const last = lastOffset(buffer, at);
    const behind = position + size;
    if (segment.size - behind < BATCH_OVERHEAD) return last < this.#limitOf(segment);
    if (end - at - size >= BATCH_OVERHEAD) {
      return leavesRoom(last, buffer, at + size, segment.size - behind);
    }
    const header = Buffer.allocUnsafe(BATCH_OVERHEAD);
    const read = segment.read(header, 0, BATCH_OVERHEAD, behind);
    return read < BATCH_OVERHEAD || leavesRoom(last, header, 0, segment.size - behind);
  }

  /** No batch of the segment has that offset or a later one. */
  #limitOf(segment: LogSegment): number {
    return this.#segments.limitOf(segment, this.#offsets.end);
  }

  #takePlace(offset: number): Place | null {
    for (let i = 0; i < this.#places.length; i++) {
      const place = this.#places[i]!;
      if (place.offset !== offset) continue;
      this.#places.splice(i, 1);
      this.#used(place.segment);
      return place;
    }
    return null;
  }

  #keepPlace(place: Place): void {
    if (this.#places.length >= PLACES_MAX) this.#leave(this.#places.shift()!);
    this.#places.push(place);
  }

  #leave({ ahead }: Place): void {
    if (ahead !== null) this.#environment.readAhead.drop(ahead);
  }

  #readAhead(segment: LogSegment, position: number, maxBytes: number): Piece | null {
    const length = Math.min(maxBytes, segment.size - position);
    if (length < READ_AHEAD_BYTES_MIN) return null;
    return this.#environment.readAhead.begin(segment, position, length);
  }

  #used(segment: LogSegment): void {
    if (segment !== this.#segments.active) this.#environment.segmentCache.used(segment);
  }

  /** The first batch that holds `offset` or a later one. */
  #search(offset: number): Place | null {
    for (let i = Math.max(0, this.#segments.floor(offset)); i < this.#segments.length; i++) {
      const segment = this.#segments.at(i)!;
      this.#used(segment);
      const found = this.#find(segment, Math.max(offset, segment.baseOffset));
      if (found !== null) return { offset, segment, ...found, ahead: null };
    }
    return null;
  }

  #find(
    segment: LogSegment,
    offset: number,
  ): { readonly position: number; readonly before: number } | null {
    const from = segment.index.lookup(offset);
    let found = this.#locate(segment, offset, from);
    if (found.reason === 'invalid' && found.position === from && from > 0) {
      // An index that leads astray is no damage of the log.
      segment.rebuildIndexes(`entry for position ${from} leads to no batch`);
      found = this.#locate(segment, offset, segment.index.lookup(offset));
    }
    if (found.previous === from && from > 0 && found.baseOffset > offset) {
      // What the index leads to may be out of place: the one before it tells.
      found = this.#locate(segment, offset, segment.index.positionBefore(from));
    }
    if (found.reason === 'invalid') {
      // The batch before may lie about its length or its offsets, and hide whole ones.
      const isHidden = found.previous >= 0 && !this.#isSoundAt(segment, found.previous);
      return this.#findBehindDamage(segment, offset, isHidden ? found.previous : found.position);
    }
    // Offsets may be missing in a cleaned log, or because the batch before lies about its own.
    const isGap = found.baseOffset > offset && found.previous >= 0;
    if (isGap && !this.#isSoundAt(segment, found.previous)) {
      throw this.#corrupt(segment, found.previous);
    }
    if (found.reason === 'end') return null;
    // A damaged batch may claim offsets that lie in the next ones.
    if (this.#isSoundAt(segment, found.position, found.before)) return found;
    return this.#findBehindDamage(segment, offset, found.position);
  }

  /** Walks headers from `from` to the batch that holds `offset`, or the first one behind it. */
  #locate(segment: LogSegment, offset: number, from: number): Located {
    let previous = -1;
    let before = -1;
    let base = Infinity;
    let isOutOfOrder = false;
    const { position, reason } = segment.scanHeaders(from, (buffer, at, place) => {
      const first = baseOffset(buffer, at);
      isOutOfOrder = first < Math.max(before, segment.baseOffset);
      if (isOutOfOrder) return false;
      if (lastOffset(buffer, at) >= offset) {
        base = first;
        return false;
      }
      previous = place;
      before = lastOffset(buffer, at) + 1;
      return true;
    });
    return {
      position,
      reason: isOutOfOrder ? 'invalid' : reason,
      baseOffset: base,
      previous,
      before,
    };
  }

  /** Reads the batch at `position` to check CRC and place, if that was not done before. */
  #isSoundAt(segment: LogSegment, position: number, before = -1): boolean {
    if (!this.#environment.verifyReads || segment.isVerified(position)) return true;
    const { buffers } = this.#environment;
    const size = this.#firstSize(NO_BYTES, 0, segment, position);
    const batch = buffers.take(size);
    const read = segment.read(batch, 0, size, position);
    const isSound = this.#isSound(batch, 0, read, segment, position, before);
    buffers.release(batch);
    return isSound;
  }

  /** Batches behind damaged ones can still be read; the damaged offsets can't. */
  #findBehindDamage(segment: LogSegment, offset: number, invalidAt: number): Located {
    let damagedAt = invalidAt;
    for (;;) {
      const next = findNextBatch(segment.file, damagedAt + 1, segment.size, segment.baseOffset);
      if (next === null) throw this.#corrupt(segment, damagedAt);
      let first = Infinity;
      segment.scanHeaders(next, (buffer, at) => {
        first = baseOffset(buffer, at);
        return false;
      });
      if (first > offset) throw this.#corrupt(segment, damagedAt);
      const found = this.#locate(segment, offset, next);
      if (found.reason === 'stopped') return found;
      if (found.reason === 'end') throw this.#corrupt(segment, damagedAt);
      damagedAt = found.position;
    }
  }

  #corrupt(segment: LogSegment, position: number): ProtocolError {
    const text = `${segment.path}: damaged batch at position ${position}`;
    this.#damage.met(segment, position, text);
    return new ProtocolError(ErrorCode.CORRUPT_MESSAGE, text);
  }

  /** The first record from `startOffset` on that is at least as young as `timestamp`. */
  offsetForTimestamp(timestamp: number, startOffset: number): OffsetAndTimestamp | null {
    for (const segment of this.#segments) {
      if (segment.maxTimestamp < timestamp) continue;
      this.#used(segment);
      const from = Math.max(segment.timeIndex.lookup(timestamp), startOffset);
      const found = this.#youngEnough(segment, segment.index.lookup(from), timestamp, startOffset);
      if (found !== null) return found;
    }
    return null;
  }

  #youngEnough(
    segment: LogSegment,
    from: number,
    timestamp: number,
    startOffset: number,
  ): OffsetAndTimestamp | null {
    for (let position = from; ; ) {
      let size = 0;
      const scan = segment.scanHeaders(position, (buffer, at) => {
        size = batchSize(buffer, at);
        return maxTimestamp(buffer, at) < timestamp || lastOffset(buffer, at) < startOffset;
      });
      if (scan.reason === 'invalid') throw this.#corrupt(segment, scan.position);
      if (scan.reason === 'end') return null;
      const record = this.#recordIn(segment, scan.position, size, (r) => {
        return r.timestamp >= timestamp && r.offset >= startOffset;
      });
      if (record !== null) return record;
      position = scan.position + size;
    }
  }

  /** The record with the largest timestamp; of several, the first. */
  maxTimestampOffset(): OffsetAndTimestamp | null {
    let youngest: LogSegment | null = null;
    for (const segment of this.#segments) {
      if (segment.maxTimestamp > (youngest?.maxTimestamp ?? -1)) youngest = segment;
    }
    if (youngest === null) return null;
    const { maxTimestamp: timestamp, offsetOfMaxTimestamp } = youngest;
    this.#used(youngest);
    const place = youngest.find(offsetOfMaxTimestamp);
    if (place === null) return null;
    if (place.size === 0) throw this.#corrupt(youngest, place.position);
    return this.#recordIn(youngest, place.position, place.size, (r) => r.timestamp === timestamp);
  }

  #recordIn(
    segment: LogSegment,
    position: number,
    size: number,
    wanted: (record: { offset: number; timestamp: number }) => boolean,
  ): OffsetAndTimestamp | null {
    const { buffers } = this.#environment;
    const batch = buffers.take(size);
    try {
      const read = segment.read(batch, 0, size, position);
      const isWhole = read === size && validateBatch(batch, 0, read) === null;
      if (!isWhole || !this.#isInPlace(batch, 0, read, segment, position, -1)) {
        throw this.#corrupt(segment, position);
      }
      let found: OffsetAndTimestamp | null = null;
      const leaderEpoch = partitionLeaderEpoch(batch, 0);
      forEachPassingRecord(batch, 0, (record) => {
        if (!wanted(record)) return true;
        found = { offset: record.offset, timestamp: record.timestamp, leaderEpoch };
        return false;
      });
      return found;
    } finally {
      buffers.release(batch);
    }
  }
}
