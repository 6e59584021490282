/**
 * What may be used at a rate, and saved up for a burst (KIP-599): tokens come at the rate up to
 * `burst`, and may go below none, which has to be made up for before more may be used.
 */
export class TokenBucket {
  #tokens: number;
  #atMs: number;
  #perSecond: number;
  #burst: number;

  constructor(perSecond: number, burstSeconds: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = perSecond * burstSeconds;
    this.#tokens = this.#burst;
    this.#atMs = nowMs;
  }

  /** From now on tokens come at another rate; what is there stays. */
  setRate(perSecond: number, burstSeconds: number, nowMs: number): void {
    if (perSecond === this.#perSecond) return;
    this.#refill(nowMs);
    this.#perSecond = perSecond;
    this.#burst = perSecond * burstSeconds;
    this.#tokens = Math.min(this.#tokens, this.#burst);
  }

  take(tokens: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#tokens = Math.min(this.#tokens - tokens, this.#burst);
  }

  /** Milliseconds until what was taken too much is made up for; 0: nothing is. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    return this.#tokens >= 0 ? 0 : Math.round((-this.#tokens / this.#perSecond) * 1000);
  }

  #refill(nowMs: number): void {
    const came = ((nowMs - this.#atMs) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#tokens + came, this.#burst);
    this.#atMs = nowMs;
  }
}
