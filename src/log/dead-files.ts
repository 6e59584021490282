/**
 * Files and folders that nobody uses any more, and that go after a while: whoever has begun to read
 * one may end. Their names tell that they are dead, so a start removes what a stop, or a crash,
 * has left of them.
 *
 * What can't be removed for now is tried again: a topic that is deleted is to give its space back.
 *
 * One goes after the other, on another thread: giving back the blocks of a large segment takes
 * milliseconds, and many at once would keep syncs waiting.
 */
import type { Clock, Timer } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import { codeOf, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { isPassing } from './log-directory.ts';

/** Between two attempts at what can't be removed for now. */
const RETRY_MS = 60_000;

/** Somebody has it open, where the system minds that, or has left something in it. */
const IN_USE: ReadonlySet<string> = new Set(['EBUSY', 'ENOTEMPTY']);

export interface DeadFilesOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class DeadFiles {
  readonly #options: DeadFilesOptions;
  readonly #timers = new Set<Timer>();
  /** Whose time has come. */
  #due: string[] = [];
  /** Of which is told already that they stay for now. */
  readonly #told = new Set<string>();
  #removing: Promise<void> | null = null;
  #isStopped = false;

  constructor(options: DeadFilesOptions) {
    this.#options = options;
  }

  /** Removes them after `delayMs`. */
  removeLater(paths: readonly string[], delayMs: number): void {
    const timer = this.#options.clock.after(delayMs, () => {
      this.#timers.delete(timer);
      this.#due.push(...paths);
      this.#removing ??= this.#removeDue().finally(() => {
        this.#removing = null;
      });
    });
    this.#timers.add(timer);
  }

  async #removeDue(): Promise<void> {
    while (this.#due.length > 0) {
      const paths = this.#due;
      this.#due = [];
      const left: string[] = [];
      for (const path of paths) {
        if (!this.#isStopped && !(await this.#remove(path))) left.push(path);
      }
      if (left.length > 0 && !this.#isStopped) this.removeLater(left, RETRY_MS);
    }
  }

  /** False: it is to be tried again. */
  async #remove(path: string): Promise<boolean> {
    const { disk, logger } = this.#options;
    try {
      await disk.removeLater(path);
    } catch (error) {
      if (!this.#told.has(path)) logger.warn(`can't remove ${path}: ${reasonOf(error)}`);
      if (isPassing(error) || IN_USE.has(codeOf(error))) {
        this.#told.add(path);
        return false;
      }
      // A disk that is broken is left alone; the next start removes what is left.
    }
    this.#told.delete(path);
    return true;
  }

  /** What is left is the next start's. Resolves when nothing is being removed any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    await this.#removing;
  }
}
