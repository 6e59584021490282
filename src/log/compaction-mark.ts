export interface MarkCheckpoint {
  /** Makes the checkpoint say what is here, on the device. */
  saveNow(): void;
  save(): Promise<void>;
}

/**
 * How far compaction came in one log, and that its offsets may have gaps.
 *
 * Invariant: before there is the first gap, the checkpoint says that there may be some, on the device:
 * a start that comes upon one takes it for a loss otherwise, and cuts the log there. It can't go by
 * the topic's configuration, which is in another log that is not read yet.
 */
export class CompactionMark {
  readonly #checkpoint: MarkCheckpoint;
  #cleanedTo: number | null;
  /** The device's checkpoint has an entry of the log. */
  #isExpected: boolean;

  /** `cleanedTo`: what the checkpoint says. */
  constructor(cleanedTo: number | null, checkpoint: MarkCheckpoint) {
    this.#cleanedTo = cleanedTo;
    this.#isExpected = cleanedTo !== null;
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

  cleanedUpTo(offset: number): void {
    this.#cleanedTo = offset;
  }

  /** The log ends there now. */
  cutTo(end: number): void {
    if (this.#cleanedTo !== null) this.#cleanedTo = Math.min(this.#cleanedTo, end);
  }
}
