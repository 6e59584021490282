import type { Clock } from '../base/clock.ts';

/** How much further than real time retention's clock may go between two looks at it. */
const CATCH_UP_MS = 5 * 60_000;

/**
 * What retention takes for "now". The wall clock may jump ahead by days (a wrong clock, a resumed
 * machine); believing it at once would delete fresh segments wholesale. So from one look to the
 * next this one advances by no more than the monotonic clock did plus `CATCH_UP_MS`, and follows a
 * wall clock that stays ahead step by step. It never goes back.
 */
export class RetentionClock {
  readonly #clock: Clock;
  #now: number;
  #seenAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = clock.now();
    this.#seenAt = clock.monotonic();
  }

  now(): number {
    const monotonic = this.#clock.monotonic();
    const bound = this.#now + (monotonic - this.#seenAt) + CATCH_UP_MS;
    this.#seenAt = monotonic;
    this.#now = Math.max(this.#now, Math.min(this.#clock.now(), bound));
    return this.#now;
  }
}
