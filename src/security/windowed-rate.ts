/**
 * Sums over a sliding time, in windows, as Kafka's `Rate` and `SampledStat` take them: `windows`
 * whole ones and the one that is under way. Every quota is measured by it, so that clients are held
 * back for as long as Kafka would hold them back.
 */
export class WindowedSum {
  readonly #windows: number;
  readonly #windowMs: number;
  /** A ring with one more window than counts: what overlaps the start of the time stays. */
  readonly #startMs: number[] = [];
  readonly #lastMs: number[] = [];
  readonly #values: number[] = [];
  #current = 0;

  /** `windows` of `windowMs` milliseconds each. */
  constructor(windows: number, windowMs: number) {
    this.#windows = windows;
    this.#windowMs = windowMs;
  }

  record(value: number, nowMs: number): void {
    if (this.#values.length === 0) this.#begin(0, nowMs);
    else if (nowMs - this.#startMs[this.#current]! >= this.#windowMs) {
      this.#current = (this.#current + 1) % (this.#windows + 1);
      this.#begin(this.#current, nowMs);
    }
    this.#values[this.#current]! += value;
    this.#lastMs[this.#current] = nowMs;
  }

  /** Of what was recorded within the time. */
  sum(nowMs: number): number {
    this.#forget(nowMs);
    let sum = 0;
    for (const value of this.#values) sum += value;
    return sum;
  }

  /**
   * Milliseconds that the sum is about: since the oldest window that counts, and not less than all
   * windows but one, so that a burst after a pause is not taken for a high rate.
   */
  spanMs(nowMs: number): number {
    this.#forget(nowMs);
    let oldest = nowMs;
    for (const startMs of this.#startMs) oldest = Math.min(oldest, startMs);
    const elapsed = nowMs - oldest;
    const missing = this.#windows - 1 - Math.floor(elapsed / this.#windowMs);
    return Math.max(elapsed + Math.max(missing, 0) * this.#windowMs, 1);
  }

  perSecond(nowMs: number): number {
    return this.sum(nowMs) / (this.spanMs(nowMs) / 1000);
  }

  #begin(i: number, nowMs: number): void {
    this.#startMs[i] = nowMs;
    this.#lastMs[i] = nowMs;
    this.#values[i] = 0;
  }

  #forget(nowMs: number): void {
    const age = this.#windows * this.#windowMs;
    for (let i = 0; i < this.#values.length; i++) {
      if (nowMs - this.#lastMs[i]! >= age) this.#begin(i, nowMs);
    }
  }
}
