/**
 * What a cleaning knows of transactions while it walks over a log from its start: which batches are
 * of aborted ones (their records may go), and whether a marker has still something to speak of.
 *
 * A marker may go once no batch of its transaction is left, and that is seen by walking: the marker
 * is met without a batch of its producer before it. An abort marker that stays keeps its line in the
 * transaction index.
 */
import { readMarkerBatch } from '../protocol/end-transaction-marker.ts';
import {
  attributes,
  isTransactional,
  lastOffset,
  producerId,
  recordCount,
} from '../protocol/record-batch.ts';
import type { AbortedTransaction } from './transaction-index.ts';

export class CleanedTransactions {
  /** By first offset, those that the walk has not come to. */
  readonly #ahead: readonly AbortedTransaction[];
  #next = 0;
  readonly #aborted = new Map<number, { readonly line: AbortedTransaction; isSeen: boolean }>();
  readonly #committed = new Set<number>();
  #kept: AbortedTransaction[] = [];

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#ahead = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  }

  /** The lines whose markers have stayed since the last call. */
  takeKept(): AbortedTransaction[] {
    const kept = this.#kept;
    this.#kept = [];
    return kept;
  }

  /** A batch of records at `at`: whether they were aborted. */
  isAborted(buffer: Buffer, at: number): boolean {
    this.#advance(lastOffset(buffer, at));
    if (!isTransactional(attributes(buffer, at))) return false;
    const id = producerId(buffer, at);
    const aborted = this.#aborted.get(id);
    if (aborted !== undefined) {
      aborted.isSeen = true;
      return true;
    }
    this.#committed.add(id);
    return false;
  }

  /** A control batch at `at`: whether nothing is left that it speaks of. */
  isMarkerDone(buffer: Buffer, at: number): boolean {
    this.#advance(lastOffset(buffer, at));
    if (recordCount(buffer, at) === 0) return true; // Cleaned before.
    const marker = readMarkerBatch(buffer, at);
    if (marker === null) return false;
    const id = producerId(buffer, at);
    if (marker.committed) return !this.#committed.delete(id);
    const aborted = this.#aborted.get(id);
    this.#aborted.delete(id);
    if (aborted?.isSeen !== true) return true;
    this.#kept.push(aborted.line);
    return false;
  }

  #advance(offset: number): void {
    for (; this.#next < this.#ahead.length; this.#next++) {
      const line = this.#ahead[this.#next]!;
      if (line.firstOffset > offset) break;
      if (!this.#aborted.has(line.producerId)) {
        this.#aborted.set(line.producerId, { line, isSeen: false });
      }
    }
  }
}
