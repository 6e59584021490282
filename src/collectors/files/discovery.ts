import os from 'node:os';
import { basename, dirname, extname, sep } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { recordHeaders } from '../record-sink.ts';
import type { FilesSettings } from '../settings.ts';
import { CHECKPOINTS_MAX, type Checkpoint, type CheckpointFile } from './checkpoints.ts';
import type { FileStat, FileSystem, OpenFile } from './file-system.ts';
import { COPY_HEAD_BYTES_MIN, fullyMatches, isCompressed } from './fingerprint.ts';
import { ENTRIES_MAX, Glob, isCompressedName } from './glob.ts';
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
 */
export interface DiscoveryOptions {
  readonly settings: FilesSettings;
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly dataDir: string;
}

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
  #isFirstRun = true;

  constructor(options: DiscoveryOptions, tails: Map<string, Tail>, checkpoints: CheckpointFile) {
    this.#options = options;
    this.#tails = tails;
    this.#isFirstStart = checkpoints.isFirstStart;
    for (const checkpoint of checkpoints.loaded) this.remember(checkpoint);
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

  run(): void {
    const { files, dataDir } = this.#options;
    const own = dataDir.endsWith(sep) ? dataDir : dataDir + sep;
    for (const glob of this.#globs) {
      this.#guarded('a folder of log files can not be looked through', () => {
        for (const path of glob.expand(files)) {
          if (path.startsWith(own) || isCompressedName(path)) continue;
          if (this.#excluded.some((excluded) => excluded.matches(path))) continue;
          this.#guarded('a log file can not be looked at', () => this.#consider(path));
        }
        if (glob.isCut) throw new Error(`'${glob.pattern}': more than ${ENTRIES_MAX} entries`);
      });
    }
    this.#isFirstRun = false;
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
    if (tail.path === path) {
      tail.isGone = false;
      return;
    }
    if (this.#options.files.stat(tail.path)?.key === tail.key) return;
    tail.path = path;
    tail.isGone = false;
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
    const { settings, clock } = this.#options;
    const checkpoint = this.#unseen.get(stat.key);
    if (checkpoint !== undefined) {
      this.#unseen.delete(stat.key);
      if (stat.size >= checkpoint.position && fullyMatches(file, checkpoint.fingerprint)) {
        const tail = this.#follow(path, stat, checkpoint.position, checkpoint.path);
        tail.lastFingerprint = checkpoint.fingerprint;
        return;
      }
      // Truncated, or another file on the same inode: of the old one there may be a copy.
      this.rememberCopy(checkpoint);
    }
    const copied = this.#copiedPosition(path, stat, file);
    if (copied !== null) {
      this.#follow(path, stat, copied.position, copied.path);
      return;
    }
    if (clock.now() - stat.modifiedMs > settings.ignoreOlderMs) {
      this.#follow(path, stat, stat.size, path);
      return;
    }
    const isOld = this.#isFirstStart && this.#isFirstRun && stat.size > settings.initialBytesMax;
    const tail = this.#follow(path, stat, isOld ? stat.size - settings.initialBytesMax : 0, path);
    tail.skipsLine = isOld;
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
      if (isCopy(path, stat, file, known)) return { position: known.position, path: known.path };
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
    this.remember({ ...checkpoint, key: `copy:${checkpoint.fingerprint.head}` });
  }

  /** Checkpoints of files that are not followed now, to be kept. */
  unseen(tails: ReadonlyMap<string, Tail>): Checkpoint[] {
    return [...this.#unseen.values()].filter(({ key }) => !tails.has(key));
  }
}

/** Two files that happen to start alike are not copies: the names must be those of a rotation, too. */
function isCopy(path: string, stat: FileStat, file: OpenFile, known: Checkpoint): boolean {
  const { fingerprint, position } = known;
  if (fingerprint.length < COPY_HEAD_BYTES_MIN || position > stat.size) return false;
  return isRotatedName(path, known.path) && fullyMatches(file, fingerprint);
}

/** `app.log.1`, `app.log-20261122`, `app-20261122.log` of `app.log`. */
function isRotatedName(path: string, original: string): boolean {
  if (dirname(path) !== dirname(original)) return false;
  const name = basename(path);
  const first = basename(original);
  if (name.startsWith(first)) return true;
  const extension = extname(first);
  const stem = first.slice(0, first.length - extension.length);
  return (
    extension !== '' &&
    name.endsWith(extension) &&
    (name.startsWith(`${stem}-`) || name.startsWith(`${stem}.`))
  );
}
