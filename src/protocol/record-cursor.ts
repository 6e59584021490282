/**
 * Walks over the records of a batch with no call and no object a record: `next` moves on, and the
 * fields say where the parts of the record lie. For what reads whole logs (compaction); others have
 * the comfort of `forEachRecord`.
 *
 *   length varint | attributes 1 | timestamp delta varlong | offset delta varint | key | value | headers
 */
import { type Cursor, readVarint, readVarlong } from './record-batch.ts';

export class RecordCursor {
  #bytes: Buffer = EMPTY;
  #left = 0;
  readonly #at: Cursor = { at: 0 };
  /** Of the record: where its length field begins, and where the next record does. */
  start = 0;
  end = 0;
  timestampDelta = 0;
  /** Where the offset delta begins: all from here to `end` does not depend on the timestamps. */
  offsetStart = 0;
  offsetDelta = 0;
  keyStart = 0;
  /** -1: there is no key. */
  keyEnd = 0;
  hasValue = false;

  /** Begins at the first of `count` records in `bytes` (see `recordBytes`). */
  open(bytes: Buffer, count: number): void {
    this.#bytes = bytes;
    this.#left = count;
    this.#at.at = 0;
  }

  /** Moves to the next record; false at the end. Throws RangeError where there is no whole one. */
  next(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    const bytes = this.#bytes;
    const cursor = this.#at;
    this.start = cursor.at;
    const length = readVarint(bytes, cursor, bytes.length);
    const end = cursor.at + length;
    if (length < 0 || end > bytes.length) throw new RangeError(`record of ${length} bytes`);
    cursor.at++; // Attributes: none are defined.
    this.timestampDelta = readVarlong(bytes, cursor, end);
    this.offsetStart = cursor.at;
    this.offsetDelta = readVarint(bytes, cursor, end);
    const keyLength = readVarint(bytes, cursor, end);
    this.keyStart = cursor.at;
    this.keyEnd = keyLength < 0 ? -1 : (cursor.at += keyLength);
    this.hasValue = readVarint(bytes, cursor, end) >= 0;
    if (cursor.at > end) throw new RangeError(`record is longer than its ${length} bytes`);
    this.end = end;
    cursor.at = end;
    return true;
  }
}

const EMPTY = Buffer.alloc(0);
