/**
 * Fetches that wait for more bytes: woken by appends to the partitions they watch, or by time. No
 * polling: an append adds to a number, and one that reaches the fetch's minimum completes it.
 *
 * A follower's fetch is woken by what is appended, a client's by what becomes visible: by commits,
 * and for who reads committed records by the ends of transactions. That records
 * which it has are committed, a follower learns with the next ones, or a little later.
 */
import type { Clock } from '../base/clock.ts';
import { TimerWheel, type WheelEntry } from '../base/timer-wheel.ts';
import type { Partition } from '../cluster/partition.ts';
import type { PartitionWatcher, WatchFor } from '../cluster/partition-watchers.ts';

/** A fetch may be answered this much later than it asked; few timers are the gain. Milliseconds. */
const TICK_MS = 5;

/** A fetch of a follower. */
export interface FollowerFetch {
  readonly replicaId: number;
  /** After which it is told that the high watermark has moved, milliseconds. */
  readonly newsMs: number;
  /** It has moved since the follower was last told. */
  readonly hasNews: boolean;
}

export interface FetchToWait {
  readonly partitions: readonly Partition[];
  /** Bytes that must still become visible. */
  readonly missingBytes: number;
  readonly waitMs: number;
  /** What makes bytes visible to it. */
  readonly what: WatchFor;
  /** Null: of a client. */
  readonly follower: FollowerFetch | null;
  readonly complete: () => void;
}

export class DelayedFetch implements PartitionWatcher {
  readonly #purgatory: FetchPurgatory;
  readonly #fetch: FetchToWait;
  #missingBytes: number;
  #timer: WheelEntry | null = null;
  #deadlineMs = 0;
  #done = false;

  constructor(purgatory: FetchPurgatory, fetch: FetchToWait) {
    this.#purgatory = purgatory;
    this.#fetch = fetch;
    this.#missingBytes = fetch.missingBytes;
  }

  get replicaId(): number {
    return this.#fetch.follower?.replicaId ?? -1;
  }

  start(nowMs: number): void {
    const { partitions, follower, waitMs, what } = this.#fetch;
    for (const partition of partitions) partition.watch(this, what);
    const delayMs = follower?.hasNews === true ? Math.min(follower.newsMs, waitMs) : waitMs;
    this.#completeAfter(delayMs, nowMs);
  }

  #completeAfter(delayMs: number, nowMs: number): void {
    if (this.#timer !== null) this.#purgatory.timers.cancel(this.#timer);
    this.#deadlineMs = nowMs + delayMs;
    this.#timer = this.#purgatory.timers.add(delayMs, () => {
      this.#timer = null;
      this.#purgatory.expirations += 1;
      this.complete();
    });
  }

  changed(_partition: Partition, bytes: number): void {
    if (this.#done) return;
    this.#missingBytes -= bytes;
    if (bytes > 0 && this.#missingBytes > 0) return;
    this.#soon();
  }

  /** A follower that waits anyhow may as well know; one that is about to be answered will. */
  committed(): void {
    const { follower } = this.#fetch;
    if (this.#done || follower === null) return;
    if (follower.newsMs <= 0) return this.#soon();
    const now = this.#purgatory.now();
    if (this.#deadlineMs - now > follower.newsMs) this.#completeAfter(follower.newsMs, now);
  }

  #soon(): void {
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
    const { partitions, what } = this.#fetch;
    for (const partition of partitions) partition.unwatch(this, what);
    if (this.#timer !== null) this.#purgatory.timers.cancel(this.#timer);
    this.#timer = null;
  }

  #run(): void {
    this.#purgatory.forget(this);
    this.#fetch.complete();
  }
}

export class FetchPurgatory {
  readonly timers: TimerWheel;
  readonly #waiting = new Set<DelayedFetch>();
  readonly #clock: Clock;
  /** Fetches that waited their whole time. */
  expirations = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.timers = new TimerWheel(clock, { tickMs: TICK_MS, slots: 512 });
  }

  /** Fetches that wait. */
  get size(): number {
    return this.#waiting.size;
  }

  now(): number {
    return this.#clock.monotonic();
  }

  /** Calls `complete` once: when the bytes are visible, something changed, or the time is over. */
  wait(fetch: FetchToWait): DelayedFetch {
    const delayed = new DelayedFetch(this, fetch);
    this.#waiting.add(delayed);
    delayed.start(this.now());
    return delayed;
  }

  /** The follower's fetches are answered now: it is to ask anew, with what it has to follow since. */
  hurry(replicaId: number): void {
    for (const fetch of [...this.#waiting]) {
      if (fetch.replicaId === replicaId) fetch.complete();
    }
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
