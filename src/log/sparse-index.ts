import { assert } from '../base/assert.ts';
import type { Disk } from '../base/disk.ts';
import { replaceFileLazily } from './log-files.ts';

/** Entries in a new index's memory; it doubles as needed. */
const CAPACITY_MIN = 16;

/** Unwritten entries that are worth a system call of their own. */
export const PENDING_ENTRIES_MAX = 1024;

/** How far behind its base a segment can have offsets: an index entry has four bytes for it. */
export const SEGMENT_OFFSETS_MAX = 0x7fff_ffff;

/**
 * What the two index files of a segment share: sorted entries of fixed size, held in memory, and a
 * file that follows them. Entries are only appended or cut off at the end.
 *
 * An index is a cache of its `.log` file and never truth. Entries reach the file in groups and on
 * roll, flush and close, so a crash leaves a prefix, or a prefix followed by zeros when Kafka had
 * preallocated the file. Whoever loads it checks it and rebuilds it from the log when in doubt.
 */
export abstract class SparseIndex {
  readonly path: string;
  readonly baseOffset: number;
  readonly entryBytes: number;
  readonly maxEntries: number;
  #count = 0;
  /** Entries at the start of the file that are equal to those in memory. */
  #written = 0;
  /** The file may be longer than `#written` entries. */
  #fileTooLong = true;

  constructor(path: string, baseOffset: number, entryBytes: number, maxBytes: number) {
    this.path = path;
    this.baseOffset = baseOffset;
    this.entryBytes = entryBytes;
    this.maxEntries = Math.max(1, Math.floor(maxBytes / entryBytes));
  }

  protected abstract encode(slot: number, into: Buffer, at: number): void;
  /** Takes the entry at `at` as the next one when it continues those before, else returns false. */
  protected abstract decode(from: Buffer, at: number, slot: number): boolean;
  protected abstract grow(capacity: number): void;
  protected abstract capacity(): number;
  /** Bytes that the entries hold in memory. */
  abstract memoryBytes(): number;

  get count(): number {
    return this.#count;
  }
  get pending(): number {
    return this.#count - this.#written;
  }

  /** True when `offset` fits into the four bytes that an entry has for it. */
  fits(offset: number): boolean {
    const relative = offset - this.baseOffset;
    return relative >= 0 && relative <= SEGMENT_OFFSETS_MAX;
  }

  /** The slot for a new entry. */
  protected claim(): number {
    const slot = this.#count++;
    if (slot >= this.capacity()) this.grow(Math.max(CAPACITY_MIN, slot * 2));
    return slot;
  }

  /** Keeps the first `count` entries. */
  protected keep(count: number): void {
    assert(count <= this.#count, `index ${this.path}: can't keep ${count} of ${this.#count}`);
    this.#count = count;
    if (count < this.#written) {
      this.#written = count;
      this.#fileTooLong = true;
    }
  }

  clear(): void {
    this.keep(0);
    this.#fileTooLong = true;
  }

  /**
   * Writes what the file does not hold yet; false when there was nothing to do. Throws the disk's
   * error, and the entries stay in memory.
   */
  persist(disk: Disk): boolean {
    if (this.pending === 0 && !this.#fileTooLong) return false;
    const bytes = Buffer.allocUnsafe(this.pending * this.entryBytes);
    for (let slot = this.#written, at = 0; slot < this.#count; slot++, at += this.entryBytes) {
      this.encode(slot, bytes, at);
    }
    const file = disk.open(this.path, 'create');
    try {
      const position = this.#written * this.entryBytes;
      if (this.#fileTooLong && file.size() > position) file.truncate(position);
      if (bytes.length > 0) file.write([bytes], position);
      this.#fileTooLong = false;
      this.#written = this.#count;
      return true;
    } catch (error) {
      // A short write may have left part of an entry.
      this.#fileTooLong = true;
      throw error;
    } finally {
      file.close();
    }
  }

  /** Writes all of it into a new file that takes the place of the old one. Throws the disk's error. */
  replaceFile(disk: Disk): void {
    const bytes = Buffer.allocUnsafe(this.#count * this.entryBytes);
    for (let slot = 0; slot < this.#count; slot++) {
      this.encode(slot, bytes, slot * this.entryBytes);
    }
    replaceFileLazily(disk, this.path, bytes);
    this.#written = this.#count;
    this.#fileTooLong = false;
  }

  /** The file was removed: all of it is to be written again. */
  fileLost(): void {
    this.#written = 0;
    this.#fileTooLong = true;
  }

  /** Fills an empty index from its file; false when the file is absent or not sane. */
  load(disk: Disk): boolean {
    const bytes = disk.readFile(this.path);
    if (bytes === null) return false;
    const entries = Math.floor(bytes.length / this.entryBytes);
    if (entries * this.entryBytes !== bytes.length) return false;
    if (entries > this.capacity()) this.grow(entries);
    let slot = 0;
    for (let at = 0; slot < entries; slot++, at += this.entryBytes) {
      if (this.decode(bytes, at, slot)) continue;
      if (!isZero(bytes, at)) return false;
      break; // Preallocated and never filled.
    }
    this.#count = slot;
    this.#written = slot;
    this.#fileTooLong = slot < entries;
    return true;
  }
}

function isZero(bytes: Buffer, from: number): boolean {
  for (let at = from; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}
