/**
 * Cuts the end of one log off, for a follower that has parted from its leader, or throws everything
 * away.
 *
 * What was flushed must not look flushed once other bytes take its place, so that the recovery point
 * is lowered first, on the device; and what is cut is gone from the device before anything is
 * appended. Halfway through, the log's directory does not stay in service.
 */
import { assert } from '../base/assert.ts';
import type { LogParts } from './log-parts.ts';
import { rebuildProducers } from './producer-rebuild.ts';

export interface TruncationOptions {
  readonly parts: LogParts;
  /** Makes the recovery point durable as it is now. */
  readonly saveRecoveryPoint: () => void;
  /** Makes it durable that the log starts at `start`. */
  readonly saveStart: (start: number) => void;
}

export class LogTruncation {
  readonly #options: TruncationOptions;
  #cuts = 0;
  /** Who copies the log to another directory is told where it ends now. Null: nobody does. */
  onCut: ((endOffset: number) => void) | null = null;

  constructor(options: TruncationOptions) {
    this.#options = options;
  }

  /** How often the end was cut off: what was learnt of the segments before is worth nothing then. */
  get cuts(): number {
    return this.#cuts;
  }

  /** See `PartitionLog.truncateTo`. */
  truncateTo(offset: number): void {
    const { guard, offsets, epochs, segments, path } = this.#options.parts;
    assert(offset >= 0, `truncate ${path} to ${offset}`);
    guard.assertWritable();
    if (offset >= offsets.end) {
      // A term that began at the end, and wrote nothing, may not be the leader's.
      epochs.truncateFromEnd(offsets.end);
      return this.#saveEpochs();
    }
    if (offset <= segments.list.first.baseOffset) return this.restartAt(offset);
    guard.onDisk('truncate', () => this.#cutAt(offset));
  }

  #cutAt(offset: number): void {
    const { parts } = this.#options;
    const { environment, path, guard, offsets, producers } = parts;
    const { list } = parts.segments;
    const index = list.floor(offset - 1);
    const segment = list.at(index)!;
    const limit = list.limitOf(segment, offsets.end);
    const place = segment.findPastDamage(offset, limit);
    const end = place === null ? (segment.loadEnd() ?? offset) : Math.min(place.baseOffset, offset);
    if (end < offsets.start) return this.restartAt(offset);
    parts.segments.takeBack();
    this.#lowerRecoveryPoint(end);
    producers.snapshots.removeAfter(end);
    guard.asOne('truncate', () => {
      parts.segments.remove(list.cut(index + 1));
      environment.segmentCache.forget(segment);
      if (place !== null) segment.truncate(place.position, end);
      environment.disk.syncDirectory(path);
      offsets.cutTo(end);
      this.#ended(end);
      rebuildProducers(producers, list, {
        logStartOffset: offsets.start,
        logEndOffset: end,
        highWatermark: offsets.highWatermark,
      });
    });
    this.#saveEpochs();
  }

  /** See `PartitionLog.truncateFullyAndStartAt`. */
  restartAt(offset: number): void {
    const { guard, offsets, epochs, segments, producers, flusher } = this.#options.parts;
    guard.assertWritable();
    guard.onDisk('truncate', () => {
      segments.takeBack();
      this.#lowerRecoveryPoint(offset);
      // A start would begin it anew at the one that was saved.
      if (offset < offsets.start) this.#options.saveStart(offset);
      producers.snapshots.removeAll();
      segments.restartAt(offset);
      producers.restartAt(offset);
      flusher.startAt(offset);
      offsets.restartAt(offset);
      this.#ended(offset);
      epochs.clear();
      this.#saveEpochs();
    });
  }

  #saveEpochs(): void {
    const { guard, epochs } = this.#options.parts;
    guard.attempt('save the epochs of', () => epochs.complete());
  }

  #lowerRecoveryPoint(offset: number): void {
    const { flusher } = this.#options.parts;
    const before = flusher.flushedOffset;
    if (!flusher.lowerTo(offset)) return;
    try {
      this.#options.saveRecoveryPoint();
    } catch (error) {
      flusher.startAt(before);
      throw error;
    }
  }

  #ended(end: number): void {
    const { changed, mark, tail, reader, epochs, flusher } = this.#options.parts;
    this.#cuts++;
    this.onCut?.(end);
    mark.cutTo(end);
    tail.clear();
    reader.forgetPlaces();
    epochs.truncateFromEnd(end);
    flusher.entriesDirty = true;
    changed();
  }
}
