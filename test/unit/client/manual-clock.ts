import type { Clock, Timer } from '../../../src/base/clock.ts';

interface Due {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
}

/** Lets everything that is due now happen: promises, microtasks, turns of the event loop. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** Time that stands until it is moved. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  #order = 0;
  #timers = new Set<Due>();

  now(): number {
    return 1_700_000_000_000 + this.#now;
  }
  monotonic(): number {
    return this.#now;
  }
  after(delayMs: number, action: () => void): Timer {
    const due = { at: this.#now + Math.max(0, delayMs), order: this.#order++, action };
    this.#timers.add(due);
    return { cancel: () => this.#timers.delete(due) };
  }

  /** Moves time, firing what becomes due in order, and lets its consequences happen. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (;;) {
      const next = [...this.#timers]
        .filter((due) => due.at <= until)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.action();
      await settle();
    }
    this.#now = until;
    await settle();
  }

  /** Moves time in steps until the promise is settled, for at most `maxMs`. */
  async until<T>(promise: Promise<T>, maxMs = 600_000, stepMs = 50): Promise<T> {
    let done = false;
    const finished = promise.finally(() => {
      done = true;
    });
    finished.catch(() => {});
    for (let ms = 0; ms < maxMs; ms += stepMs) {
      await settle();
      if (done) return finished;
      await this.advance(stepMs);
    }
    throw new Error(`not settled within ${maxMs} ms of the clock`);
  }
}
