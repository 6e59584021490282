/**
 * The leader epochs of one log, found in its batches where `leader-epoch-checkpoint` is damaged.
 *
 * All headers are read. Damage among them has no epochs that could be known: one that begins behind it is
 * taken to begin there. No checksum covers the epoch of a batch: one that is higher than those behind it,
 * and that no second batch says, is not believed. The damaged file stays until all are known: one that has
 * some would be taken for whole by the next start.
 */
import {
  baseOffset,
  lastOffset as lastOffsetOf,
  partitionLeaderEpoch,
} from '../protocol/record-batch.ts';
import type { Scan } from './batch-scanner.ts';
import type { LeaderEpochFileCache } from './leader-epoch-file-cache.ts';
import type { LogDamage } from './log-damage.ts';
import { type LogSegment, placeOf } from './log-segment.ts';
import { findNextBatch } from './resync.ts';
import type { SegmentList } from './segment-list.ts';

export class EpochRebuild {
  readonly #epochs: LeaderEpochFileCache;
  readonly #damage: LogDamage;
  /** Where the batches so far end. */
  #next = 0;
  /** One batch has said so of the latest epoch. */
  #isAlone = false;

  constructor(epochs: LeaderEpochFileCache, damage: LogDamage) {
    this.#epochs = epochs;
    this.#damage = damage;
  }

  run(segments: SegmentList): void {
    this.#epochs.restore([]);
    for (const segment of segments) {
      this.#readSegment(segment, segments.limitOf(segment));
    }
  }

  #readSegment(segment: LogSegment, limit: number): void {
    this.#next = Math.max(this.#next, segment.baseOffset);
    for (let position: number | null = 0; position !== null; ) {
      const start: number = position;
      /** It says that it has offsets of the one behind it. */
      let liar: { readonly position: number; readonly first: number } | null = null;
      let before = { position: start, first: this.#next };
      const scan: Scan = segment.scanHeaders(start, (buffer, at, place) => {
        const first = baseOffset(buffer, at);
        const last = lastOffsetOf(buffer, at);
        if (first < this.#next) liar = before;
        if (first < this.#next || last >= limit) return false;
        const isBehindGap = first > this.#next;
        if (isBehindGap && segment.isOutOfPlace(placeOf(buffer, at, place), limit)) return false;
        const isBehindDamage = start > 0 && place === start;
        this.#said(partitionLeaderEpoch(buffer, at), isBehindDamage ? first : this.#next);
        this.#next = last + 1;
        before = { position: place, first };
        return true;
      });
      if (scan.reason === 'end') break;
      const found: typeof before = liar ?? { position: scan.position, first: this.#next };
      this.#next = found.first;
      // Mended, it has its terms told: soon, as others read what is here meanwhile.
      const text = `${segment.path}: no terms are told at position ${found.position}, it is damaged`;
      this.#damage.met(segment, found.position, text);
      position = findNextBatch(segment.file, found.position + 1, segment.size, this.#next);
    }
  }

  /** A batch from `offset` on says that it is of `epoch`. */
  #said(epoch: number, offset: number): void {
    const epochs = this.#epochs;
    let start = offset;
    if (this.#isAlone && epoch < epochs.latestEpoch) {
      const others = epochs.entries.slice(0, -1);
      // Of two that contradict each other, one that those before contradict as well is wrong.
      if (epoch >= (others.at(-1)?.epoch ?? 0)) {
        // Nothing is known before.
        if (others.length === 0) start = epochs.entries[0]!.startOffset;
        epochs.restore(others);
      }
    }
    this.#isAlone = epoch > epochs.latestEpoch;
    if (this.#isAlone) epochs.begin(epoch, start);
  }
}
