import { assert } from '../base/assert.ts';
import type { Disk } from '../base/disk.ts';
import { SparseIndex } from './sparse-index.ts';

/** A transaction that was aborted, as one log has it. */
export interface AbortedTransaction {
  readonly producerId: number;
  /** Of its first batch here. */
  readonly firstOffset: number;
  /** Of the marker that ended it. */
  readonly lastOffset: number;
  /** Where reading committed ended once that marker was appended. */
  readonly lastStableOffset: number;
}

/** int16 version, int64 producer id, first offset, last offset, last stable offset; big-endian. */
const ENTRY_BYTES = 34;
const VERSION = 0;
const VALUES = 4;

/**
 * `.txnindex` of a segment: the aborted transactions whose markers lie in it, by rising offset of
 * the marker. There is no file while there are none.
 *
 * It tells readers which records are void, so unlike the other indexes it must not be lost: what the
 * file lacks stays in memory until it could be written, and no flush passes a segment before that.
 */
export class TransactionIndex extends SparseIndex {
  #values = new Float64Array(0);

  constructor(path: string, baseOffset: number) {
    super(path, baseOffset, ENTRY_BYTES, Number.MAX_SAFE_INTEGER);
  }

  /** Offset of the last marker, or -1. */
  get lastOffset(): number {
    return this.count === 0 ? -1 : this.#values[(this.count - 1) * VALUES + 2]!;
  }

  at(slot: number): AbortedTransaction {
    const [producerId, firstOffset, lastOffset, lastStableOffset] = this.#values.subarray(
      slot * VALUES,
      (slot + 1) * VALUES,
    ) as unknown as [number, number, number, number];
    return { producerId, firstOffset, lastOffset, lastStableOffset };
  }

  append(aborted: AbortedTransaction): void {
    assert(
      aborted.lastOffset > this.lastOffset,
      `${this.path}: marker ${aborted.lastOffset} after ${this.lastOffset}`,
    );
    const slot = this.claim();
    const { producerId, firstOffset, lastOffset, lastStableOffset } = aborted;
    this.#values.set([producerId, firstOffset, lastOffset, lastStableOffset], slot * VALUES);
  }

  /**
   * Adds to `found` what was aborted and has records in [`from`, `to`). True when no later segment
   * can hold more of them.
   */
  collect(from: number, to: number, found: AbortedTransaction[]): boolean {
    for (let slot = 0; slot < this.count; slot++) {
      const at = slot * VALUES;
      const values = this.#values;
      if (values[at + 2]! >= from && values[at + 1]! < to) found.push(this.at(slot));
      // Everything that begins before is decided by a marker that lies before, too.
      if (values[at + 3]! >= to) return true;
    }
    return false;
  }

  /** Forgets the entries of markers at `offset` and later ones. */
  truncateTo(offset: number): void {
    let count = this.count;
    while (count > 0 && this.#values[(count - 1) * VALUES + 2]! >= offset) count--;
    this.keep(count);
  }

  /** False when the file is damaged; one that is absent means that there is nothing. */
  override load(disk: Disk): boolean {
    return !disk.exists(this.path) || super.load(disk);
  }

  override replaceFile(disk: Disk): void {
    if (this.count > 0) super.replaceFile(disk);
    else this.persist(disk);
  }

  equals(other: TransactionIndex): boolean {
    const values = this.count * VALUES;
    return (
      other.count === this.count &&
      this.#values.subarray(0, values).every((value, i) => value === other.#values[i])
    );
  }

  override persist(disk: Disk): boolean {
    if (this.count > 0) return super.persist(disk);
    if (disk.exists(this.path)) disk.remove(this.path);
    this.fileLost();
    return false;
  }

  memoryBytes(): number {
    return this.#values.byteLength;
  }
  protected capacity(): number {
    return this.#values.length / VALUES;
  }
  protected grow(capacity: number): void {
    const larger = new Float64Array(capacity * VALUES);
    larger.set(this.#values);
    this.#values = larger;
  }
  protected encode(slot: number, into: Buffer, at: number): void {
    into.writeInt16BE(VERSION, at);
    for (let i = 0; i < VALUES; i++) {
      into.writeBigInt64BE(BigInt(this.#values[slot * VALUES + i]!), at + 2 + i * 8);
    }
  }
  protected decode(from: Buffer, at: number, slot: number): boolean {
    if (from.readInt16BE(at) !== VERSION) return false;
    for (let i = 0; i < VALUES; i++) {
      const value = Number(from.readBigInt64BE(at + 2 + i * 8));
      if (value < 0 || !Number.isSafeInteger(value)) return false;
      this.#values[slot * VALUES + i] = value;
    }
    const { firstOffset, lastOffset } = this.at(slot);
    const before = slot === 0 ? this.baseOffset - 1 : this.#values[(slot - 1) * VALUES + 2]!;
    return firstOffset < lastOffset && lastOffset > before;
  }
}
