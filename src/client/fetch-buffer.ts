/**
 * What was fetched and not polled: batches in the order in which they came, and the error that the
 * next poll is to tell when there is no batch before it.
 */
import type { Clock } from '../base/clock.ts';
import type { FetchPosition } from './fetch-position.ts';
import type { FetchedBatch } from './fetched-batch.ts';

interface Fetched {
  readonly batch: FetchedBatch;
  /** Of whom, and in which generation. */
  readonly of: FetchPosition;
  readonly generation: number;
}

export class FetchBuffer {
  readonly #clock: Clock;
  #fetched: Fetched[] = [];
  #bytes = 0;
  #error: Error | null = null;
  #waiter: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(of: FetchPosition, batch: FetchedBatch): void {
    this.#fetched.push({ batch, of, generation: of.generation });
    this.#bytes += batch.records.length;
    this.wake();
  }

  fail(error: Error): void {
    this.#error = error;
    this.wake();
  }

  /** The offset behind what was polled of the partition; null: nothing of it is here. */
  startOf(of: FetchPosition): number | null {
    return this.#fetched.find((fetched) => fetched.of === of)?.batch.fetchOffset ?? null;
  }

  /** Throws away what belongs to none of `held`, or to a position that has changed since. */
  dropStale(held: ReadonlyMap<string, FetchPosition>): void {
    this.#fetched = this.#fetched.filter(
      ({ of, generation }) => held.get(of.key) === of && of.generation === generation,
    );
    this.#bytes = this.#fetched.reduce((sum, { batch }) => sum + batch.records.length, 0);
  }

  /** All of it; waits up to `timeoutMs` for the first, then resolves to []. Rejects with the error. */
  async take(timeoutMs: number): Promise<FetchedBatch[]> {
    if (this.#fetched.length === 0 && this.#error === null) await this.#arrival(timeoutMs);
    if (this.#fetched.length === 0 && this.#error !== null) {
      const error = this.#error;
      this.#error = null;
      throw error;
    }
    const taken = this.#fetched.map(({ batch }) => batch);
    this.clear();
    return taken;
  }

  clear(): void {
    this.#fetched = [];
    this.#bytes = 0;
  }

  /** Whoever waits looks again. */
  wake(): void {
    this.#waiter?.();
  }

  #arrival(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#waiter = null;
        resolve();
      };
      const timer = this.#clock.after(timeoutMs, done);
      this.#waiter = done;
    });
  }
}
