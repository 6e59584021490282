/**
 * The last offset of every key in the dirty part of a log, by the digest of the key.
 *
 * Open addressing in one typed array of six words a slot: four of the digest, two of the offset plus
 * one (so that 0 is an empty slot). Memory grows by doubling as keys come, up to `maxBytes`
 * (`log.cleaner.dedupe.buffer.size`); a map that is full takes no new key, and whoever fills it
 * cleans that much of the log in this pass and the rest in the next.
 */
import type { Random } from '../base/random.ts';
import { DIGEST_WORDS, KeyHash } from './key-hash.ts';

const SLOT_WORDS = 6;
const SLOT_BYTES = SLOT_WORDS * 4;
const SLOTS_MIN = 1024;
const WORD = 0x1_0000_0000;

export interface OffsetMapOptions {
  /** Most bytes that the map may take. */
  readonly maxBytes: number;
  /** Share of the slots that may be taken (`log.cleaner.io.buffer.load.factor`). */
  readonly loadFactor: number;
  readonly random: Random;
}

export class OffsetMap {
  readonly #hash: KeyHash;
  readonly #slotsMax: number;
  readonly #loadFactor: number;
  #slots: number;
  #words: Int32Array;
  #size = 0;

  constructor(options: OffsetMapOptions) {
    this.#hash = new KeyHash(options.random);
    this.#slotsMax = Math.max(2, Math.floor(options.maxBytes / SLOT_BYTES));
    this.#loadFactor = Math.min(options.loadFactor, 0.99);
    this.#slots = Math.min(SLOTS_MIN, this.#slotsMax);
    this.#words = new Int32Array(this.#slots * SLOT_WORDS);
  }

  /** Keys in it. */
  get size(): number {
    return this.#size;
  }
  /** Share of what it may become that is taken. */
  get utilization(): number {
    return this.#size / this.#slotsMax;
  }
  get memoryBytes(): number {
    return this.#words.byteLength;
  }

  /** Notes `offset` as the last one of the key; false when the key is new and there is no room. */
  put(bytes: Uint8Array, start: number, end: number, offset: number): boolean {
    this.#hash.hash(bytes, start, end);
    let at = this.#find(this.#hash.digest);
    if (this.#isEmpty(at)) {
      if (this.#size >= this.#limit) {
        if (!this.#grow()) return false;
        at = this.#find(this.#hash.digest);
      }
      this.#words.set(this.#hash.digest, at);
      this.#size++;
    }
    this.#setOffset(at, offset);
    return true;
  }

  /** The last offset of the key, or -1. */
  get(bytes: Uint8Array, start: number, end: number): number {
    this.#hash.hash(bytes, start, end);
    const at = this.#find(this.#hash.digest);
    return this.#words[at + 4]! * WORD + (this.#words[at + 5]! >>> 0) - 1;
  }

  /** At least one, or nothing would ever be cleaned. */
  get #limit(): number {
    return Math.max(1, Math.floor(this.#slots * this.#loadFactor));
  }

  #isEmpty(at: number): boolean {
    return this.#words[at + 5] === 0 && this.#words[at + 4] === 0;
  }

  #setOffset(at: number, offset: number): void {
    this.#words[at + 4] = Math.floor((offset + 1) / WORD);
    this.#words[at + 5] = (offset + 1) | 0;
  }

  /** Where the digest is, or the empty slot where it would be. */
  #find(digest: Int32Array): number {
    const words = this.#words;
    const a = digest[0]!;
    const b = digest[1]!;
    const c = digest[2]!;
    const d = digest[3]!;
    let slot = Math.floor(((a >>> 0) * this.#slots) / WORD);
    for (;;) {
      const at = slot * SLOT_WORDS;
      if (words[at + 5] === 0 && words[at + 4] === 0) return at;
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) {
        return at;
      }
      slot = slot + 1 === this.#slots ? 0 : slot + 1;
    }
  }

  #grow(): boolean {
    if (this.#slots >= this.#slotsMax) return false;
    const before = this.#words;
    this.#slots = Math.min(this.#slots * 2, this.#slotsMax);
    this.#words = new Int32Array(this.#slots * SLOT_WORDS);
    const digest = new Int32Array(DIGEST_WORDS);
    for (let from = 0; from < before.length; from += SLOT_WORDS) {
      if (before[from + 5] === 0 && before[from + 4] === 0) continue;
      for (let i = 0; i < DIGEST_WORDS; i++) digest[i] = before[from + i]!;
      const to = this.#find(digest);
      for (let i = 0; i < SLOT_WORDS; i++) this.#words[to + i] = before[from + i]!;
    }
    return this.#size < this.#limit;
  }
}
