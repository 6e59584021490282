/**
 * Fetches that wait for more bytes: woken by appends to the partitions they watch, or by time. No
 * polling: an append adds to a number, and one that reaches the fetch's minimum completes it.
 */
import type { Clock } from '../base/clock.ts';
import { TimerWheel, type WheelEntry } from '../base/timer-wheel.ts';
import type { Partition, PartitionWatcher } from '../cluster/partition.ts';

/** A fetch may be answered this much later than it asked; few timers are the gain. Milliseconds. */
const TICK_MS = 5;

export class DelayedFetch implements PartitionWatcher {
  readonly #purgatory: FetchPurgatory;
  readonly #partitions: readonly Partition[];
  readonly #complete: () => void;
  /** Bytes that must still become visible. */
  #missingBytes: number;
  #timer: WheelEntry | null = null;
  #done = false;

  constructor(
    purgatory: FetchPurgatory,
    partitions: readonly Partition[],
    missingBytes: number,
    complete: () => void,
  ) {
    this.#purgatory = purgatory;
    this.#partitions = partitions;
    this.#missingBytes = missingBytes;
    this.#complete = complete;
  }

  start(waitMs: number): void {
    for (const partition of this.#partitions) partition.watch(this);
    this.#timer = this.#purgatory.timers.add(waitMs, () => {
      this.#timer = null;
      this.#purgatory.expirations += 1;
      this.complete();
    });
  }

  changed(_partition: Partition, bytes: number): void {
    if (this.#done) return;
    this.#missingBytes -= bytes;
    if (bytes > 0 && this.#missingBytes > 0) return;
    this.#stop();
    // Not within the append: what it was done for is answered first, and more appends may follow.
    queueMicrotask(() => this.#run());
  }

  /** Nobody waits for it any more: forgets it without completing it. */
  abandon(): void {
    if (this.#done) return;
    this.#stop();
    this.#purgatory.forget(this);
  }

  /** With what there is, now. */
  complete(): void {
    if (this.#done) return;
    this.#stop();
    this.#run();
  }

  #stop(): void {
    this.#done = true;
    for (const partition of this.#partitions) partition.unwatch(this);
    if (this.#timer !== null) this.#purgatory.timers.cancel(this.#timer);
    this.#timer = null;
  }

  #run(): void {
    this.#purgatory.forget(this);
    this.#complete();
  }
}

export class FetchPurgatory {
  readonly timers: TimerWheel;
  readonly #waiting = new Set<DelayedFetch>();
  /** Fetches that waited their whole time. */
  expirations = 0;

  constructor(clock: Clock) {
    this.timers = new TimerWheel(clock, { tickMs: TICK_MS, slots: 512 });
  }

  /** Fetches that wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Calls `complete` once: when `missingBytes` more are visible, something changed, or `waitMs` are over. */
  wait(
    partitions: readonly Partition[],
    missingBytes: number,
    waitMs: number,
    complete: () => void,
  ): DelayedFetch {
    const fetch = new DelayedFetch(this, partitions, missingBytes, complete);
    this.#waiting.add(fetch);
    fetch.start(waitMs);
    return fetch;
  }

  forget(fetch: DelayedFetch): void {
    this.#waiting.delete(fetch);
  }

  /** Everybody who waits is answered with what there is. */
  completeAll(): void {
    for (const fetch of this.#waiting) fetch.complete();
  }

  /** The broker stops: nobody is called any more. */
  stop(): void {
    this.timers.clear();
    this.#waiting.clear();
  }
}
