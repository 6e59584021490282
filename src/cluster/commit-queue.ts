/**
 * Who waits until a partition's records are committed, in the order of their offsets, so that one
 * look at the first of them tells whether anybody can be answered.
 */

/** Told once for every `add`, by a commit or a failure. */
export interface CommitWaiter<P> {
  /** `code` is an ErrorCode; NONE: committed. */
  settled(partition: P, code: number): void;
}

interface Entry<P> {
  /** Of the last record that is waited for. */
  readonly offset: number;
  readonly waiter: CommitWaiter<P>;
}

/** Entries that are done and still stand in the array, before it is made anew. */
const DONE_MAX = 1024;

export class CommitQueue<P> {
  readonly #partition: P;
  #entries: Entry<P>[] = [];
  #head = 0;

  constructor(partition: P) {
    this.#partition = partition;
  }

  get size(): number {
    return this.#entries.length - this.#head;
  }
  /** Largest offset that somebody waits for; -1: nobody waits. */
  get lastOffset(): number {
    return this.size === 0 ? -1 : this.#entries.at(-1)!.offset;
  }

  /** Almost always behind all others: only repeated batches have a smaller offset than the last. */
  add(offset: number, waiter: CommitWaiter<P>): void {
    const entries = this.#entries;
    let at = entries.length;
    while (at > this.#head && entries[at - 1]!.offset > offset) at -= 1;
    if (at === entries.length) entries.push({ offset, waiter });
    else entries.splice(at, 0, { offset, waiter });
  }

  /** Answers all who wait for what lies before `limit`. */
  advance(limit: number, code: number): void {
    while (this.#head < this.#entries.length) {
      const { offset, waiter } = this.#entries[this.#head]!;
      if (offset >= limit) break;
      this.#head += 1;
      waiter.settled(this.#partition, code);
    }
    if (this.#head === this.#entries.length) {
      if (this.#head > 0) this.#entries = [];
      this.#head = 0;
    } else if (this.#head > DONE_MAX) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Answers all with an error. */
  fail(code: number): void {
    const waiting = this.#entries.slice(this.#head);
    this.#entries = [];
    this.#head = 0;
    for (const { waiter } of waiting) waiter.settled(this.#partition, code);
  }

  /** The waiter does not wait any more; it is not told. */
  remove(waiter: CommitWaiter<P>): void {
    const kept = this.#entries.slice(this.#head).filter((entry) => entry.waiter !== waiter);
    this.#entries = kept;
    this.#head = 0;
  }
}
