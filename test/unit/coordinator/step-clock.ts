import type { Timer } from '../../../src/base/clock.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** Lets everything run that waits for promises only. */
export const settle = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** Time that moves from timer to timer, and lets promises settle before each. */
export class StepClock extends ManualClock {
  readonly #deadlines = new Set<number>();

  override after(delayMs: number, action: () => void): Timer {
    this.#deadlines.add(this.monotonic() + Math.max(0, delayMs));
    return super.after(delayMs, action);
  }

  async pass(ms: number): Promise<void> {
    const until = this.monotonic() + ms;
    await settle();
    for (;;) {
      const due = [...this.#deadlines].filter((at) => at <= until);
      if (due.length === 0) break;
      const next = Math.min(...due);
      this.#deadlines.delete(next);
      this.advance(Math.max(0, next - this.monotonic()));
      await settle();
    }
    this.advance(until - this.monotonic());
  }
}
