/**
 * The end of one log in the tail cache, as long as somebody reads there: copies that nobody asks for
 * cost a tenth of a small append.
 */
import { LogTail, type TailCache, type TailRead } from './tail-cache.ts';

/**
 * Of appended batches: `given` is the log's from now on, `reused` is written to again. What a
 * follower copies is `unread`: readers ask the leader, as a rule.
 */
export type Memory = 'given' | 'reused' | 'unread';

/** Nothing is kept once readers have been elsewhere for this many bytes. */
const UNREAD_BYTES_MAX = 8 * 1024 * 1024;

export class WatchedTail {
  readonly #cache: TailCache;
  readonly #tail: LogTail;
  /** Appended since somebody has read at the end; nobody has, at first. */
  #unreadBytes = Number.POSITIVE_INFINITY;

  constructor(cache: TailCache) {
    this.#cache = cache;
    this.#tail = new LogTail(cache);
  }

  /** Batches that were appended. */
  add(records: Buffer, memory: Memory): void {
    this.#unreadBytes += records.length;
    if (memory !== 'unread' && this.#unreadBytes <= UNREAD_BYTES_MAX) {
      this.#cache.add(this.#tail, records, memory === 'reused');
    } else this.#tail.clear();
  }

  /** Somebody reads at the end of the log, or near it. */
  noteReader(): void {
    this.#unreadBytes = 0;
  }

  /** Whole batches from the one that holds `offset`, all below `upTo`; null: ask the disk. */
  read(offset: number, maxBytes: number, upTo: number, minOne: boolean): TailRead | null {
    const read = this.#tail.read(offset, maxBytes, upTo, minOne);
    if (read !== null) this.#unreadBytes = 0;
    return read;
  }

  /** What was kept is not the log's any more. */
  clear(): void {
    this.#tail.clear();
  }
}
