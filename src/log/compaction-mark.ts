/**
 * How far compaction came in one log, and that its offsets may have gaps.
 *
 * Invariant: before there is the first gap, the checkpoint says that there may be some, on the device:
 * a start that comes upon one takes it for a loss otherwise, and cuts the log there. It can't go by
 * the topic's configuration, which is in another log that is not read yet.
 */
export class CompactionMark {
  readonly #save: () => void;
  #cleanedTo: number | null;

  /** `cleanedTo`: what the checkpoint says. `save` makes it say what is here, durably. */
  constructor(cleanedTo: number | null, save: () => void) {
    this.#cleanedTo = cleanedTo;
    this.#save = save;
  }

  /** Compaction has been through what lies before; null: it was never here, and there is no gap. */
  get cleanedTo(): number | null {
    return this.#cleanedTo;
  }

  /** To be called before there is a gap in a log that starts at `logStartOffset`. */
  expectGaps(logStartOffset: number): void {
    if (this.#cleanedTo !== null) return;
    this.#cleanedTo = logStartOffset;
    try {
      this.#save();
    } catch (error) {
      this.#cleanedTo = null;
      throw error;
    }
  }

  cleanedUpTo(offset: number): void {
    this.#cleanedTo = offset;
  }

  /** The log ends there now. */
  cutTo(end: number): void {
    if (this.#cleanedTo !== null) this.#cleanedTo = Math.min(this.#cleanedTo, end);
  }
}
