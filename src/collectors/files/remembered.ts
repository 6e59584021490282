import { basename } from 'node:path';
import { CHECKPOINTS_MAX, type Checkpoint, originOf, placeOf } from './checkpoints.ts';
import type { FileStat, OpenFile } from './file-system.ts';
import { COPY_HEAD_BYTES_MIN, fullyMatches } from './fingerprint.ts';
import { isBesideOrBelow, isRotatedName } from './siblings.ts';

/**
 * What is known of files that are not followed now: how far each was read, because it or a copy of
 * it may come back under any name; and under which names files were followed before the start.
 *
 * It looks for no file itself: it relies on being told when one is let go, truncated or met again.
 */

/** Keys of files that were truncated start with it. */
const COPY = 'copy:';

interface NameSeen {
  readonly seenMs: number;
  /** The name that rotation changes. */
  readonly place: string;
}

export class Remembered {
  readonly #checkpoints = new Map<string, Checkpoint>();
  readonly #names = new Map<string, NameSeen>();

  constructor(loaded: readonly Checkpoint[]) {
    for (const checkpoint of loaded) {
      this.add(checkpoint);
      const origin = originOf(checkpoint);
      const seenMs = Math.max(this.#names.get(origin)?.seenMs ?? 0, checkpoint.seenMs);
      this.#names.set(origin, { seenMs, place: placeOf(checkpoint) });
    }
  }

  /** By inode; by `copy:…`, which no file has, of those that were truncated. The oldest first. */
  get checkpoints(): ReadonlyMap<string, Checkpoint> {
    return this.#checkpoints;
  }

  /**
   * Names under which files were followed before, and when that was last. Those whose file turns out
   * to be the same leave; under the others files may have come and gone.
   */
  get names(): ReadonlyMap<string, NameSeen> {
    return this.#names;
  }

  /** Keeps where a file was that is not followed any more: it may come back under another name. */
  add(checkpoint: Checkpoint): void {
    this.#checkpoints.delete(checkpoint.key);
    this.#checkpoints.set(checkpoint.key, checkpoint);
    if (this.#checkpoints.size <= CHECKPOINTS_MAX) return;
    for (const key of this.#checkpoints.keys()) {
      this.#checkpoints.delete(key);
      break;
    }
  }

  /** Keeps what a file was before it was truncated: a copy of that may lie beside it. */
  addCopy(checkpoint: Checkpoint): void {
    this.add({ ...checkpoint, key: COPY + checkpoint.fingerprint.head });
  }

  /** The file of that checkpoint has that name now; or what has its inode is not the same one. */
  met(path: string, checkpoint: Checkpoint, isSame: boolean): void {
    this.delete(checkpoint);
    if (isSame) this.deleteName(path);
    // Truncated, or another file on the same inode: of the old one there may be a copy.
    else this.addCopy(checkpoint);
  }

  delete({ key }: Checkpoint): void {
    this.#checkpoints.delete(key);
  }

  deleteName(path: string): void {
    this.#names.delete(path);
  }

  /** Whether the file was read before: it is not another one on the inode of one that was. */
  wasRead({ key, size }: FileStat, file: OpenFile): boolean {
    const known = this.#checkpoints.get(key);
    return known !== undefined && size >= known.position && fullyMatches(file, known.fingerprint);
  }

  /** What is to be kept besides the checkpoints of those that are followed. */
  except(followed: ReadonlyMap<string, unknown>): Checkpoint[] {
    return [...this.#checkpoints.values()].filter(({ key }) => !followed.has(key));
  }
}

/** Whether what was read is not on its inode any more: only a copy can have the rest. */
export const wasTruncated = ({ key }: Checkpoint): boolean => key.startsWith(COPY);

/** Two files that happen to start alike are not copies: the names must be those of a rotation, too. */
export function isCopy(path: string, stat: FileStat, file: OpenFile, known: Checkpoint): boolean {
  const { fingerprint, position } = known;
  if (fingerprint.length < COPY_HEAD_BYTES_MIN || position > stat.size) return false;
  const place = placeOf(known);
  const isName = isBesideOrBelow(path, place) && isRotatedName(basename(path), basename(place));
  return isName && fullyMatches(file, fingerprint);
}
