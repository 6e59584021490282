import { BugError } from '../base/errors.ts';
import { SparseIndex } from './sparse-index.ts';

/** int32 offset relative to the segment's base, int32 position in the `.log` file; big-endian. */
const ENTRY_BYTES = 8;

/**
 * `.index` of a segment: where in the `.log` file some of its batches begin. An entry holds the
 * last offset of a batch and the position of that batch; both strictly rise.
 */
export class OffsetIndex extends SparseIndex {
  #entries = new Int32Array(0);

  constructor(path: string, baseOffset: number, maxBytes: number) {
    super(path, baseOffset, ENTRY_BYTES, maxBytes);
  }

  get isFull(): boolean {
    return this.count >= this.maxEntries;
  }

  /** Offset of the last entry, or the base offset when there is none. */
  get lastOffset(): number {
    return this.count === 0 ? this.baseOffset : this.offsetAt(this.count - 1);
  }
  get lastPosition(): number {
    return this.count === 0 ? 0 : this.positionAt(this.count - 1);
  }

  offsetAt(slot: number): number {
    return this.baseOffset + this.#entries[slot * 2]!;
  }
  positionAt(slot: number): number {
    return this.#entries[slot * 2 + 1]!;
  }

  /** Position from which a forward scan meets the batch that holds `offset`. */
  lookup(offset: number): number {
    const slot = this.#floor(offset - this.baseOffset);
    return slot < 0 ? 0 : this.positionAt(slot);
  }

  /** Largest slot whose offset is ≤ `relative`, or -1. */
  #floor(relative: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle * 2]! <= relative) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }

  /** Position of the last entry that leads to a place before `position`; 0: none does. */
  positionBefore(position: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.positionAt(middle) < position) low = middle + 1;
      else high = middle - 1;
    }
    return high < 0 ? 0 : this.positionAt(high);
  }

  append(offset: number, position: number): void {
    const follows = this.count === 0 || (offset > this.lastOffset && position > this.lastPosition);
    // No text is made for an entry that is as it should be: there is one for every few batches.
    if (this.isFull || !follows || !this.fits(offset)) throw this.#misplaced(offset, position);
    const slot = this.claim();
    this.#entries[slot * 2] = offset - this.baseOffset;
    this.#entries[slot * 2 + 1] = position;
  }

  #misplaced(offset: number, position: number): BugError {
    const last = this.count === 0 ? '' : ` after (${this.lastOffset}, ${this.lastPosition})`;
    return new BugError(
      `index ${this.path}, ${this.count} entries: (${offset}, ${position})${last}`,
    );
  }

  /** Forgets the entries of batches that hold `offset` or later ones. */
  truncateTo(offset: number): void {
    this.keep(this.#floor(offset - 1 - this.baseOffset) + 1);
  }

  memoryBytes(): number {
    return this.#entries.byteLength;
  }
  protected capacity(): number {
    return this.#entries.length / 2;
  }
  protected grow(capacity: number): void {
    const larger = new Int32Array(capacity * 2);
    larger.set(this.#entries);
    this.#entries = larger;
  }
  protected encode(slot: number, into: Buffer, at: number): void {
    into.writeInt32BE(this.#entries[slot * 2]!, at);
    into.writeInt32BE(this.#entries[slot * 2 + 1]!, at + 4);
  }
  protected decode(from: Buffer, at: number, slot: number): boolean {
    const relative = from.readInt32BE(at);
    const position = from.readInt32BE(at + 4);
    // The first batch of a segment never gets an entry, so no position is 0.
    if (relative < 0 || position <= 0) return false;
    const before = slot * 2 - 2;
    if (slot > 0 && relative <= this.#entries[before]!) return false;
    if (slot > 0 && position <= this.#entries[before + 1]!) return false;
    this.#entries[slot * 2] = relative;
    this.#entries[slot * 2 + 1] = position;
    return true;
  }
}
