/** Who waits until records are deleted on all living replicas of a partition (DeleteRecords). */
import type { Clock } from '../base/clock.ts';
import { ErrorCode } from '../protocol/error-codes.ts';

interface Waiter {
  readonly offset: number;
  readonly done: (code: number) => void;
}

export class LowWatermarkWaits {
  readonly #clock: Clock;
  #waiters: Waiter[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiters.length;
  }

  /** Resolves with NONE, the error of `fail`, or REQUEST_TIMED_OUT after `timeoutMs`. */
  add(offset: number, timeoutMs: number): Promise<number> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(timeoutMs, () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        resolve(ErrorCode.REQUEST_TIMED_OUT);
      });
      const done = (code: number): void => {
        timer.cancel();
        resolve(code);
      };
      const waiter: Waiter = { offset, done };
      this.#waiters.push(waiter);
    });
  }

  /** All living replicas start at `lowWatermark` or behind. */
  advance(lowWatermark: number): void {
    const ready = this.#waiters.filter(({ offset }) => offset <= lowWatermark);
    if (ready.length === 0) return;
    this.#waiters = this.#waiters.filter(({ offset }) => offset > lowWatermark);
    for (const { done } of ready) done(ErrorCode.NONE);
  }

  fail(code: number): void {
    for (const { done } of this.#waiters.splice(0)) done(code);
  }
}
