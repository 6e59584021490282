import {
  baseOffset as baseOffsetOf,
  batchSize,
  lastOffset as lastOffsetOf,
} from '../protocol/record-batch.ts';
import type { LogProbe } from './probe.ts';

/** Appended bytes that all logs of a broker keep in memory together. */
export const TAIL_CACHE_BYTES_MAX = 4 * 1024 * 1024;

/** Batches that they keep in memory together, however short. */
export const TAIL_CACHE_BATCHES_MAX = 32 * 1024;

/** Batches shorter than this are copied together; longer ones are kept where they are. */
const COPY_BELOW_BYTES = 4096;
const CHUNK_BYTES = 64 * 1024;

interface TailEntry {
  tail: LogTail | null;
  readonly baseOffset: number;
  readonly lastOffset: number;
  bytes: Buffer | null;
  readonly size: number;
}

/** What the cache answers: whole batches, in order. */
export interface TailRead {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly firstOffset: number;
}

/**
 * The batches appended last, of all logs of a broker, so that consumers at the end of a log are
 * served without a system call. First in, first out, bounded in bytes.
 *
 * Bytes in here are never written to again: a long batch is the producer's own frame, which its
 * owner gave away with `append`. They stay valid for whoever still sends them after they have been
 * evicted; the garbage collector takes them.
 */
export class TailCache {
  readonly #bytesMax: number;
  readonly #probe: LogProbe;
  #queue: TailEntry[] = [];
  #head = 0;
  #bytes = 0;
  #chunk = Buffer.alloc(0);
  #chunkUsed = 0;

  constructor(probe: LogProbe, bytesMax: number = TAIL_CACHE_BYTES_MAX) {
    this.#probe = probe;
    this.#bytesMax = bytesMax;
  }

  /** `reused`: the memory of `records` is written to again, so only copies may be kept. */
  add(tail: LogTail, records: Buffer, reused: boolean): void {
    if (records.length > this.#bytesMax / 4) return tail.clear();
    // Copying a long batch costs as much as reading it back.
    if (reused && records.length >= CHUNK_BYTES / 4) return tail.clear();
    for (let at = 0; at < records.length; ) {
      const size = batchSize(records, at);
      const baseOffset = baseOffsetOf(records, at);
      const lastOffset = lastOffsetOf(records, at);
      const bytes = this.#keep(records, at, size, reused);
      const entry: TailEntry = { tail, baseOffset, lastOffset, bytes, size };
      tail.push(entry);
      this.#queue.push(entry);
      this.#bytes += size;
      at += size;
    }
    while (this.#isOverfull || this.#queue[this.#head]?.tail === null) this.#evict();
    this.#probe.tailCacheBytes = this.#bytes;
  }

  get #isOverfull(): boolean {
    const entries = this.#queue.length - this.#head; // Forgotten ones included.
    return this.#bytes > this.#bytesMax || entries > TAIL_CACHE_BATCHES_MAX;
  }

  #keep(records: Buffer, at: number, size: number, reused: boolean): Buffer {
    // A view keeps the whole memory behind it alive: only worth it when that is little more.
    const behind = records.buffer.byteLength;
    if (!reused && size >= COPY_BELOW_BYTES && behind <= 2 * size)
      return records.subarray(at, at + size);
    if (size >= CHUNK_BYTES / 4) {
      const copy = Buffer.allocUnsafeSlow(size);
      records.copy(copy, 0, at, at + size);
      return copy;
    }
    if (this.#chunkUsed + size > this.#chunk.length) {
      this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      this.#chunkUsed = 0;
    }
    const start = this.#chunkUsed;
    records.copy(this.#chunk, start, at, at + size);
    this.#chunkUsed = start + size;
    return this.#chunk.subarray(start, start + size);
  }

  #evict(): void {
    const entry = this.#queue[this.#head++]!;
    if (entry.tail !== null) {
      entry.tail.shift(entry);
      this.forget(entry);
      this.#probe.tailCacheEvictions++;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Gives the entry's bytes back; its place in the queue goes when its turn comes. */
  forget(entry: TailEntry): void {
    this.#bytes -= entry.size;
    this.#probe.tailCacheBytes = this.#bytes;
    entry.tail = null;
    entry.bytes = null;
  }
}

/** The part of the cache that belongs to one log: a gapless run of batches up to the log's end. */
export class LogTail {
  readonly #cache: TailCache;
  #entries: TailEntry[] = [];
  #head = 0;

  constructor(cache: TailCache) {
    this.#cache = cache;
  }

  push(entry: TailEntry): void {
    this.#entries.push(entry);
  }

  shift(entry: TailEntry): void {
    if (this.#entries[this.#head] === entry) this.#head++;
    if (this.#head > 64 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Forgets everything: after a truncation, or when something was appended that is not kept. */
  clear(): void {
    for (let i = this.#head; i < this.#entries.length; i++) this.#cache.forget(this.#entries[i]!);
    this.#entries = [];
    this.#head = 0;
  }

  /** Whole batches from the one that holds `offset`, all below `upTo`; null: ask the disk. */
  read(offset: number, maxBytes: number, upTo: number, minOne: boolean): TailRead | null {
    const entries = this.#entries;
    const first = entries[this.#head];
    if (first === undefined || first.baseOffset > offset) return null;
    let at = this.#indexOf(offset);
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    const firstOffset = entries[at]?.baseOffset ?? offset;
    for (; at < entries.length; at++) {
      const entry = entries[at]!;
      if (entry.lastOffset >= upTo) break;
      if (bytes + entry.size > maxBytes && !(minOne && bytes === 0)) break;
      chunks.push(entry.bytes!);
      bytes += entry.size;
    }
    return { chunks, bytes, firstOffset };
  }

  /** The first entry whose last offset is ≥ `offset`. */
  #indexOf(offset: number): number {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
