import type { Clock, Timer } from '../../src/base/clock.ts';
import type { SimProcess, Simulation } from './simulation.ts';

/** Wall time at which every run begins: 2023-11-14T22:13:20Z. */
const EPOCH_MS = 1_700_000_000_000;

/** Wall clock of one machine: it may be wrong, and it may jump. */
export class WallClock {
  /** Milliseconds by which it is ahead of the simulation's time. */
  skewMs: number;

  constructor(skewMs: number) {
    this.skewMs = skewMs;
  }
}

/** What one process sees of time. Its monotonic clock begins anywhere and never jumps. */
export class SimClock implements Clock {
  readonly #simulation: Simulation;
  readonly #process: SimProcess;
  readonly #wall: WallClock;
  readonly #startMs: number;

  constructor(simulation: Simulation, process: SimProcess, wall: WallClock, startMs: number) {
    this.#simulation = simulation;
    this.#process = process;
    this.#wall = wall;
    this.#startMs = startMs;
  }

  now(): number {
    return Math.floor(EPOCH_MS + this.#simulation.now + this.#wall.skewMs);
  }
  monotonic(): number {
    // Whole microseconds: a sum of fractions would fall a hair short of them.
    return (this.#simulation.nowUs + this.#startMs * 1000) / 1000;
  }
  after(delayMs: number, action: () => void): Timer {
    const event = this.#simulation.after(this.#process, delayMs, 'timer', action);
    return {
      cancel: () => {
        event.action = null;
      },
    };
  }
}
