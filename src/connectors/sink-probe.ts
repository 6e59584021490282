import type { Clock } from '../base/clock.ts';

/** Counters of one task: plain numbers, copied at scrape. */
export class SinkProbe {
  readonly #clock: Clock;
  readonly #startedAt: number;
  /** Records that were read from the log. */
  read = 0;
  /** Records that the destination took. */
  written = 0;
  /** Records that the destination had already. */
  duplicates = 0;
  /** Records that the destination will never take. */
  refused = 0;
  /** Records that are safe in the dead-letter topic. */
  deadLetters = 0;
  /** Records left out because the configuration says so. */
  ignored = 0;
  /** Batches of the log that could not be read. */
  unreadableBatches = 0;
  pollFailures = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  get uptimeMs(): number {
    return this.#clock.monotonic() - this.#startedAt;
  }
}
