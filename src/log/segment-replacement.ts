/** Has what compaction has made of some segments of one log take their place; see `segment-swap.ts`. */
import type { LogParts } from './log-parts.ts';
import type { LogTruncation } from './log-truncation.ts';
import { swapIn } from './segment-swap.ts';

export class SegmentReplacement {
  readonly #parts: LogParts;
  readonly #truncation: LogTruncation;

  constructor(parts: LogParts, truncation: LogTruncation) {
    this.#parts = parts;
    this.#truncation = truncation;
  }

  /** The log has segments of these base offsets, one behind the other, and was not cut since it had `cuts`. */
  hasSegments(bases: readonly number[], cuts: number): boolean {
    const { guard, segments } = this.#parts;
    const index = segments.list.floor(bases[0]!);
    return (
      !guard.isClosed &&
      cuts === this.#truncation.cuts &&
      bases.every((base, i) => segments.list.at(index + i)?.baseOffset === base)
    );
  }

  /** See `PartitionLog.replaceSegments`. */
  replace(sources: readonly number[], cuts: number): boolean {
    const { guard, segments, mark, offsets } = this.#parts;
    const index = segments.list.floor(sources[0]!);
    const isClosed = index + sources.length < segments.list.length;
    const isMoving = this.#truncation.onCut !== null;
    if (isMoving || !isClosed || !this.hasSegments(sources, cuts)) return false;
    guard.onDisk('replace segments of', () => {
      mark.expectGaps(offsets.start);
      this.#swapIn(index, sources);
    });
    return true;
  }

  #swapIn(index: number, sources: readonly number[]): void {
    const { environment, guard, path, segments, producers, reader, tail, flusher, config } =
      this.#parts;
    const { disk, segmentCache } = environment;
    const { list } = segments;
    const [base] = sources as readonly [number];
    const old = sources.map((_, i) => list.at(index + i)!);
    for (const segment of old) {
      segmentCache.forget(segment);
      segment.close(false);
    }
    const files = old.flatMap((segment) => segment.files);
    let deleted: string[] = [];
    guard.asOne('replace segments of', () => {
      deleted = swapIn(disk, path, base, files);
    });
    const segment = segments.make(base, true);
    segment.noteVerified(0, segment.size);
    list.replace(index, sources.length, segment);
    tail.clear();
    reader.forgetPlaces();
    producers.snapshots.removeStray(new Set([...list].map((one) => one.baseOffset)));
    environment.removeLater(deleted, config.fileDeleteDelayMs);
    flusher.entriesDirty = true;
  }
}
