import os from 'node:os';
import { sep } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { recordHeaders } from '../record-sink.ts';
import type { FilesSettings } from '../settings.ts';
import { CHECKPOINTS_MAX, type Checkpoint, type CheckpointFile } from './checkpoints.ts';
import type { FileStat, FileSystem, OpenFile } from './file-system.ts';
import {
  COPY_HEAD_BYTES_MIN,
  fullyMatches,
  isCompressed,
  lengthBeforeGzip,
} from './fingerprint.ts';
import { ENTRIES_MAX, Glob, isCompressedName } from './glob.ts';
import {
  isNumberedName,
  isRotatedName,
  type Sibling,
  Siblings,
  withoutExtension,
  withoutNumber,
} from './siblings.ts';
import { Tail } from './tail.ts';

/**
 * Finds the files to follow, and where to start in each:
 *
 * 1. a file that is followed already, under whatever name: nothing, but its name is noted;
 * 2. one of which a checkpoint has inode and first bytes: from the checkpoint;
 * 3. a copy of a file that is or was followed (rotation by copying; told by name and content): from
 *    where the original was;
 * 4. a new one: from its start. At the very first start only from `initialBytesMax` before its end,
 *    and one that has not changed for `ignoreOlderMs` from its end.
 *
 * Compressed files are never read, neither by name nor by content, nor is anything below `dataDir`.
 *
 * Rotation gives names that patterns need not yield. So a file that is no longer where it was is
 * looked for among the names beside it, and read to its end there; and so are files that came and
 * were rotated while nobody looked. It is looked for once: what is not there then is compressed, was
 * removed or moved elsewhere, and when it may have held more than was read, that is said and counted.
 */
export interface DiscoveryOptions {
  readonly settings: FilesSettings;
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly dataDir: string;
}

/** Keys of files that were truncated start with it. */
const COPY = 'copy:';
/** Files that were looked at and left alone. */
const SKIPPED_MAX = 100_000;
/** Faults that were said; beyond that all are said again. */
const TOLD_MAX = 1000;

export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #tails: Map<string, Tail>;
  readonly #isFirstStart: boolean;
  readonly #globs: Glob[] = [];
  readonly #excluded: Glob[] = [];
  /** Checkpoints of files that are not followed now, by inode; `copy:…` of files that were truncated. */
  readonly #unseen = new Map<string, Checkpoint>();
  /** Compressed or unreadable ones, by inode, with the size they had. */
  readonly #skipped = new Map<string, number>();
  readonly #told = new Set<string>();
  readonly #siblings: Siblings;
  /** Compressed files that are known to be of files that were followed. */
  readonly #zipped = new Set<string>();
  readonly #startedMs: number;
  /**
   * Names under which files were followed before, and when that was last. Those whose file turns out
   * to be the same leave; under the others files may have come and gone.
   */
  readonly #unresumed = new Map<string, number>();
  #isFirstRun = true;
  /** Files that were found outside the patterns. */
  rotations = 0;
  /** Files that were compressed or replaced before their end was seen. */
  unfinished = 0;

  constructor(options: DiscoveryOptions, tails: Map<string, Tail>, checkpoints: CheckpointFile) {
    this.#options = options;
    this.#tails = tails;
    this.#isFirstStart = checkpoints.isFirstStart;
    this.#siblings = new Siblings(options.files);
    this.#startedMs = options.clock.now();
    for (const checkpoint of checkpoints.loaded) {
      this.remember(checkpoint);
      const origin = originOf(checkpoint);
      const seenMs = this.#unresumed.get(origin) ?? 0;
      this.#unresumed.set(origin, Math.max(seenMs, checkpoint.seenMs));
    }
    this.#globs = this.#parse(options.settings.paths);
    this.#excluded = this.#parse(options.settings.exclude);
  }

  get skipped(): number {
    return this.#skipped.size;
  }

  #parse(patterns: readonly string[]): Glob[] {
    const globs: Glob[] = [];
    for (const pattern of patterns) {
      try {
        globs.push(new Glob(pattern));
      } catch (error) {
        this.#options.logger.warn('a pattern of log files makes no sense', {
          'weir.pattern': pattern,
          'error.message': reasonOf(error),
        });
      }
    }
    return globs;
  }

  /** Returns files that are nowhere to be found, and were read to the end that was seen. */
  run(): Tail[] {
    const { files } = this.#options;
    for (const glob of this.#globs) {
      this.#guarded('a folder of log files can not be looked through', () => {
        for (const path of glob.expand(files)) {
          if (this.#isExcluded(path) || isCompressedName(path)) continue;
          this.#guarded('a log file can not be looked at', () => this.#consider(path));
        }
        if (glob.isCut) throw new Error(`'${glob.pattern}': more than ${ENTRIES_MAX} entries`);
      });
    }
    this.#isFirstRun = false;
    return this.#seek();
  }

  #isExcluded(path: string): boolean {
    const { dataDir } = this.#options;
    const own = dataDir.endsWith(sep) ? dataDir : dataDir + sep;
    return path.startsWith(own) || this.#excluded.some((excluded) => excluded.matches(path));
  }

  /** Whether a file of that name would be followed. */
  #isWanted(path: string): boolean {
    return this.#globs.some((glob) => glob.matches(path)) && !this.#isExcluded(path);
  }

  /** What goes wrong in one place is said once, and keeps nobody from the others. */
  #guarded(what: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      const reason = reasonOf(error);
      if (this.#told.has(reason)) return;
      if (this.#told.size >= TOLD_MAX) this.#told.clear();
      this.#told.add(reason);
      this.#options.logger.warn(what, { 'error.message': reason });
    }
  }

  #consider(path: string): void {
    const { files, logger } = this.#options;
    const stat = files.stat(path);
    if (stat === null || !stat.isFile) return;
    const known = this.#tails.get(stat.key);
    if (known !== undefined) {
      this.#rename(known, path);
      return;
    }
    if (this.#skipped.get(stat.key) === stat.size) return;
    if (stat.size === 0) {
      const checkpoint = this.#unseen.get(stat.key);
      if (checkpoint !== undefined) this.#forget(path, checkpoint, checkpoint.position === 0);
      this.#follow(path, stat, 0, path);
      return;
    }
    let file: OpenFile | null = null;
    try {
      file = files.open(path);
      if (isCompressed(file)) this.#skip(stat.key, stat.size);
      else this.#begin(path, stat, file);
    } catch (error) {
      this.#skip(stat.key, stat.size);
      logger.debug('a log file can not be read', {
        'log.file.path': path,
        'error.message': reasonOf(error),
      });
    } finally {
      file?.close();
    }
  }

  /** The file of that inode has that name now; two names of one file (links) stay the first. */
  #rename(tail: Tail, path: string): void {
    if (tail.path !== path && this.#options.files.stat(tail.path)?.key === tail.key) return;
    tail.named(path);
  }

  #skip(key: string, size: number): void {
    if (this.#skipped.size >= SKIPPED_MAX) this.#skipped.clear();
    this.#skipped.set(key, size);
  }

  /** The file can't be opened: it is not followed before it has grown. */
  leaveAlone({ key, size }: Tail): void {
    this.#skip(key, size);
  }

  #begin(path: string, stat: FileStat, file: OpenFile): void {
    const checkpoint = this.#unseen.get(stat.key);
    if (checkpoint !== undefined) {
      const isSame = stat.size >= checkpoint.position && fullyMatches(file, checkpoint.fingerprint);
      this.#forget(path, checkpoint, isSame);
      if (isSame) {
        const tail = this.#follow(path, stat, checkpoint.position, originOf(checkpoint));
        tail.lastFingerprint = checkpoint.fingerprint;
        return;
      }
    }
    this.#beginNew(path, stat, file);
  }

  /** The file of that checkpoint is followed again, under that name; or it is not the same one. */
  #forget(path: string, checkpoint: Checkpoint, isSame: boolean): void {
    this.#unseen.delete(checkpoint.key);
    if (isSame) this.#unresumed.delete(path);
    // Truncated, or another file on the same inode: of the old one there may be a copy.
    else this.rememberCopy(checkpoint);
  }

  /** `origin`: the name that its records tell. */
  #beginNew(path: string, stat: FileStat, file: OpenFile, origin = path): Tail {
    const { settings, clock } = this.#options;
    const copied = this.#copiedPosition(path, stat, file);
    if (copied !== null) return this.#follow(path, stat, copied.position, copied.path);
    if (clock.now() - stat.modifiedMs > settings.ignoreOlderMs) {
      return this.#follow(path, stat, stat.size, origin);
    }
    const isOld = this.#isFirstStart && this.#isFirstRun && stat.size > settings.initialBytesMax;
    const position = isOld ? stat.size - settings.initialBytesMax : 0;
    const tail = this.#follow(path, stat, position, origin);
    tail.skipsLine = isOld;
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
    for (const known of this.#unseen.values()) {
      if (isCopy(path, stat, file, known))
        return { position: known.position, path: originOf(known) };
    }
    return null;
  }

  #follow(path: string, stat: FileStat, position: number, firstPath: string): Tail {
    const { clock } = this.#options;
    const headers = recordHeaders('files', firstPath);
    const tail = new Tail(
      path,
      stat.key,
      position,
      os.hostname(),
      headers,
      clock.monotonic(),
      firstPath,
    );
    this.#skipped.delete(stat.key);
    this.#tails.set(stat.key, tail);
    return tail;
  }

  /** Keeps where a file was that is not followed any more: it may come back under another name. */
  remember(checkpoint: Checkpoint): void {
    this.#unseen.delete(checkpoint.key);
    this.#unseen.set(checkpoint.key, checkpoint);
    if (this.#unseen.size <= CHECKPOINTS_MAX) return;
    for (const key of this.#unseen.keys()) {
      this.#unseen.delete(key);
      break;
    }
  }

  /** Keeps what a file was before it was truncated: a copy of that may lie beside it. */
  rememberCopy(checkpoint: Checkpoint): void {
    this.remember({ ...checkpoint, key: COPY + checkpoint.fingerprint.head });
  }

  /** Checkpoints of files that are not followed now, to be kept. */
  unseen(tails: ReadonlyMap<string, Tail>): Checkpoint[] {
    return [...this.#unseen.values()].filter(({ key }) => !tails.has(key));
  }

  /** Looks beside where they were for files that patterns do not yield any more. */
  #seek(): Tail[] {
    const what = 'rotated log files can not be looked for';
    const gone: Tail[] = [];
    this.#siblings.renew();
    for (const tail of this.#tails.values()) {
      if (!tail.isMissing) continue;
      this.#guarded(what, () => {
        if (!this.#seekTail(tail) && tail.isConfirmed) gone.push(tail);
      });
    }
    for (const checkpoint of [...this.#unseen.values()]) {
      if (checkpoint.isFinished !== true && !this.#tails.has(checkpoint.key))
        this.#guarded(what, () => this.#seekCheckpoint(checkpoint));
    }
    for (const [origin, seenMs] of this.#unresumed) {
      this.#guarded(what, () => this.#seekUnread(origin, seenMs));
    }
    this.#zipped.clear();
    return gone;
  }

  /** Its name leads elsewhere since it was closed; false when it is nowhere to be found. */
  #seekTail(tail: Tail): boolean {
    const { path, firstPath, isOutside, lastCheckpoint, key, confirmed } = tail;
    const origin = isOutside ? firstPath : path;
    const found = this.#find(
      origin,
      (sibling) =>
        sibling.stat.key === key &&
        sibling.stat.size >= confirmed &&
        (lastCheckpoint === null || this.#isSame(sibling, lastCheckpoint)),
    );
    if (found !== null) this.#finish(tail, found);
    else if (tail.isConfirmed && lastCheckpoint !== null) this.#tellZipped(lastCheckpoint, origin);
    return found !== null;
  }

  /** It was followed by an earlier process; or it was truncated, and there may be a copy. */
  #seekCheckpoint(checkpoint: Checkpoint): void {
    const { key, position, fingerprint } = checkpoint;
    const origin = originOf(checkpoint);
    if (!this.#isWanted(origin)) return;
    // It is where patterns find it, but can't be read now.
    if (this.#options.files.stat(origin)?.key === key) return;
    // Its disk may come back.
    if (this.#siblings.isFolderEmpty(origin)) return;
    const isTruncated = key.startsWith(COPY);
    const found = this.#find(origin, (sibling) =>
      isTruncated ? this.#isRest(sibling, checkpoint) : sibling.stat.key === key,
    );
    if (found !== null && this.#isWanted(found.path)) return;
    const isFound = found !== null && (isTruncated || this.#isSame(found, checkpoint));
    if (!isFound || isTruncated) this.remember({ ...checkpoint, isFinished: true });
    else this.#unseen.delete(key);
    if (isFound) {
      const tail = this.#follow(found.path, found.stat, position, origin);
      tail.lastFingerprint = fingerprint;
      this.#finish(tail, found);
    } else if (!this.#tellZipped(checkpoint, origin)) this.#tellReplaced(checkpoint, origin);
  }

  #find(origin: string, isIt: (sibling: Sibling) => boolean): Sibling | null {
    for (const sibling of this.#siblings.of(origin)) {
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
    // Copies whose names patterns yield were looked at before.
    if (this.#tails.has(stat.key) || this.#isWanted(path)) return false;
    const isRest = this.#openedIfItCan(
      path,
      (file) => isCopy(path, stat, file, checkpoint) && !this.#isRemembered(stat, file),
    );
    return isRest === true;
  }

  /** Whether it was read before: it is not another file on the inode of one that was. */
  #isRemembered({ key, size }: FileStat, file: OpenFile): boolean {
    const known = this.#unseen.get(key);
    return known !== undefined && size >= known.position && fullyMatches(file, known.fingerprint);
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
  #seekUnread(origin: string, seenMs: number): void {
    if (this.#siblings.isFolderEmpty(origin)) return;
    this.#unresumed.delete(origin);
    if (!this.#isWanted(origin)) return;
    for (const sibling of this.#siblings.of(origin)) {
      const { path, stat } = sibling;
      if (!isNumberedName(path, origin) || stat.size === 0 || stat.modifiedMs <= seenMs) continue;
      if (this.#tails.has(stat.key) || this.#isExcluded(path) || this.#isWanted(path)) continue;
      this.#guarded('a log file can not be looked at', () => this.#beginUnread(sibling, origin));
    }
  }

  #beginUnread(sibling: Sibling, origin: string): void {
    const { path, stat } = sibling;
    if (isCompressedName(path)) {
      // Its original is there still, and is read, while it is being compressed.
      const isUnderWay = this.#options.files.stat(withoutExtension(path)) !== null;
      if (isUnderWay || this.#zipped.has(path)) return;
      this.#tellUnfinished('a rotated log file was compressed before it was read', path);
      return;
    }
    this.#opened(path, (file) => {
      if (isCompressed(file) || this.#isRemembered(stat, file)) return;
      this.#finish(this.#beginNew(path, stat, file, origin), sibling);
    });
  }

  /** It has a name that no pattern yields, and is read to its end. */
  #finish(tail: Tail, { path }: Sibling): void {
    this.rotations++;
    tail.rotatedTo(path, this.#options.clock.monotonic());
  }

  /** Says what is lost of a file that was compressed; false when it was not, as far as is known. */
  #tellZipped({ fingerprint, position }: Checkpoint, origin: string): boolean {
    const isTelling = fingerprint.length >= COPY_HEAD_BYTES_MIN;
    for (const { path } of this.#siblings.of(origin)) {
      if (!isCompressedName(path)) continue;
      const length = this.#openedIfItCan(path, (file) => lengthBeforeGzip(file, fingerprint));
      // Another file may start with as little, but not be as short, too.
      if (length === null || (!isTelling && length !== position)) continue;
      this.#zipped.add(path);
      const unread = (length - position) >>> 0;
      const what = 'a rotated log file was compressed before it was read to its end';
      if (unread > 0) this.#tellUnfinished(what, path, { 'weir.bytes.unread': unread });
      return true;
    }
    return false;
  }

  /** Says that nobody knows how much of it was not read. */
  #tellReplaced({ seenMs, position }: Checkpoint, origin: string): void {
    // The oldest of rotated files goes because that is its time; what was truncated while it was
    // followed is told of by who saw it.
    if (seenMs >= this.#startedMs || withoutNumber(origin) !== origin) return;
    if (this.#options.files.stat(origin) === null) return;
    const what =
      'a log file was replaced or truncated while it was not followed; its rest is not beside it';
    this.#tellUnfinished(what, origin, { 'weir.bytes.read': position });
  }

  #tellUnfinished(what: string, path: string, fields: Readonly<Record<string, number>> = {}): void {
    this.unfinished++;
    this.#options.logger.warn(what, { 'log.file.path': path, ...fields });
  }
}

const originOf = ({ foundAs, path }: Checkpoint): string => foundAs ?? path;

/** Two files that happen to start alike are not copies: the names must be those of a rotation, too. */
function isCopy(path: string, stat: FileStat, file: OpenFile, known: Checkpoint): boolean {
  const { fingerprint, position } = known;
  if (fingerprint.length < COPY_HEAD_BYTES_MIN || position > stat.size) return false;
  return isRotatedName(path, originOf(known)) && fullyMatches(file, fingerprint);
}
