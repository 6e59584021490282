/**
 * The segments of one log on its disk: which there are, and how new ones come and old ones go.
 *
 * Invariants: there is always one, the active one, which alone is appended to; a new one has its
 * file before it has batches; files are renamed to `.deleted` before they are removed, so that a
 * start never takes one for the log's. While a cleaned segment is announced, those that it is to
 * replace stay as they are.
 */
import { assert } from '../base/assert.ts';
import type { Disk } from '../base/disk.ts';
import { below } from '../base/random.ts';
import { segmentMsOf } from './log-config.ts';
import { isPassing } from './log-directory.ts';
import { DELETED_SUFFIX, LOG_SUFFIX, offsetName, TEMPORARY_SUFFIX } from './log-files.ts';
import type { LogParts } from './log-parts.ts';
import { LogSegment } from './log-segment.ts';
import { findAborted } from './producer-rebuild.ts';
import type { SegmentList } from './segment-list.ts';
import { announceSwap, completeSwap, takeSwapBack } from './segment-swap.ts';

/** A cleaned segment that is about to take the place of others: see `segment-swap.ts`. */
interface Announced {
  readonly base: number;
  readonly files: readonly string[];
}

/** The rest of the log. */
type OtherParts = Omit<LogParts, 'segments'>;

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

export class LogSegments {
  readonly list: SegmentList;
  readonly #parts: OtherParts;
  #announced: Announced | null = null;

  constructor(list: SegmentList, parts: OtherParts) {
    this.list = list;
    this.#parts = parts;
  }

  get active(): LogSegment {
    return this.list.active;
  }

  /** One of the base offset `base`, with the configuration as it is now; its file exists when this returns. */
  make(base: number, existing: boolean): LogSegment {
    const { environment, path, producers, offsets, config } = this.#parts;
    const { segmentJitterMs, indexIntervalBytes, segmentIndexBytes, preallocate } = config;
    const jitter = Math.min(segmentJitterMs, segmentMsOf(config));
    const options = {
      ...environment,
      directory: path,
      baseOffset: base,
      indexIntervalBytes,
      segmentIndexBytes,
      preallocatedBytes: preallocate ? config.segmentBytes : 0,
      rollJitterMs: jitter > 0 ? below(environment.random, jitter) : 0,
      onOpened: (segment: LogSegment): void => {
        if (this.list.length > 0 && segment !== this.list.active) {
          environment.segmentCache.used(segment);
        }
      },
      findAborted: (segment: LogSegment): void =>
        findAborted(producers, this.list, offsets.start, segment),
    };
    return existing ? new LogSegment(options) : LogSegment.create(options);
  }

  /**
   * Begins a new segment at `base`: the log's end, or behind it when the leader's batches leave a
   * gap. An empty active segment of that base stays, one of another base makes room.
   */
  rollAt(base: number): void {
    const { environment, producers, flusher } = this.#parts;
    const { active } = this.list;
    if (active.baseOffset === base) return;
    const isEmpty = active.size === 0;
    if (!isEmpty) {
      active.complete();
      producers.takeSnapshot();
    }
    // Last, because a file of that name with nothing behind it would be taken for the log's end.
    const next = this.make(base, false);
    if (isEmpty) {
      this.remove([active]);
      this.list.replace(this.list.length - 1, 1, next);
    } else {
      environment.segmentCache.used(active);
      this.list.add(next);
    }
    environment.segmentCache.forget(next);
    environment.probe.segmentsRolled++;
    flusher.entriesDirty = true;
    flusher.flushInBackground();
  }

  /** A cleaned segment is announced. */
  get isReplacing(): boolean {
    return this.#announced !== null;
  }

  /** The cleaned segment of `base` is going to replace others, once the device has the names of its files. */
  announce(base: number): void {
    const { environment, guard, path } = this.#parts;
    assert(this.#announced === null, `${path}: two replacements at once`);
    guard.asOne('replace segments of', () => {
      this.#announced = { base, files: announceSwap(environment.disk, path, base) };
    });
  }

  /** To be called before anything else happens to segments that may be about to be replaced. */
  takeBack(): void {
    const { environment, guard, path } = this.#parts;
    if (this.#announced === null) return;
    const { files } = this.#announced;
    this.#announced = null;
    guard.asOne('replace segments of', () => takeSwapBack(environment.disk, path, files));
  }

  /** The announced segment takes the place of `count` others from `index` on. */
  replace(index: number, count: number): void {
    const { environment, guard, config } = this.#parts;
    const { base, files } = this.#announced!;
    this.#announced = null;
    const old = [...this.list].slice(index, index + count);
    for (const segment of old) {
      environment.segmentCache.forget(segment);
      segment.close(false);
    }
    let deleted: string[] = [];
    guard.asOne('replace segments of', () => {
      const replaced = old.flatMap((segment) => segment.files);
      deleted = completeSwap(environment.disk, files, replaced);
    });
    const segment = this.make(base, true);
    segment.noteVerified(0, segment.size);
    this.list.replace(index, count, segment);
    environment.removeLater(deleted, config.fileDeleteDelayMs);
  }

  /**
   * Removes the `count` oldest; there is one left, at the log's end, even if all are meant. Returns how
   * many went: the active one stays while there is no room for the one that is to be left.
   */
  removeOldest(count: number): number {
    const { path, producers } = this.#parts;
    const gone = count < this.list.length || this.#mayGo() ? count : count - 1;
    assert(gone < this.list.length, `${path} would be left without a segment`);
    this.remove(this.list.shift(gone));
    producers.snapshots.removeBefore(this.list.first.baseOffset);
    return gone;
  }

  /**
   * Whether the active one is not active any more. That takes a file, and a disk is full because of the
   * segments before it, so that they go without it.
   */
  #mayGo(): boolean {
    try {
      this.rollAt(this.#parts.offsets.end);
      return true;
    } catch (error) {
      if (!isPassing(error) || this.list.length === 1) throw error;
      return false;
    }
  }

  /** Puts an empty segment in the place of all. What needs room comes first, and can be left be. */
  restartAt(offset: number): void {
    const { environment, guard } = this.#parts;
    const { disk, segmentCache } = environment;
    const path = `${this.#parts.path}/${offsetName(offset, LOG_SUFFIX)}`;
    disk.open(path + TEMPORARY_SUFFIX, 'create').close();
    guard.asOne('truncate', () => {
      this.remove([...this.list]);
      disk.rename(path + TEMPORARY_SUFFIX, path);
      const segment = this.make(offset, false);
      this.list.replace(0, this.list.length, segment);
      segmentCache.forget(segment);
      disk.syncDirectory(this.#parts.path);
    });
  }

  /** Sets the files of segments aside that are not in the list any more; they go after a while. */
  remove(gone: readonly LogSegment[]): void {
    const { environment, guard, config, flusher } = this.#parts;
    const { disk, probe, segmentCache } = environment;
    flusher.entriesDirty = true;
    const paths: string[] = [];
    guard.asOne('remove segments of', () => {
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
    if (paths.length > 0) environment.removeLater(paths, config.fileDeleteDelayMs);
  }
}
