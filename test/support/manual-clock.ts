import type { Clock, Timer } from '../../src/base/clock.ts';

/** Time that moves only when a test says so. */
export class ManualClock implements Clock {
  #wall: number;
  #monotonic = 0;
  #timers: { at: number; action: () => void }[] = [];

  constructor(wall = 1_700_000_000_000) {
    this.#wall = wall;
  }

  now(): number {
    return this.#wall;
  }
  monotonic(): number {
    return this.#monotonic;
  }
  after(delayMs: number, action: () => void): Timer {
    const timer = { at: this.#monotonic + Math.max(0, delayMs), action };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Moves both clocks and runs what falls due, in order. */
  advance(ms: number): void {
    const end = this.#monotonic + ms;
    for (;;) {
      const due = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#move(Math.max(due.at - this.#monotonic, 0));
      due.action();
    }
    this.#move(end - this.#monotonic);
  }

  #move(ms: number): void {
    this.#monotonic += ms;
    this.#wall += ms;
  }

  /** Time passes, and nothing runs: what falls due is late. */
  stall(ms: number): void {
    this.#move(ms);
  }

  /** The wall clock jumps; the monotonic one does not notice. */
  jump(ms: number): void {
    this.#wall += ms;
  }
}
