/**
 * How fast a cleaning goes: it rests when it has had its slice of the thread that it shares with
 * others, and when it has read more than `log.cleaner.io.max.bytes.per.second` lets it.
 */
import type { Clock, Timer } from '../base/clock.ts';

/** Owed time shorter than this is waited for together with what comes. */
const REST_MS_MIN = 10;

export interface PaceOptions {
  readonly clock: Clock;
  /** Longest time without giving others a turn; Infinity: always on. Milliseconds. */
  readonly sliceMs: number;
  /** Rest after a slice, for each millisecond that it took; 0: others have their turn, and on. */
  readonly restRatio: number;
  /** Bytes read and written a second; Infinity: no limit. */
  readonly bytesPerSecond: number;
}

/** A cleaning that was told to end. */
export class CleaningCancelled extends Error {
  override name = 'CleaningCancelled';
}

export class CleanerPace {
  readonly #options: PaceOptions;
  #sliceStart: number;
  #owedMs = 0;
  #lastMs: number;
  #isCancelled = false;
  #rest: { readonly timer: Timer; readonly end: () => void } | null = null;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#sliceStart = options.clock.monotonic();
    this.#lastMs = this.#sliceStart;
  }

  /** Nobody wants the result any more: `passed` fails from now on. */
  cancel(): void {
    this.#isCancelled = true;
    this.#rest?.timer.cancel();
    this.#rest?.end();
  }

  /** After `bytes` have been dealt with: what to wait for, or null to go on. Fails when cancelled. */
  passed(bytes: number): Promise<void> | null {
    const { clock, sliceMs, restRatio, bytesPerSecond } = this.#options;
    this.#check();
    const now = clock.monotonic();
    let restMs = 0;
    if (bytesPerSecond !== Number.POSITIVE_INFINITY) {
      const owed = this.#owedMs + (bytes * 1000) / bytesPerSecond - (now - this.#lastMs);
      this.#owedMs = Math.max(owed, 0);
      this.#lastMs = now;
      if (this.#owedMs >= REST_MS_MIN) restMs = this.#owedMs;
    }
    const sliceTookMs = now - this.#sliceStart;
    if (restMs === 0 && sliceTookMs < sliceMs) return null;
    return this.#wait(Math.max(restMs, sliceTookMs * restRatio));
  }

  #check(): void {
    if (this.#isCancelled) throw new CleaningCancelled('the cleaning was cancelled');
  }

  async #wait(ms: number): Promise<void> {
    const { clock } = this.#options;
    await new Promise<void>((end) => {
      this.#rest = { timer: clock.after(ms, end), end };
    });
    this.#rest = null;
    this.#sliceStart = clock.monotonic();
    this.#check();
  }
}
