/**
 * Where the next line break stands in bytes that are looked through from front to back: one search
 * finds it for all the records before it, which for most batches are all of them.
 */
const NEWLINE = 0x0a;

export class LineBreaks {
  #bytes: Buffer | null = null;
  /** No line break stands in `[#from, #next)`. */
  #from = 0;
  #next = 0;

  /** The first line break of `bytes` at or behind `at`; Infinity when there is none. */
  nextFrom(bytes: Buffer, at: number): number {
    if (bytes !== this.#bytes || at < this.#from || at > this.#next) {
      const found = bytes.indexOf(NEWLINE, at);
      this.#bytes = bytes;
      this.#from = at;
      this.#next = found < 0 ? Number.POSITIVE_INFINITY : found;
    }
    return this.#next;
  }

  /** Keeps the bytes no longer; they may change from here on. */
  forget(): void {
    this.#bytes = null;
  }
}
