import os from 'node:os';
import type { Clock } from '../../base/clock.ts';
import { recordHeaders } from '../record-sink.ts';
import type { FilesSettings } from '../settings.ts';
import { type Checkpoint, originOf } from './checkpoints.ts';
import type { FileStat, FileSystem, OpenFile } from './file-system.ts';
import { isCopy, type Remembered } from './remembered.ts';
import { Tail } from './tail.ts';

/**
 * Where a file that is not followed yet starts to be, or that it is left alone:
 *
 * 1. one of which a checkpoint has inode and first bytes: from the checkpoint;
 * 2. a copy of a file that is or was followed (rotation by copying; told by name and content): from
 *    where the original was;
 * 3. a new one: from its start. At the very first start only from `initialBytesMax` before its end,
 *    and one that has not changed for `ignoreOlderMs` from its end.
 *
 * It relies on what is remembered, and puts what it starts among the tails. Which files come here,
 * and that they are worth reading, is for others to say.
 */

/** Files that were looked at and left alone. */
const SKIPPED_MAX = 100_000;

export class Starts {
  readonly #settings: FilesSettings;
  readonly #files: FileSystem;
  readonly #clock: Clock;
  readonly #tails: Map<string, Tail>;
  readonly #remembered: Remembered;
  /** Compressed or unreadable ones, by inode, with the size they had. */
  readonly #skipped = new Map<string, number>();

  constructor(
    settings: FilesSettings,
    files: FileSystem,
    clock: Clock,
    tails: Map<string, Tail>,
    remembered: Remembered,
  ) {
    this.#settings = settings;
    this.#files = files;
    this.#clock = clock;
    this.#tails = tails;
    this.#remembered = remembered;
  }

  get skipped(): number {
    return this.#skipped.size;
  }

  /** Whether it was left alone, and has not grown since. */
  isSkipped({ key, size }: FileStat): boolean {
    return this.#skipped.get(key) === size;
  }

  /** It is compressed or can't be opened: it is not followed before it has grown. */
  skip({ key, size }: Pick<FileStat, 'key' | 'size'>): void {
    if (this.#skipped.size >= SKIPPED_MAX) this.#skipped.clear();
    this.#skipped.set(key, size);
  }

  beginEmpty(path: string, stat: FileStat): void {
    const checkpoint = this.#remembered.checkpoints.get(stat.key);
    if (checkpoint !== undefined) this.#remembered.met(path, checkpoint, checkpoint.position === 0);
    this.#follow(path, stat, 0, path);
  }

  /** `isOld`: it may have been there before anything was collected here. */
  begin(path: string, stat: FileStat, file: OpenFile, isOld: boolean): void {
    const checkpoint = this.#remembered.checkpoints.get(stat.key);
    if (checkpoint !== undefined) {
      const isSame = this.#remembered.wasRead(stat, file);
      this.#remembered.met(path, checkpoint, isSame);
      if (isSame) {
        this.resume(path, stat, checkpoint);
        return;
      }
    }
    this.beginNew(path, stat, file, path, isOld);
  }

  /** It is the file of that checkpoint. */
  resume(path: string, stat: FileStat, checkpoint: Checkpoint): Tail {
    const tail = this.#follow(path, stat, checkpoint.position, originOf(checkpoint));
    tail.lastFingerprint = checkpoint.fingerprint;
    // Rotated from where a link led: where that was is not to be seen any more.
    if (path !== tail.firstPath) tail.target = checkpoint.target ?? null;
    return tail;
  }

  /** No checkpoint is its own. `origin`: the name that its records tell. */
  beginNew(path: string, stat: FileStat, file: OpenFile, origin: string, isOld = false): Tail {
    const { ignoreOlderMs, initialBytesMax } = this.#settings;
    const copied = this.#copiedPosition(path, stat, file);
    if (copied !== null) return this.#follow(path, stat, copied.position, copied.path);
    if (this.#clock.now() - stat.modifiedMs > ignoreOlderMs) {
      return this.#follow(path, stat, stat.size, origin);
    }
    const isCut = isOld && stat.size > initialBytesMax;
    const position = isCut ? stat.size - initialBytesMax : 0;
    const tail = this.#follow(path, stat, position, origin);
    tail.skipsLine = isCut;
    return tail;
  }

  /** Where the file that this one is a copy of had been read to; null when it is no copy. */
  #copiedPosition(
    path: string,
    stat: FileStat,
    file: OpenFile,
  ): { position: number; path: string } | null {
    for (const tail of this.#tails.values()) {
      const known = tail.lastCheckpoint;
      if (known !== null && isCopy(path, stat, file, known))
        return { position: known.position, path: tail.firstPath };
    }
    for (const known of this.#remembered.checkpoints.values()) {
      if (isCopy(path, stat, file, known))
        return { position: known.position, path: originOf(known) };
    }
    return null;
  }

  #follow(path: string, stat: FileStat, position: number, firstPath: string): Tail {
    const headers = recordHeaders('files', firstPath);
    const tail = new Tail(
      path,
      stat.key,
      position,
      os.hostname(),
      headers,
      this.#clock.monotonic(),
      firstPath,
    );
    tail.target = this.#files.linkTarget(path);
    this.#skipped.delete(stat.key);
    this.#tails.set(stat.key, tail);
    return tail;
  }
}
