/** Fetches of followers that have everything, until there is more, or their time is over. */
import type { Clock, Timer } from '../../base/clock.ts';

/** More than there are brokers: one more is answered at once. */
const WAITING_MAX = 1_000;

interface Waiting {
  readonly endOffset: number;
  readonly highWatermark: number;
  readonly timer: Timer;
  readonly answer: () => void;
}

export class WaitingFetches {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /**
   * Calls `answer` once: when the log has grown beyond `endOffset`, the high watermark beyond
   * `highWatermark`, the time is over, or the wait is over for all.
   */
  wait(endOffset: number, highWatermark: number, waitMs: number, answer: () => void): void {
    if (waitMs <= 0 || this.#waiting.size >= WAITING_MAX) return answer();
    const waiting: Waiting = {
      endOffset,
      highWatermark,
      answer,
      timer: this.#clock.after(waitMs, () => this.#done(waiting)),
    };
    this.#waiting.add(waiting);
  }

  /** There may be more now. */
  wake(logEnd: number, highWatermark: number): void {
    for (const waiting of [...this.#waiting]) {
      if (waiting.endOffset < logEnd || waiting.highWatermark < highWatermark) this.#done(waiting);
    }
  }

  wakeAll(): void {
    for (const waiting of [...this.#waiting]) this.#done(waiting);
  }

  #done(waiting: Waiting): void {
    if (!this.#waiting.delete(waiting)) return;
    waiting.timer.cancel();
    waiting.answer();
  }
}
