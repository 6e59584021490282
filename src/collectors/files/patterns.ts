import { sep } from 'node:path';
import { reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { FilesSettings } from '../settings.ts';
import { Glob } from './glob.ts';

/**
 * The names that are worth following: those that patterns yield, less the excluded ones and what is
 * below `dataDir`. It relies on names only, and looks at no file.
 */
export class Patterns {
  readonly globs: readonly Glob[];
  readonly #excluded: readonly Glob[];
  /** With a separator at its end. */
  readonly #dataDir: string;

  /** A pattern that makes no sense is told of, and left out. */
  constructor({ paths, exclude }: FilesSettings, dataDir: string, logger: Logger) {
    this.globs = parse(paths, logger);
    this.#excluded = parse(exclude, logger);
    this.#dataDir = dataDir.endsWith(sep) ? dataDir : dataDir + sep;
  }

  isExcluded(path: string): boolean {
    return (
      path.startsWith(this.#dataDir) || this.#excluded.some((excluded) => excluded.matches(path))
    );
  }

  /** Whether a file of that name would be followed. */
  isWanted(path: string): boolean {
    return this.globs.some((glob) => glob.matches(path)) && !this.isExcluded(path);
  }
}

function parse(patterns: readonly string[], logger: Logger): Glob[] {
  const globs: Glob[] = [];
  for (const pattern of patterns) {
    try {
      globs.push(new Glob(pattern));
    } catch (error) {
      logger.warn('a pattern of log files makes no sense', {
        'weir.pattern': pattern,
        'error.message': reasonOf(error),
      });
    }
  }
  return globs;
}
