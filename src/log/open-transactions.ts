/** A transaction that its marker has ended in a log. */
interface EndedTransaction {
  readonly firstOffset: number;
  /** Of the marker. */
  readonly lastOffset: number;
}

/**
 * The transactions of one log that readers of committed records must not pass: those without a
 * marker, and those whose marker is not committed itself (below the high watermark).
 *
 * Invariant: transactions begin at rising offsets, so the first of the map is the oldest.
 */
export class OpenTransactions {
  /** Producer ids by first offset. */
  readonly #undecided = new Map<number, number>();
  /** In the order of their markers. */
  #decided: EndedTransaction[] = [];
  #firstUnstable = -1;

  /** First offset of the oldest of all; -1: there is none. */
  get firstUnstableOffset(): number {
    return this.#firstUnstable;
  }
  /** First offset of the oldest without a marker; -1: each has one. */
  get firstUndecidedOffset(): number {
    for (const firstOffset of this.#undecided.keys()) return firstOffset;
    return -1;
  }
  /** Whether those that began up to `offset` and have no marker are the same. */
  agreesUpTo(offset: number, other: OpenTransactions): boolean {
    const here = this.#undecidedUpTo(offset);
    const there = other.#undecidedUpTo(offset);
    return here.length === there.length && here.every((first, i) => first === there[i]);
  }
  #undecidedUpTo(offset: number): number[] {
    return [...this.#undecided.keys()].filter((first) => first <= offset);
  }
  /** Producer of the oldest transaction without a marker; -1: there is none. */
  get oldestProducer(): number {
    for (const id of this.#undecided.values()) return id;
    return -1;
  }
  /** How many have no marker. */
  get size(): number {
    return this.#undecided.size;
  }

  begin(producerId: number, firstOffset: number): void {
    this.#undecided.set(firstOffset, producerId);
    if (this.#firstUnstable < 0) this.#firstUnstable = firstOffset;
  }

  /** The marker is at `lastOffset`. Returns where reading committed ends once that is committed. */
  end(firstOffset: number, lastOffset: number): number {
    this.#undecided.delete(firstOffset);
    this.#decided.push({ firstOffset, lastOffset });
    const next = this.firstUndecidedOffset;
    return next < 0 ? lastOffset + 1 : next;
  }

  /** Markers below are committed. */
  onHighWatermark(highWatermark: number): void {
    const { length } = this.#decided;
    if (length === 0 || this.#decided[0]!.lastOffset >= highWatermark) return;
    let committed = 1;
    while (committed < length && this.#decided[committed]!.lastOffset < highWatermark) committed++;
    this.#decided = this.#decided.slice(committed);
    let first = this.firstUndecidedOffset;
    for (const { firstOffset } of this.#decided) {
      if (first < 0 || firstOffset < first) first = firstOffset;
    }
    this.#firstUnstable = first;
  }

  clear(): void {
    this.#undecided.clear();
    this.#decided = [];
    this.#firstUnstable = -1;
  }
}
