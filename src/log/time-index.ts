import { BugError } from '../base/errors.ts';
import { SparseIndex } from './sparse-index.ts';

/** int64 timestamp, int32 offset relative to the segment's base; big-endian. */
const ENTRY_BYTES = 12;

/**
 * `.timeindex` of a segment: an entry says that up to the batch ending at an offset no record is
 * younger than a timestamp, and that this batch has it. Timestamps strictly rise, offsets rise.
 */
export class TimeIndex extends SparseIndex {
  #entries = new Float64Array(0);

  constructor(path: string, baseOffset: number, maxBytes: number) {
    super(path, baseOffset, ENTRY_BYTES, maxBytes);
  }

  /** One slot is kept for the entry that a roll or close adds. */
  get isFull(): boolean {
    return this.count >= this.maxEntries - 1;
  }

  /** -1 when there is no entry. */
  get lastTimestamp(): number {
    return this.count === 0 ? -1 : this.timestampAt(this.count - 1);
  }
  get lastOffset(): number {
    return this.count === 0 ? this.baseOffset : this.offsetAt(this.count - 1);
  }

  timestampAt(slot: number): number {
    return this.#entries[slot * 2]!;
  }
  offsetAt(slot: number): number {
    return this.baseOffset + this.#entries[slot * 2 + 1]!;
  }

  /** Offset before which no record is as young as `timestamp`; the base offset when unknown. */
  lookup(timestamp: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.timestampAt(middle) < timestamp) low = middle + 1;
      else high = middle - 1;
    }
    return high < 0 ? this.baseOffset : this.offsetAt(high);
  }

  /** Adds an entry when `timestamp` is younger than the last one. `closing` may use the spare slot. */
  maybeAppend(timestamp: number, offset: number, closing = false): void {
    if (timestamp <= this.lastTimestamp) return;
    if (closing ? this.count >= this.maxEntries : this.isFull) return;
    if (offset < this.lastOffset || !this.fits(offset)) {
      throw new BugError(`time index ${this.path}: ${offset} after ${this.lastOffset}`);
    }
    const slot = this.claim();
    this.#entries[slot * 2] = timestamp;
    this.#entries[slot * 2 + 1] = offset - this.baseOffset;
  }

  /** Forgets the entries for `offset` and later ones. */
  truncateTo(offset: number): void {
    let count = this.count;
    while (count > 0 && this.offsetAt(count - 1) >= offset) count--;
    this.keep(count);
  }

  memoryBytes(): number {
    return this.#entries.byteLength;
  }
  protected capacity(): number {
    return this.#entries.length / 2;
  }
  protected grow(capacity: number): void {
    const larger = new Float64Array(capacity * 2);
    larger.set(this.#entries);
    this.#entries = larger;
  }
  protected encode(slot: number, into: Buffer, at: number): void {
    const timestamp = this.#entries[slot * 2]!;
    into.writeInt32BE(Math.floor(timestamp / 0x1_0000_0000), at);
    into.writeUInt32BE(timestamp >>> 0, at + 4);
    into.writeInt32BE(this.#entries[slot * 2 + 1]!, at + 8);
  }
  protected decode(from: Buffer, at: number, slot: number): boolean {
    const timestamp = from.readInt32BE(at) * 0x1_0000_0000 + from.readUInt32BE(at + 4);
    const relative = from.readInt32BE(at + 8);
    if (timestamp < 0 || relative < 0 || !Number.isSafeInteger(timestamp)) return false;
    if (slot === 0 && timestamp === 0 && relative === 0) return false;
    if (slot > 0 && timestamp <= this.#entries[slot * 2 - 2]!) return false;
    if (slot > 0 && relative < this.#entries[slot * 2 - 1]!) return false;
    this.#entries[slot * 2] = timestamp;
    this.#entries[slot * 2 + 1] = relative;
    return true;
  }
}
