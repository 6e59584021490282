/**
 * Files and folders that nobody uses any more, and that go after a while: whoever has begun to read
 * one may end. Their names tell that they are dead, so a start removes what a stop, or a crash,
 * has left of them.
 */
import type { Clock, Timer } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { DELETED_DIRECTORY_SUFFIX } from './log-files.ts';

export interface DeadFilesOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class DeadFiles {
  readonly #options: DeadFilesOptions;
  readonly #removals = new Set<Timer>();

  constructor(options: DeadFilesOptions) {
    this.#options = options;
  }

  /** Removes them after `delayMs`. */
  removeLater(paths: readonly string[], delayMs: number): void {
    const timer = this.#options.clock.after(delayMs, () => {
      this.#removals.delete(timer);
      for (const path of paths) this.#remove(path);
    });
    this.#removals.add(timer);
  }

  #remove(path: string): void {
    const { disk, logger } = this.#options;
    try {
      if (path.endsWith(DELETED_DIRECTORY_SUFFIX)) disk.removeDirectory(path);
      else disk.remove(path);
    } catch (error) {
      // The next start removes what is left.
      logger.warn(`can't remove ${path}: ${reasonOf(error)}`);
    }
  }

  /** What is left is the next start's. */
  stop(): void {
    for (const timer of this.#removals) timer.cancel();
    this.#removals.clear();
  }
}
