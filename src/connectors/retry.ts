import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';

/** Longest wait that a destination's `Retry-After` is believed. */
const RETRY_AFTER_MS_MAX = 300_000;

export interface BackoffOptions {
  /** The first delay is between 0 and this. */
  readonly baseMs: number;
  readonly capMs: number;
}

/** Full jitter: anything between 0 and `base × 2^failures`, capped. */
export function fullJitterMs(options: BackoffOptions, failures: number, random: Random): number {
  const ceiling = Math.min(options.capMs, options.baseMs * 2 ** Math.min(failures - 1, 30));
  return ceiling * random.next();
}

/** Milliseconds that a `Retry-After` header asks for: seconds, or an HTTP date. 0: nothing usable. */
export function retryAfterMs(header: unknown, nowMs: number): number {
  if (typeof header !== 'string' || header === '') return 0;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX) : 0;
}

/**
 * How many requests may be under way at once: one more after as many successes in a row as are
 * allowed now, half when the destination pushes back (additive increase, multiplicative decrease).
 */
export class AdaptiveLimit {
  readonly #max: number;
  #limit: number;
  #successes = 0;

  constructor(max: number) {
    this.#max = max;
    this.#limit = Math.min(max, 2);
  }

  get current(): number {
    return this.#limit;
  }
  success(): void {
    this.#successes++;
    if (this.#successes < this.#limit || this.#limit >= this.#max) return;
    this.#successes = 0;
    this.#limit++;
  }
  pushBack(): void {
    this.#successes = 0;
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
  }
}

/**
 * The one place where requests wait while a destination is unwell. After a failure everybody waits
 * for a delay that grows with the failures in a row; then a single request goes ahead as a probe,
 * and the others wait for what it finds. So the load on a destination that is down does not depend
 * on how many requests are waiting for it. The one that has waited longest goes ahead: a request that
 * only ever fails for what is in it does not keep the others from showing that all is well.
 */
export class BackoffGate {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #options: BackoffOptions;
  #failures = 0;
  #openAt = 0;
  #probing = false;
  /** Whoever is in `enter`, in the order of coming. */
  readonly #line = new Set<symbol>();
  #waiting: (() => void)[] = [];

  constructor(clock: Clock, random: Random, options: BackoffOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#options = options;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Resolves when a request may be made; `success` or `failure` must follow, or `leave`. */
  async enter(signal: AbortSignal): Promise<void> {
    const place = Symbol();
    this.#line.add(place);
    while (this.#failures > 0 && !signal.aborted) {
      const delay = this.#openAt - this.#clock.monotonic();
      const [first] = this.#line;
      if (delay <= 0 && !this.#probing && first === place) {
        this.#probing = true;
        break;
      }
      await this.#change(delay, signal);
    }
    this.#line.delete(place);
  }

  success(): void {
    this.#failures = 0;
    this.#wake();
  }

  /** `progress`: something was settled, so the delay starts from its base again. */
  failure(options: { atLeastMs?: number; progress?: boolean } = {}): void {
    // Requests that were under way when the first one failed say nothing new.
    const isNews = this.#clock.monotonic() >= this.#openAt;
    if (options.progress === true) this.#failures = 1;
    else if (isNews || this.#failures === 0) this.#failures++;
    const delay = Math.max(
      options.atLeastMs ?? 0,
      fullJitterMs(this.#options, this.#failures, this.#random),
    );
    this.#openAt = Math.max(this.#openAt, this.#clock.monotonic() + delay);
    this.#wake();
  }

  /** The request was given up without having found out anything. */
  leave(): void {
    this.#wake();
  }

  #wake(): void {
    this.#probing = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Waits for the delay (when there is one), or for what a request under way finds. */
  #change(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = delayMs > 0 ? this.#clock.after(delayMs, () => done()) : null;
      const done = (): void => {
        timer?.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      signal.addEventListener('abort', done);
      this.#waiting.push(done);
    });
  }
}
