/**
 * Puts a cleaned segment in the place of those that it was made from, so that a crash at any point
 * leaves either those or the new one. The names and the order are Kafka's:
 *
 * 1. `.cleaned`: being made. A start removes them.
 * 2. All its files are renamed to `.swap`. As long as one is still `.cleaned`, a start removes them, too.
 * 3. Once the device has those names the new one counts: the old files are renamed to `.deleted`, then
 *    the new ones lose their suffix. A start goes on where this was interrupted.
 *
 * The device takes its time, so the log goes on between 2 and 3. What must not find the old segments
 * in the place of the new one then, such as a truncation, takes the new one back first.
 */
import type { Disk } from '../base/disk.ts';
import { lastOffset } from '../protocol/record-batch.ts';
import { scanHeaders } from './batch-scanner.ts';
import {
  CLEANED_SUFFIX,
  DELETED_SUFFIX,
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  offsetName,
  offsetOfName,
  SWAP_SUFFIX,
  TIME_INDEX_SUFFIX,
  TXN_INDEX_SUFFIX,
} from './log-files.ts';

const SEGMENT_SUFFIXES = [LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX];

/** The base offset in the name of a segment's file, `behind` which stands a further suffix; or -1. */
function segmentOf(name: string, behind = ''): number {
  for (const suffix of SEGMENT_SUFFIXES) {
    const offset = offsetOfName(name, suffix + behind);
    if (offset >= 0) return offset;
  }
  return -1;
}

/**
 * Renames the files of the cleaned segment of `base` to `.swap`; returns what their names will be.
 * After an error the directory is in one of the states above, but the log must not go on with it;
 * the same goes for those below.
 */
export function announceSwap(disk: Disk, directory: string, base: number): string[] {
  const files = SEGMENT_SUFFIXES.map((suffix) => `${directory}/${offsetName(base, suffix)}`);
  const made = files.filter((path) => disk.exists(path + CLEANED_SUFFIX));
  for (const path of made) disk.rename(path + CLEANED_SUFFIX, path + SWAP_SUFFIX);
  return made;
}

/**
 * Replaces the files `old` by those of the announced segment; the device has their names. Returns the
 * names under which the old ones wait for their removal.
 */
export function completeSwap(
  disk: Disk,
  announced: readonly string[],
  old: readonly string[],
): string[] {
  const deleted: string[] = [];
  for (const path of old) {
    if (!disk.exists(path)) continue;
    disk.rename(path, path + DELETED_SUFFIX);
    deleted.push(path + DELETED_SUFFIX);
  }
  for (const path of announced) disk.rename(path + SWAP_SUFFIX, path);
  return deleted;
}

/** Nothing will be replaced, after a crash either: the announced files are `.cleaned` ones again. */
export function takeSwapBack(disk: Disk, directory: string, announced: readonly string[]): void {
  for (const path of announced) disk.rename(path + SWAP_SUFFIX, path + CLEANED_SUFFIX);
  disk.syncDirectory(directory);
}

/** Removes what a cleaning that failed has left. */
export function removeCleaned(disk: Disk, directory: string): void {
  for (const name of disk.list(directory)) {
    if (name.endsWith(CLEANED_SUFFIX)) disk.remove(`${directory}/${name}`);
  }
}

/**
 * At a start: takes replacements back that had not come to the point from where they count, and
 * completes those that had. Returns what the directory holds then.
 */
export function recoverSwaps(disk: Disk, directory: string, names: readonly string[]): string[] {
  const cleaned = names.filter((name) => segmentOf(name, CLEANED_SUFFIX) >= 0);
  const swaps = names.filter((name) => segmentOf(name, SWAP_SUFFIX) >= 0);
  if (cleaned.length === 0 && swaps.length === 0) return [...names];
  const unfinished = Math.min(...cleaned.map((name) => segmentOf(name, CLEANED_SUFFIX)));
  for (const name of swaps) {
    if (segmentOf(name, SWAP_SUFFIX) >= unfinished) disk.remove(`${directory}/${name}`);
  }
  for (const name of cleaned) disk.remove(`${directory}/${name}`);
  const valid = swaps.filter((name) => segmentOf(name, SWAP_SUFFIX) < unfinished);
  for (const name of valid) {
    const base = offsetOfName(name, LOG_SUFFIX + SWAP_SUFFIX);
    if (base >= 0) removeReplaced(disk, directory, names, base);
  }
  // The log first: as long as it is not in its place, what stands beside it is of the old one.
  const isLog = (name: string): boolean => name.endsWith(LOG_SUFFIX + SWAP_SUFFIX);
  for (const name of [...valid.filter(isLog), ...valid.filter((n) => !isLog(n))]) {
    const path = `${directory}/${name}`;
    disk.rename(path, path.slice(0, -SWAP_SUFFIX.length));
  }
  disk.syncDirectory(directory);
  return disk.list(directory);
}

/** Removes the files of the segments whose offsets the swapped one of `base` covers. */
function removeReplaced(
  disk: Disk,
  directory: string,
  names: readonly string[],
  base: number,
): void {
  const file = disk.open(`${directory}/${offsetName(base, LOG_SUFFIX)}${SWAP_SUFFIX}`, 'read');
  let next = base + 1;
  try {
    scanHeaders(file, 0, file.size(), (buffer, at) => {
      next = lastOffset(buffer, at) + 1;
    });
  } finally {
    file.close();
  }
  for (const name of names) {
    const offset = segmentOf(name);
    if (offset >= base && offset < next) disk.remove(`${directory}/${name}`);
  }
}
