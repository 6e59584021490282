import type { Clock } from '../../base/clock.ts';
import { reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { FilesSettings } from '../settings.ts';
import type { CheckpointFile } from './checkpoints.ts';
import { Faults } from './faults.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { isCompressed } from './fingerprint.ts';
import { ENTRIES_MAX, isCompressedName } from './glob.ts';
import { Patterns } from './patterns.ts';
import { Remembered } from './remembered.ts';
import { RotatedFiles } from './rotated-files.ts';
import { Starts } from './starts.ts';
import type { Tail } from './tail.ts';

/**
 * Finds the files to follow: those that patterns yield, and then those that were rotated out of the
 * patterns. Of a file that is followed already only the name is noted; the others are started.
 *
 * Compressed files are never read, neither by name nor by content, nor is anything below `dataDir`.
 *
 * It relies on its owner to let files go: it puts tails into the map, and takes none out.
 */
export interface DiscoveryOptions {
  readonly settings: FilesSettings;
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly dataDir: string;
}

export class Discovery {
  readonly remembered: Remembered;
  readonly starts: Starts;
  readonly rotated: RotatedFiles;
  readonly #files: FileSystem;
  readonly #logger: Logger;
  readonly #tails: ReadonlyMap<string, Tail>;
  readonly #patterns: Patterns;
  readonly #faults: Faults;
  /** Nothing was ever collected here before this run. */
  #isVeryFirstRun: boolean;

  constructor(options: DiscoveryOptions, tails: Map<string, Tail>, checkpoints: CheckpointFile) {
    const { settings, files, clock, logger, dataDir } = options;
    this.#files = files;
    this.#logger = logger;
    this.#tails = tails;
    this.#isVeryFirstRun = checkpoints.isFirstStart;
    const patterns = (this.#patterns = new Patterns(settings, dataDir, logger));
    const faults = (this.#faults = new Faults(logger));
    const remembered = (this.remembered = new Remembered(checkpoints.loaded));
    const starts = (this.starts = new Starts(settings, files, clock, tails, remembered));
    this.rotated = new RotatedFiles({
      files,
      clock,
      logger,
      tails,
      patterns,
      remembered,
      starts,
      faults,
    });
  }

  /** Returns files that are nowhere to be found, and were read to the end that was seen. */
  run(): Tail[] {
    for (const glob of this.#patterns.globs) {
      this.#faults.guarded('a folder of log files can not be looked through', () => {
        for (const path of glob.expand(this.#files)) {
          if (this.#patterns.isExcluded(path) || isCompressedName(path)) continue;
          this.#faults.guarded('a log file can not be looked at', () => this.#consider(path));
        }
        if (glob.isCut) throw new Error(`'${glob.pattern}': more than ${ENTRIES_MAX} entries`);
      });
    }
    this.#isVeryFirstRun = false;
    return this.rotated.seek();
  }

  #consider(path: string): void {
    const stat = this.#files.stat(path);
    if (stat === null || !stat.isFile) return;
    const known = this.#tails.get(stat.key);
    if (known !== undefined) {
      this.#rename(known, path);
      return;
    }
    if (this.starts.isSkipped(stat)) return;
    if (stat.size === 0) {
      this.starts.beginEmpty(path, stat);
      return;
    }
    let file: OpenFile | null = null;
    try {
      file = this.#files.open(path);
      if (isCompressed(file)) this.starts.skip(stat);
      else this.starts.begin(path, stat, file, this.#isVeryFirstRun);
    } catch (error) {
      this.starts.skip(stat);
      this.#logger.debug('a log file can not be read', {
        'log.file.path': path,
        'error.message': reasonOf(error),
      });
    } finally {
      file?.close();
    }
  }

  /** The file of that inode has that name now; two names of one file (links) stay the first. */
  #rename(tail: Tail, path: string): void {
    if (tail.path === path) tail.named(path, tail.target);
    else if (this.#files.stat(tail.path)?.key !== tail.key)
      tail.named(path, this.#files.linkTarget(path));
  }
}
