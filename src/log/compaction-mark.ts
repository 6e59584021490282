export interface MarkCheckpoint {
  /** Makes the checkpoint say what is here, on the device. */
  saveNow(): void;
  save(): Promise<void>;
  /** The same for `removedTo`. */
  saveRemoved(): Promise<void>;
}

/**
 * How far compaction came in one log, that its offsets may have gaps, and how far it may lack what
 * only says that something is gone: tombstones, and markers of transactions.
 *
 * Invariant: before there is the first gap, the checkpoint says that there may be some, on the device:
 * a start that comes upon one takes it for a loss otherwise, and cuts the log there. It can't go by
 * the topic's configuration, which is in another log that is not read yet. Before a tombstone goes,
 * the checkpoint says that it may be gone: see `removedTo`.
 */
export class CompactionMark {
  readonly #checkpoint: MarkCheckpoint;
  #cleanedTo: number | null;
  /** The device's checkpoint has an entry of the log. */
  #isExpected: boolean;
  #removedTo: number;
  /** As the device's checkpoint has it. */
  #savedRemovedTo: number;

  /** `cleanedTo` and `removedTo`: what the checkpoints say. */
  constructor(cleanedTo: number | null, removedTo: number | null, checkpoint: MarkCheckpoint) {
    this.#cleanedTo = cleanedTo;
    this.#isExpected = cleanedTo !== null;
    this.#removedTo = removedTo ?? cleanedTo ?? 0;
    this.#savedRemovedTo = this.#removedTo;
    this.#checkpoint = checkpoint;
  }

  /** Compaction has been through what lies before; null: it was never here, and there is no gap. */
  get cleanedTo(): number | null {
    return this.#cleanedTo;
  }

  /** Blocks until there may be a gap in a log that starts at `logStartOffset`. */
  expectGapsNow(logStartOffset: number): void {
    if (this.#isExpected) return;
    this.#cleanedTo ??= logStartOffset;
    this.#checkpoint.saveNow();
    this.#isExpected = true;
  }

  /** The same, without blocking. */
  async expectGaps(logStartOffset: number): Promise<void> {
    if (this.#isExpected) return;
    this.#cleanedTo ??= logStartOffset;
    await this.#checkpoint.save();
    this.#isExpected = true;
  }

  /**
   * Tombstones and markers that lie before may be gone, cleaned away here or never copied. A replica
   * that has a part of another log, and ends before, would keep what they delete if it went on with
   * this one.
   */
  get removedTo(): number {
    return this.#removedTo;
  }
  get isRemovedToSaved(): boolean {
    return this.#savedRemovedTo >= this.#removedTo;
  }

  removesTo(offset: number): void {
    this.#removedTo = Math.max(this.#removedTo, offset);
  }

  /** Resolves when the device has it. */
  async saveRemovedTo(): Promise<void> {
    const saved = this.#removedTo;
    if (saved === this.#savedRemovedTo) return;
    await this.#checkpoint.saveRemoved();
    this.#savedRemovedTo = saved;
  }

  cleanedUpTo(offset: number): void {
    this.#cleanedTo = offset;
  }

  /** The log ends there now. */
  cutTo(end: number): void {
    if (this.#cleanedTo !== null) this.#cleanedTo = Math.min(this.#cleanedTo, end);
    // The checkpoint may say more until it is written: that harms nobody.
    this.#removedTo = Math.min(this.#removedTo, end);
    this.#savedRemovedTo = Math.min(this.#savedRemovedTo, end);
  }
}
