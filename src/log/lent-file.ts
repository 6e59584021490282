import type { DiskFile } from '../base/disk.ts';

/**
 * An open file that others may be using when its owner closes it: it is closed behind the last of
 * them. A descriptor that was closed, and given to another file, under a call that is on its way would
 * have it read that one.
 */
export class LentFile {
  readonly file: DiskFile;
  #users = 0;
  #isLeft = false;

  constructor(file: DiskFile) {
    this.file = file;
  }

  lend(): DiskFile {
    this.#users += 1;
    return this.file;
  }

  /** Once for each `lend`. */
  giveBack(): void {
    this.#users -= 1;
    if (this.#isLeft && this.#users === 0) this.file.close();
  }

  /** The owner needs it no more. */
  close(): void {
    this.#isLeft = true;
    if (this.#users === 0) this.file.close();
  }
}
