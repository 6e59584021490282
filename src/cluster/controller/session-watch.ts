/** Calls when the next session of a broker ends. One timer, moved only when it would ring too late. */
import type { Clock, Timer } from '../../base/clock.ts';
import type { BrokerSessions } from './broker-sessions.ts';

/** A timer that rings so much too late tells of a program that stood still, not of silent brokers. */
const LATE_MS = 1_000;

/** Least time between two looks, for brokers that could not be fenced. */
const REST_MS = 50;

export class SessionWatch {
  readonly #clock: Clock;
  readonly #sessions: BrokerSessions;
  readonly #onExpired: () => void;
  #timer: Timer | null = null;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, sessions: BrokerSessions, onExpired: () => void) {
    this.#clock = clock;
    this.#sessions = sessions;
    this.#onExpired = onExpired;
  }

  /** Sessions have begun or have been cut short. */
  update(): void {
    const next = this.#sessions.nextDeadlineMs;
    if (next >= this.#dueMs) return;
    this.#timer?.cancel();
    this.#arm(next);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#dueMs = Number.NEGATIVE_INFINITY;
  }

  #arm(atMs: number): void {
    this.#dueMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#clock.after(Math.max(atMs - this.#clock.monotonic(), 0), () =>
      this.#ring(),
    );
  }

  #ring(): void {
    const now = this.#clock.monotonic();
    if (now - this.#dueMs > LATE_MS) this.#sessions.extendAll(now);
    if (this.#sessions.expired(now).length > 0) this.#onExpired();
    this.#arm(Math.max(this.#sessions.nextDeadlineMs, now + REST_MS));
  }
}
