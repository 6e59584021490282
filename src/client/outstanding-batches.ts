/** The batches of a producer that have no outcome yet, oldest first, and who waits for theirs. */
import type { ProducerBatch } from './producer-batch.ts';

interface FlushWaiter {
  /** Batches with a smaller number are waited for. */
  upTo: number;
  readonly resolve: () => void;
}

export class OutstandingBatches {
  #batches = new Set<ProducerBatch>();
  #waiters: FlushWaiter[] = [];
  #next = 0;

  /** The number of a new batch. */
  nextOrder(): number {
    return this.#next++;
  }

  get hasWaiters(): boolean {
    return this.#waiters.length > 0;
  }

  /** As they are now, whatever becomes of them meanwhile. */
  all(): readonly ProducerBatch[] {
    return [...this.#batches];
  }

  add(batch: ProducerBatch): void {
    this.#batches.add(batch);
  }

  /** In place, for outcomes are looked for in order of age. */
  replace(batch: ProducerBatch, parts: readonly ProducerBatch[]): void {
    this.#batches = new Set(this.all().flatMap((one) => (one === batch ? parts : [one])));
  }

  /** The batch has its outcome. */
  delete(batch: ProducerBatch): void {
    this.#batches.delete(batch);
    if (this.#waiters.length === 0) return;
    const first = this.#batches.values().next().value;
    const oldest = first === undefined ? Infinity : first.order;
    this.#waiters = this.#waiters.filter(({ upTo, resolve }) => {
      if (oldest < upTo) return true;
      resolve();
      return false;
    });
  }

  /** Resolves when all that there are now have their outcomes. */
  settled(): Promise<void> {
    if (this.#batches.size === 0) return Promise.resolve();
    const upTo = this.#next;
    return new Promise((resolve) => this.#waiters.push({ upTo, resolve }));
  }

  /** Records have moved to new batches: whoever waits for the old ones waits for those, too. */
  extendWaits(): void {
    for (const waiter of this.#waiters) waiter.upTo = this.#next;
  }
}
