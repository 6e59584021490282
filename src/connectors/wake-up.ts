import type { Clock } from '../base/clock.ts';

/** Where a task waits for anything to change; whoever is woken looks again at what it waits for. */
export class WakeUp {
  readonly #clock: Clock;
  #waiters: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves at the next `wake`. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Resolves at the next `wake`, at the latest after `ms`. */
  async waitFor(ms: number): Promise<void> {
    const timer = this.#clock.after(ms, () => this.wake());
    await this.wait();
    timer.cancel();
  }

  /** Resolves when `isBusy` is over, at the latest after `ms`. */
  async whileBusy(isBusy: () => boolean, ms: number): Promise<void> {
    let isLate = false;
    const timer = this.#clock.after(ms, () => {
      isLate = true;
      this.wake();
    });
    while (isBusy() && !isLate) await this.wait();
    timer.cancel();
  }
}
