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
/** Chunks that are empty and wait for batches. */
const SPARE_CHUNKS_MAX = 16;

/** Memory that short batches are copied into, one after the other, and again when all have gone. */
interface Chunk {
  readonly bytes: Buffer;
  /** Entries in it, and answers with bytes of it that are not sent yet. */
  users: number;
}

interface TailEntry {
  tail: LogTail | null;
  readonly baseOffset: number;
  readonly lastOffset: number;
  bytes: Buffer | null;
  readonly size: number;
  /** That `bytes` lie in; null: they have memory of their own. */
  readonly chunk: Chunk | null;
}

/** What the cache answers: whole batches, in order. */
export interface TailRead {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly firstOffset: number;
  /** Behind the last batch. */
  readonly nextOffset: number;
  /** To be called when the bytes are not used any more; null: there is no need. */
  readonly release: (() => void) | null;
}

/**
 * The batches appended last, of all logs of a broker, so that consumers at the end of a log are
 * served without a system call. First in, first out, bounded in bytes.
 *
 * A long batch is the producer's own frame, which its owner gave away with `append`: it is never
 * written to again, and the garbage collector takes it. Short ones are copied into chunks, which are
 * used again when none of their batches is kept, and no answer with one of them is under way.
 */
export class TailCache {
  readonly #bytesMax: number;
  readonly #probe: LogProbe;
  #queue: TailEntry[] = [];
  #head = 0;
  #bytes = 0;
  #chunk: Chunk = { bytes: Buffer.alloc(0), users: 0 };
  #chunkUsed = 0;
  readonly #spare: Chunk[] = [];

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
      const { bytes, chunk } = this.#keep(records, at, size, reused);
      const entry: TailEntry = { tail, baseOffset, lastOffset, bytes, size, chunk };
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

  #keep(
    records: Buffer,
    at: number,
    size: number,
    reused: boolean,
  ): { bytes: Buffer; chunk: Chunk | null } {
    // A view keeps the whole memory behind it alive: only worth it when that is little more.
    const behind = records.buffer.byteLength;
    if (!reused && size >= COPY_BELOW_BYTES && behind <= 2 * size) {
      return { bytes: records.subarray(at, at + size), chunk: null };
    }
    if (size >= CHUNK_BYTES / 4) {
      const copy = Buffer.allocUnsafeSlow(size);
      records.copy(copy, 0, at, at + size);
      return { bytes: copy, chunk: null };
    }
    if (this.#chunkUsed + size > this.#chunk.bytes.length) this.#nextChunk();
    const start = this.#chunkUsed;
    const chunk = this.#chunk;
    records.copy(chunk.bytes, start, at, at + size);
    this.#chunkUsed = start + size;
    chunk.users++;
    return { bytes: chunk.bytes.subarray(start, start + size), chunk };
  }

  #nextChunk(): void {
    const full = this.#chunk;
    this.#chunk = this.#spare.pop() ?? { bytes: Buffer.allocUnsafeSlow(CHUNK_BYTES), users: 0 };
    this.#chunkUsed = 0;
    if (full.users === 0 && full.bytes.length > 0) this.#keepSpare(full);
  }

  #keepSpare(chunk: Chunk): void {
    if (this.#spare.length < SPARE_CHUNKS_MAX) this.#spare.push(chunk);
  }

  /** One user less. */
  unuse(chunk: Chunk): void {
    chunk.users--;
    if (chunk.users === 0 && chunk !== this.#chunk) this.#keepSpare(chunk);
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
    if (entry.chunk !== null) this.unuse(entry.chunk);
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
    const used: Chunk[] = [];
    let bytes = 0;
    const firstOffset = entries[at]?.baseOffset ?? offset;
    let nextOffset = offset;
    for (; at < entries.length; at++) {
      const entry = entries[at]!;
      if (entry.lastOffset >= upTo) break;
      if (bytes + entry.size > maxBytes && !(minOne && bytes === 0)) break;
      chunks.push(entry.bytes!);
      bytes += entry.size;
      nextOffset = entry.lastOffset + 1;
      // Neighbours lie in one chunk, as a rule.
      if (entry.chunk !== null && entry.chunk !== used.at(-1)) {
        entry.chunk.users++;
        used.push(entry.chunk);
      }
    }
    return { chunks, bytes, firstOffset, nextOffset, release: this.#releaseOf(used) };
  }

  #releaseOf(used: Chunk[]): (() => void) | null {
    if (used.length === 0) return null;
    return () => {
      for (const chunk of used.splice(0)) this.#cache.unuse(chunk);
    };
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
