import type { LogSegment } from './log-segment.ts';

/** The segments of a log by rising base offset; never empty once the log is open. */
export class SegmentList {
  readonly #segments: LogSegment[] = [];

  get length(): number {
    return this.#segments.length;
  }
  get first(): LogSegment {
    return this.#segments[0]!;
  }
  get active(): LogSegment {
    return this.#segments[this.#segments.length - 1]!;
  }
  at(index: number): LogSegment | undefined {
    return this.#segments[index];
  }
  [Symbol.iterator](): IterableIterator<LogSegment> {
    return this.#segments[Symbol.iterator]();
  }
  add(segment: LogSegment): void {
    this.#segments.push(segment);
  }
  /** Removes and returns the segments from `index` on. */
  cut(index: number): LogSegment[] {
    return this.#segments.splice(index);
  }
  /** Puts `segment` in the place of `count` segments from `index` on; returns those. */
  replace(index: number, count: number, segment: LogSegment): LogSegment[] {
    return this.#segments.splice(index, count, segment);
  }
  /** Removes and returns the first `count` segments. */
  shift(count: number): LogSegment[] {
    return this.#segments.splice(0, count);
  }

  /** The one that follows it; undefined: it is the last. */
  behind({ baseOffset }: LogSegment): LogSegment | undefined {
    return this.#segments[this.floor(baseOffset) + 1];
  }

  /** The segment has no offsets from there on; the last one none from `end` on, by default any. */
  limitOf(segment: LogSegment, end = Number.MAX_SAFE_INTEGER): number {
    return this.behind(segment)?.baseOffset ?? end;
  }

  /** Index of the last segment whose base offset is ≤ `offset`, or -1. */
  floor(offset: number): number {
    let low = 0;
    let high = this.#segments.length - 1;
    if (high >= 0 && this.#segments[high]!.baseOffset <= offset) return high;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.#segments[middle]!.baseOffset <= offset) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }
}
