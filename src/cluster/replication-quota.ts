/**
 * How much replication of throttled partitions may pass in a time: a bucket of a second's worth of
 * bytes, which may be overdrawn by one answer and is then shut until it has filled again (KIP-73).
 */
import type { Clock } from '../base/clock.ts';

const SECOND_MS = 1000;

export class ReplicationQuota {
  readonly #clock: Clock;
  #bytesPerSecond = Number.POSITIVE_INFINITY;
  #left = 0;
  #filledAtMs = 0;
  /** Bytes that passed under the quota. */
  bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  setRate(bytesPerSecond: number): void {
    if (bytesPerSecond === this.#bytesPerSecond) return;
    this.#bytesPerSecond = bytesPerSecond;
    this.#left = bytesPerSecond;
    this.#filledAtMs = this.#clock.monotonic();
  }

  /** Nothing may pass now. */
  get isExceeded(): boolean {
    if (!Number.isFinite(this.#bytesPerSecond)) return false;
    const now = this.#clock.monotonic();
    const gained = ((now - this.#filledAtMs) * this.#bytesPerSecond) / SECOND_MS;
    this.#left = Math.min(this.#left + gained, this.#bytesPerSecond);
    this.#filledAtMs = now;
    return this.#left <= 0;
  }

  passed(bytes: number): void {
    this.bytes += bytes;
    if (Number.isFinite(this.#bytesPerSecond)) this.#left -= bytes;
  }
}

/** Whether the setting names the partition's replica on this broker: `*`, or `partition:broker`. */
export const isThrottled = (setting: readonly string[], index: number, nodeId: number): boolean =>
  setting.includes('*') || setting.includes(`${index}:${nodeId}`);
