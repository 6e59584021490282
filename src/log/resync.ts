import type { DiskFile } from '../base/disk.ts';
import {
  BATCH_OVERHEAD,
  baseOffset,
  batchSize,
  MAGIC,
  OFFSET_OF_MAGIC,
  validateBatch,
} from '../protocol/record-batch.ts';
import { isPlausibleHeader } from './batch-scanner.ts';

/** Read at a time while searching. */
const WINDOW_BYTES = 256 * 1024;

/**
 * Finds where whole batches begin again behind damage: the first position from `from` on that
 * holds a batch with a right CRC and offsets from `nextOffset` on. Null: there is none up to `to`.
 */
export function findNextBatch(
  file: DiskFile,
  from: number,
  to: number,
  nextOffset: number,
): number | null {
  const window = Buffer.allocUnsafeSlow(WINDOW_BYTES + BATCH_OVERHEAD);
  for (let start = from; start < to; start += WINDOW_BYTES) {
    const bytes = file.read(window, 0, Math.min(window.length, to - start), start);
    for (let at = 0; at < WINDOW_BYTES && at + BATCH_OVERHEAD <= bytes; at++) {
      if (window[at + OFFSET_OF_MAGIC] !== MAGIC) continue;
      if (!isPlausibleHeader(window, at, to - start - at)) continue;
      if (baseOffset(window, at) < nextOffset) continue;
      if (isWhole(file, start + at, batchSize(window, at))) return start + at;
    }
  }
  return null;
}

function isWhole(file: DiskFile, position: number, size: number): boolean {
  const batch = Buffer.allocUnsafeSlow(size);
  return file.read(batch, 0, size, position) === size && validateBatch(batch, 0, size) === null;
}
