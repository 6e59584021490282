/**
 * Has work done once after any number of calls, in the same turn of the event loop, and again at the
 * earliest time that somebody has named.
 */
import type { Clock, Timer } from '../base/clock.ts';

export class WakeUp {
  readonly #clock: Clock;
  readonly #work: () => void;
  #isQueued = false;
  #timer: Timer | null = null;
  #timerAt = Infinity;
  #isClosed = false;

  constructor(clock: Clock, work: () => void) {
    this.#clock = clock;
    this.#work = work;
  }

  now(): void {
    if (this.#isQueued || this.#isClosed) return;
    this.#isQueued = true;
    queueMicrotask(() => {
      this.#isQueued = false;
      if (!this.#isClosed) this.#work();
    });
  }

  /** Monotonic milliseconds. */
  at(ms: number): void {
    if (ms >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = ms;
    this.#timer = this.#clock.after(Math.ceil(ms - this.#clock.monotonic()), () => {
      this.#timerAt = Infinity;
      this.now();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }
}
