import type { LogSegment } from './log-segment.ts';
import type { LogProbe } from './probe.ts';

/** Inactive segments of all logs that may keep a descriptor and their indexes. */
export const OPEN_SEGMENTS_MAX = 128;

/**
 * Bounds what idle segments cost: the one used longest ago is closed when too many are open.
 * Segments that are appended to are not in here.
 */
export class SegmentCache {
  readonly #max: number;
  readonly #probe: LogProbe;
  readonly #open = new Set<LogSegment>(); // In the order of last use.

  constructor(probe: LogProbe, max: number = OPEN_SEGMENTS_MAX) {
    this.#probe = probe;
    this.#max = max;
  }

  used(segment: LogSegment): void {
    this.#open.delete(segment);
    this.#open.add(segment);
    while (this.#open.size > this.#max) {
      const [oldest] = this.#open;
      this.#open.delete(oldest!);
      oldest!.release();
      this.#probe.segmentEvictions++;
    }
  }

  forget(segment: LogSegment): void {
    this.#open.delete(segment);
  }
}
