import { dirname } from 'node:path';
import type { Disk } from '../../base/disk.ts';
import { reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Fingerprint } from './fingerprint.ts';

/**
 * How far each file has been handed over, in one JSON file that is replaced atomically. After a
 * kill it is at most one write interval old: what came since is read again, nothing is skipped.
 * Entries of files that are gone are kept for a while, because a folder may come back.
 */
export interface Checkpoint {
  readonly path: string;
  /** The name by which it was found, when no pattern yields the one it has now. */
  readonly foundAs?: string;
  /** Where its name, a link, led: rotation happens there. */
  readonly target?: string;
  /** Device and inode. */
  readonly key: string;
  /** Bytes that are handed over for good. */
  readonly position: number;
  readonly fingerprint: Fingerprint;
  /** When the file was seen last, in milliseconds since 1970. */
  readonly seenMs: number;
  /** It was read to its end, and had not grown for long: what is there by now may be all there is. */
  readonly isResting?: boolean;
  /** It was read to its end and let go. Else it has to be looked for when its name leads elsewhere. */
  readonly isFinished?: boolean;
}

/** The name that made the file worth following. */
export const originOf = ({ foundAs, path }: Checkpoint): string => foundAs ?? path;

/** The name that rotation changes: the origin, or what it leads to. */
export const placeOf = (checkpoint: Checkpoint): string =>
  checkpoint.target ?? originOf(checkpoint);

export const CHECKPOINTS_MAX = 10_000;
const KEEP_UNSEEN_MS = 7 * 86_400_000;
const VERSION = 1;

interface Stored {
  readonly version: number;
  readonly files: readonly Checkpoint[];
}

export class CheckpointFile {
  /** Whether there was none: the collector has never run here. */
  readonly isFirstStart: boolean;
  readonly loaded: readonly Checkpoint[];
  readonly #disk: Disk;
  readonly #path: string;
  #last = '';
  /** Files of the last `save` for which there was no room: they would be read from their start. */
  left = 0;

  constructor(disk: Disk, path: string, logger: Logger) {
    this.#disk = disk;
    this.#path = path;
    disk.makeDirectory(dirname(path));
    const bytes = disk.readFile(path);
    this.isFirstStart = bytes === null;
    this.loaded = bytes === null ? [] : parse(bytes, path, logger);
  }

  /** Writes when something has changed; throws the disk's error. */
  save(checkpoints: readonly Checkpoint[], nowMs: number): boolean {
    const wanted = checkpoints
      .filter(({ seenMs }) => nowMs - seenMs < KEEP_UNSEEN_MS)
      .sort((a, b) => b.seenMs - a.seenMs);
    const files = wanted.slice(0, CHECKPOINTS_MAX);
    this.left = wanted.slice(CHECKPOINTS_MAX).filter(({ seenMs }) => seenMs === nowMs).length;
    const positions = files
      .map(({ key, position, path, isFinished = false }) =>
        [key, position, isFinished, path].join(' '),
      )
      .join('\n');
    if (positions === this.#last) return false;
    this.#disk.replaceFile(
      this.#path,
      Buffer.from(JSON.stringify({ version: VERSION, files } satisfies Stored)),
    );
    this.#last = positions;
    return true;
  }
}

function parse(bytes: Buffer, path: string, logger: Logger): readonly Checkpoint[] {
  try {
    const stored = JSON.parse(bytes.toString()) as Stored;
    if (stored.version !== VERSION)
      throw new Error(`expected version ${VERSION}, saw ${stored.version}`);
    return stored.files;
  } catch (error) {
    // Reading again what was read is better than skipping what was not.
    logger.error('the positions in log files are unreadable; files are read from their start', {
      'file.path': path,
      'error.message': reasonOf(error),
    });
    return [];
  }
}
