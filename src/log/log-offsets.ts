/**
 * Where one log begins and ends, and how much of it consumers see.
 *
 * Invariant: start ≤ high watermark ≤ end. A log that begins anew is the only one that goes back
 * behind its start.
 */
export class LogOffsets {
  #start = 0;
  #end = 0;
  #highWatermark = 0;

  get start(): number {
    return this.#start;
  }
  /** The offset that the next record gets. */
  get end(): number {
    return this.#end;
  }
  /** Consumers see what lies before. */
  get highWatermark(): number {
    return this.#highWatermark;
  }

  /** Of a log that is opened; the high watermark is what was saved of it. */
  load(start: number, end: number, highWatermark: number): void {
    this.#start = start;
    this.#end = end;
    this.#highWatermark = Math.min(Math.max(highWatermark, start), end);
  }

  appendedTo(end: number): void {
    this.#end = end;
  }

  /** As near to `offset` as can be; false: it is there already. */
  moveHighWatermark(offset: number): boolean {
    const bounded = Math.min(Math.max(offset, this.#start), this.#end);
    if (bounded === this.#highWatermark) return false;
    this.#highWatermark = bounded;
    return true;
  }

  /** What lies before is gone; `start` is not beyond the high watermark. */
  startAt(start: number): void {
    this.#start = start;
  }

  /** What lies behind is gone. */
  cutTo(end: number): void {
    this.#end = end;
    this.#highWatermark = Math.min(this.#highWatermark, end);
  }

  /** Everything is gone, and the log goes on there. */
  restartAt(offset: number): void {
    this.#start = offset;
    this.#end = offset;
    this.#highWatermark = offset;
  }
}
