import type { LogConfig } from './log-config.ts';
import type { LogSegment } from './log-segment.ts';
import type { SegmentList } from './segment-list.ts';

export interface RetentionBounds {
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  readonly highWatermark: number;
  /** Retention's clock, milliseconds since 1970. */
  readonly nowMs: number;
}

/**
 * How many of the oldest segments may go: those before the log start offset, and unless the topic
 * is only compacted those that are too old (`retention.ms`) or too much (`retention.bytes`). Whole
 * segments, oldest first, never beyond the high watermark, and not an empty active one.
 */
export function countUnwanted(
  segments: SegmentList,
  config: LogConfig,
  bounds: RetentionBounds,
): number {
  const { retentionMs, retentionBytes } = config;
  const deletes = config.cleanupPolicy.includes('delete');
  let surplus = -1;
  if (deletes && retentionBytes >= 0) {
    surplus = -retentionBytes;
    for (const segment of segments) surplus += segment.size;
  }
  const isTooOld = (segment: LogSegment): boolean =>
    deletes && retentionMs >= 0 && bounds.nowMs - segment.largestTimestamp > retentionMs;
  let count = 0;
  for (const segment of segments) {
    const end = segments.at(count + 1)?.baseOffset ?? bounds.logEndOffset;
    if (end > bounds.highWatermark) break;
    if (segment === segments.active && segment.size === 0) break;
    const isTooMuch = surplus >= segment.size;
    if (end > bounds.logStartOffset && !isTooMuch && !isTooOld(segment)) break;
    surplus -= segment.size;
    count++;
  }
  return count;
}
