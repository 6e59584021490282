import { basename, dirname } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { type Checkpoint, originOf, placeOf } from './checkpoints.ts';
import type { Faults } from './faults.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import {
  COPY_HEAD_BYTES_MIN,
  fullyMatches,
  isCompressed,
  lengthBeforeGzip,
} from './fingerprint.ts';
import { isCompressedName } from './glob.ts';
import type { Patterns } from './patterns.ts';
import { isCopy, type Remembered, wasTruncated } from './remembered.ts';
import {
  isNumberedName,
  type Sibling,
  Siblings,
  withoutExtension,
  withoutNumber,
} from './siblings.ts';
import type { Starts } from './starts.ts';
import type { Tail } from './tail.ts';

/**
 * Files that were rotated to names that no pattern yields.
 *
 * A file that is no longer where it was is looked for among the names beside it and in folders near
 * it, and read to its end there; and so are files that came and were rotated while nobody looked, in
 * a folder of their own only when what was followed is found there. Of a name that is a link, all
 * this is so of what it led to. It is looked for once:
 * what is not there then is compressed, was removed or moved elsewhere, and when it may have held
 * more than was read, that is said and counted.
 *
 * It relies on all that patterns yield having been looked at right before: a file that got another
 * name that they yield is not missing then, and a copy with such a name is followed already.
 */
interface RotatedFilesOptions {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tails: ReadonlyMap<string, Tail>;
  readonly patterns: Patterns;
  readonly remembered: Remembered;
  readonly starts: Starts;
  readonly faults: Faults;
}

/** Times of files are those of the system's tick before, and of whole milliseconds here. */
const TICK_MS = 10;

export class RotatedFiles {
  readonly #options: RotatedFilesOptions;
  readonly #siblings: Siblings;
  /** Compressed files that are known to be of files that were followed. */
  readonly #zipped = new Set<string>();
  /** Folders where rotation puts files, other than their own, by the name that it changes. */
  readonly #oldFolders = new Map<string, string>();
  readonly #startedMs: number;
  /** Files that were found outside the patterns. */
  found = 0;
  /** Files that were compressed or replaced before their end was seen. */
  unfinished = 0;

  constructor(options: RotatedFilesOptions) {
    this.#options = options;
    this.#siblings = new Siblings(options.files);
    this.#startedMs = options.clock.now();
  }

  /**
   * Looks beside where they were for files that patterns do not yield any more. Returns those that
   * are nowhere to be found, and were read to the end that was seen.
   */
  seek(): Tail[] {
    const { tails, remembered, faults } = this.#options;
    const what = 'rotated log files can not be looked for';
    const gone: Tail[] = [];
    this.#siblings.renew();
    for (const tail of tails.values()) {
      if (!tail.isMissing) continue;
      faults.guarded(what, () => {
        if (!this.#seekTail(tail) && tail.isConfirmed) gone.push(tail);
      });
    }
    for (const checkpoint of [...remembered.checkpoints.values()]) {
      if (checkpoint.isFinished !== true && !tails.has(checkpoint.key))
        faults.guarded(what, () => this.#seekCheckpoint(checkpoint));
    }
    for (const [origin, { seenMs, place }] of remembered.names) {
      faults.guarded(what, () => this.#seekUnread(origin, place, seenMs));
    }
    this.#zipped.clear();
    this.#oldFolders.clear();
    return gone;
  }

  /** Its name leads elsewhere since it was closed; false when it is nowhere to be found. */
  #seekTail(tail: Tail): boolean {
    const { place, lastCheckpoint, key, confirmed } = tail;
    const found = this.#find(
      this.#siblings.near(place),
      (sibling) =>
        sibling.stat.key === key &&
        sibling.stat.size >= confirmed &&
        (lastCheckpoint === null || this.#isSame(sibling, lastCheckpoint)),
    );
    if (found !== null) this.#finish(tail, found);
    else if (tail.isConfirmed && lastCheckpoint !== null) this.#tellZipped(lastCheckpoint);
    return found !== null;
  }

  /** It was followed by an earlier process; or it was truncated, and there may be a copy. */
  #seekCheckpoint(checkpoint: Checkpoint): void {
    const { files, patterns, remembered, starts } = this.#options;
    const { key } = checkpoint;
    const origin = originOf(checkpoint);
    const place = placeOf(checkpoint);
    if (!patterns.isWanted(origin)) return;
    // It is where patterns find it, but can't be read now.
    if (files.stat(origin)?.key === key) return;
    // Its disk may come back.
    if (this.#siblings.isFolderEmpty(place)) return;
    const isTruncated = wasTruncated(checkpoint);
    const found = isTruncated
      ? this.#find(this.#siblings.besideAndBelow(place), (it) => this.#isRest(it, checkpoint))
      : this.#find(this.#siblings.near(place), ({ stat }) => stat.key === key);
    if (found !== null && patterns.isWanted(found.path)) return;
    const isFound = found !== null && (isTruncated || this.#isSame(found, checkpoint));
    if (!isFound || isTruncated) remembered.add({ ...checkpoint, isFinished: true });
    else remembered.delete(checkpoint);
    if (isFound) {
      this.#oldFolders.set(place, dirname(found.path));
      this.#finish(starts.resume(found.path, found.stat, checkpoint), found);
    } else if (!this.#tellZipped(checkpoint)) this.#tellReplaced(checkpoint, origin);
  }

  #find(siblings: Iterable<Sibling>, isIt: (sibling: Sibling) => boolean): Sibling | null {
    for (const sibling of siblings) {
      if (!isCompressedName(sibling.path) && isIt(sibling)) return sibling;
    }
    return null;
  }

  /** Whether it is the file of the checkpoint, and not another one on its inode. */
  #isSame({ path, stat }: Sibling, { position, fingerprint }: Checkpoint): boolean {
    if (stat.size < position) return false;
    return this.#opened(path, (file) => fullyMatches(file, fingerprint));
  }

  /** Whether it is a copy that holds the rest of a file that was truncated. */
  #isRest({ path, stat }: Sibling, checkpoint: Checkpoint): boolean {
    const { tails, patterns, remembered } = this.#options;
    // Copies whose names patterns yield were looked at before.
    if (tails.has(stat.key) || patterns.isWanted(path)) return false;
    const isRest = this.#openedIfItCan(
      path,
      (file) => isCopy(path, stat, file, checkpoint) && !remembered.wasRead(stat, file),
    );
    return isRest === true;
  }

  #opened<T>(path: string, look: (file: OpenFile) => T): T {
    const file = this.#options.files.open(path);
    try {
      return look(file);
    } finally {
      file.close();
    }
  }

  /** Null when it can't be read: then it tells nothing. */
  #openedIfItCan<T>(path: string, look: (file: OpenFile) => T): T | null {
    try {
      return this.#opened(path, look);
    } catch {
      return null;
    }
  }

  /** Files that got the name, and were rotated, after anything of that name was seen. */
  #seekUnread(origin: string, place: string, seenMs: number): void {
    const { tails, patterns, remembered, faults } = this.#options;
    if (this.#siblings.isFolderEmpty(place)) return;
    remembered.deleteName(origin);
    if (!patterns.isWanted(origin)) return;
    const own = dirname(place);
    const oldFolder = this.#oldFolders.get(place) ?? own;
    const siblings = oldFolder === own ? this.#siblings.beside(place) : this.#siblings.near(place);
    for (const sibling of siblings) {
      const { path, stat } = sibling;
      const folder = dirname(path);
      if (folder !== own && folder !== oldFolder) continue;
      const isOld = stat.modifiedMs < seenMs - TICK_MS;
      if (!isNumberedName(basename(path), basename(place)) || stat.size === 0 || isOld) continue;
      if (tails.has(stat.key) || patterns.isExcluded(path) || patterns.isWanted(path)) continue;
      faults.guarded('a log file can not be looked at', () => this.#beginUnread(sibling, origin));
    }
  }

  #beginUnread(sibling: Sibling, origin: string): void {
    const { files, remembered, starts } = this.#options;
    const { path, stat } = sibling;
    if (isCompressedName(path)) {
      // Its original is there still, and is read, while it is being compressed.
      const isUnderWay = files.stat(withoutExtension(path)) !== null;
      if (isUnderWay || this.#zipped.has(path)) return;
      this.#tellUnfinished('a rotated log file was compressed before it was read', path);
      return;
    }
    this.#opened(path, (file) => {
      if (isCompressed(file) || remembered.wasRead(stat, file)) return;
      this.#finish(starts.beginNew(path, stat, file, origin), sibling);
    });
  }

  /** It has a name that no pattern yields, and is read to its end. */
  #finish(tail: Tail, { path }: Sibling): void {
    this.found++;
    tail.rotatedTo(path, this.#options.clock.monotonic());
  }

  /** Says what is lost of a file that was compressed; false when it was not, as far as is known. */
  #tellZipped(checkpoint: Checkpoint): boolean {
    const { fingerprint, position } = checkpoint;
    const place = placeOf(checkpoint);
    const isTelling = fingerprint.length >= COPY_HEAD_BYTES_MIN;
    const siblings = isTelling ? this.#siblings.near(place) : this.#siblings.beside(place);
    for (const { path } of siblings) {
      if (!isCompressedName(path)) continue;
      const length = this.#openedIfItCan(path, (file) => lengthBeforeGzip(file, fingerprint));
      // Another file may start with as little, but not be as short, too.
      if (length === null || (!isTelling && length !== position)) continue;
      this.#zipped.add(path);
      this.#oldFolders.set(place, dirname(path));
      const unread = (length - position) >>> 0;
      const what = 'a rotated log file was compressed before it was read to its end';
      if (unread > 0) this.#tellUnfinished(what, path, { 'weir.bytes.unread': unread });
      return true;
    }
    return false;
  }

  /** Says that nobody knows how much of it was not read. */
  #tellReplaced({ seenMs, position, isResting }: Checkpoint, origin: string): void {
    // The oldest of rotated files goes because that is its time; what was truncated while it was
    // followed is told of by who saw it.
    if (seenMs >= this.#startedMs || withoutNumber(origin) !== origin) return;
    if (this.#options.files.stat(origin) === null) return;
    const what =
      'a log file was replaced or truncated while it was not followed; its rest is not beside it';
    const fields = { 'weir.bytes.read': position };
    // Such as `dmesg`, at each boot: nothing says that it had grown before.
    if (isResting !== true) this.#tellUnfinished(what, origin, fields);
    else this.#options.logger.info(what, { 'log.file.path': origin, ...fields });
  }

  #tellUnfinished(what: string, path: string, fields: Readonly<Record<string, number>> = {}): void {
    this.unfinished++;
    this.#options.logger.warn(what, { 'log.file.path': path, ...fields });
  }
}
