/** The bound of what a producer holds, and who waits until there is room again. */
import type { ProducerCounters } from './producer-counters.ts';

/** Part of the memory that must be free again before `drained` resolves. */
const DRAINED_PART = 0.25;

export class ProducerMemory {
  readonly #counters: ProducerCounters;
  readonly #bytesMax: number;
  readonly #waiters: (() => void)[] = [];
  /** Size of the record that was refused last: room is room for it. */
  #refusedSize = 0;
  #isClosed = false;

  constructor(counters: ProducerCounters, bytesMax: number) {
    this.#counters = counters;
    this.#bytesMax = bytesMax;
  }

  has(size: number): boolean {
    return this.#counters.bufferedBytes + size <= this.#bytesMax;
  }

  take(size: number): void {
    this.#counters.bufferedBytes += size;
  }

  /** A record of that size was not taken. */
  refuse(size: number): void {
    this.#counters.refused++;
    this.#refusedSize = size;
  }

  release(bytes: number): void {
    this.#counters.bufferedBytes -= bytes;
    if (this.#waiters.length > 0 && (this.#hasRoom() || this.#isClosed)) {
      for (const resolve of this.#waiters.splice(0)) resolve();
    }
  }

  /** Resolves when it is worth while to try again. */
  drained(): Promise<void> {
    if (this.#hasRoom() || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Nobody is made to wait any more. */
  close(): void {
    this.#isClosed = true;
  }

  #hasRoom(): boolean {
    const free = Math.max(this.#refusedSize, this.#bytesMax * DRAINED_PART);
    return this.#counters.bufferedBytes <= this.#bytesMax - free;
  }
}
