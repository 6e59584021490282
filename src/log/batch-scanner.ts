import { assert } from '../base/assert.ts';
import type { DiskFile } from '../base/disk.ts';
import {
  BATCH_OVERHEAD,
  baseOffset,
  batchSize,
  lastOffsetDelta,
  MAGIC,
  magic,
  validateBatch,
} from '../protocol/record-batch.ts';

/**
 * Walks over the batches of a `.log` file, from header to header.
 *
 * `scanHeaders` reads only headers and believes them as far as they make sense; `scanBatches` reads
 * everything and checks each CRC. Both stop at the first place where no whole batch begins. The
 * buffer they show is reused: what must stay has to be copied during the visit.
 */

/** Read at a time while walking headers: a few small batches, or one header of a large one. */
const HEADER_WINDOW_BYTES = 4096;

/** Read at a time while checking whole batches; a larger batch gets a buffer of its own. */
const BATCH_WINDOW_BYTES = 1024 * 1024;

const headerWindow = Buffer.allocUnsafeSlow(HEADER_WINDOW_BYTES);
let headerWindowTaken = false;

export type ScanEnd = 'end' | 'stopped' | 'invalid';

export interface Scan {
  /** Position behind the last batch that was visited, or of the batch that stopped the scan. */
  readonly position: number;
  readonly reason: ScanEnd;
}

/** Sees the batch whose header is at `at` in `buffer` and whose bytes begin at `position` in the file. */
export type BatchVisitor = (buffer: Buffer, at: number, position: number) => boolean | void;

/** True when the 61 bytes at `at` can be the header of a batch that ends within `room` bytes. */
export function isPlausibleHeader(buffer: Buffer, at: number, room: number): boolean {
  const size = batchSize(buffer, at);
  return (
    magic(buffer, at) === MAGIC &&
    size >= BATCH_OVERHEAD &&
    size <= room &&
    lastOffsetDelta(buffer, at) >= 0 &&
    baseOffset(buffer, at) >= 0 &&
    Number.isSafeInteger(baseOffset(buffer, at))
  );
}

/** Visits the headers of the batches from `from` up to `to`; a visitor that returns false stops. */
export function scanHeaders(file: DiskFile, from: number, to: number, visit: BatchVisitor): Scan {
  assert(!headerWindowTaken, 'header scans must not be nested');
  headerWindowTaken = true;
  try {
    return walkHeaders(file, from, to, visit);
  } finally {
    headerWindowTaken = false;
  }
}

function walkHeaders(file: DiskFile, from: number, to: number, visit: BatchVisitor): Scan {
  let position = from;
  let windowStart = 0;
  let windowBytes = 0;
  while (to - position >= BATCH_OVERHEAD) {
    if (position < windowStart || position + BATCH_OVERHEAD > windowStart + windowBytes) {
      windowStart = position;
      const wanted = Math.min(HEADER_WINDOW_BYTES, to - position);
      windowBytes = file.read(headerWindow, 0, wanted, position);
      if (windowBytes < BATCH_OVERHEAD) return { position, reason: 'invalid' };
    }
    const at = position - windowStart;
    if (!isPlausibleHeader(headerWindow, at, to - position)) return { position, reason: 'invalid' };
    const size = batchSize(headerWindow, at);
    if (visit(headerWindow, at, position) === false) return { position, reason: 'stopped' };
    position += size;
  }
  return { position, reason: position === to ? 'end' : 'invalid' };
}

/** Visits whole batches with a right CRC from `from` up to `to`. */
export function scanBatches(file: DiskFile, from: number, to: number, visit: BatchVisitor): Scan {
  let buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(BATCH_WINDOW_BYTES, to - from)));
  let position = from;
  let windowStart = from;
  let windowBytes = 0;
  while (position < to) {
    let at = position - windowStart;
    const missing = bytesMissing(buffer, at, windowBytes, to - position);
    if (missing > to - position) return { position, reason: 'invalid' };
    if (at + missing > windowBytes) {
      if (missing > buffer.length) buffer = Buffer.allocUnsafeSlow(missing);
      windowStart = position;
      at = 0;
      windowBytes = file.read(buffer, 0, Math.min(buffer.length, to - position), position);
      if (windowBytes < Math.min(missing, to - position)) return { position, reason: 'invalid' };
      if (bytesMissing(buffer, at, windowBytes, to - position) > windowBytes) continue;
    }
    const fault = validateBatch(buffer, at, windowBytes);
    if (fault !== null || !isPlausibleHeader(buffer, at, to - position)) {
      return { position, reason: 'invalid' };
    }
    if (visit(buffer, at, position) === false) return { position, reason: 'stopped' };
    position += batchSize(buffer, at);
  }
  return { position, reason: position === to ? 'end' : 'invalid' };
}

/** Bytes the batch at `at` needs in the window: its header, and when that is there, all of it. */
function bytesMissing(buffer: Buffer, at: number, windowBytes: number, room: number): number {
  if (at + BATCH_OVERHEAD > windowBytes) return BATCH_OVERHEAD;
  const size = batchSize(buffer, at);
  // A length that can't be is left to the validation, which names it.
  return size < BATCH_OVERHEAD || size > room ? BATCH_OVERHEAD : size;
}
