/**
 * What of a compacted log can be cleaned, and whether it is time to: Kafka's rules.
 *
 * Cleaned are whole segments that nothing is appended to, that are committed and stable (KIP-58,
 * KAFKA-13194: what is not committed must not push out what is), that are on the device, and whose
 * records are all older than `min.compaction.lag.ms`. It is time when the dirty share of these bytes
 * is above `min.cleanable.dirty.ratio`, or a dirty record is older than `max.compaction.lag.ms`.
 */
import type { SourceSegment } from './cleaning-pass.ts';
import type { LogSegment } from './log-segment.ts';
import type { PartitionLog } from './partition-log.ts';

export interface Cleanable {
  readonly firstDirtyOffset: number;
  /** Base offset of the first segment that must stay as it is. */
  readonly upperBound: number;
  /** All segments before `upperBound`. */
  readonly sources: readonly SourceSegment[];
  readonly dirtyBytes: number;
  /** Of the bytes before `upperBound`, 0 to 1. */
  readonly dirtyRatio: number;
  /** Behind these are segments that nothing is appended to either, which can be cleaned in time. */
  readonly hasLater: boolean;
  /** How much older than `max.compaction.lag.ms` the oldest dirty record is; 0: it is not. */
  readonly overdueMs: number;
}

export function cleanableOf(log: PartitionLog, nowMs: number): Cleanable {
  const firstDirtyOffset = firstDirtyOf(log);
  const bound = Math.min(log.lastStableOffset, log.flushedOffset, log.activeSegmentOffset);
  const { minCompactionLagMs, maxCompactionLagMs } = log.config;
  const segments = [...log.segments];
  const sources: SourceSegment[] = [];
  let dirtyBytes = 0;
  let bytes = 0;
  let oldest = Number.POSITIVE_INFINITY;
  for (let i = 0; i + 1 < segments.length; i++) {
    const segment = segments[i]!;
    const nextBaseOffset = segments[i + 1]!.baseOffset;
    if (nextBaseOffset > bound) break;
    const isDirty = nextBaseOffset > firstDirtyOffset;
    if (isDirty && minCompactionLagMs > 0 && isYoung(segment, nowMs - minCompactionLagMs)) break;
    const { baseOffset, path, size } = segment;
    sources.push({ baseOffset, nextBaseOffset, path, size });
    bytes += size;
    if (!isDirty) continue;
    dirtyBytes += size;
    const first = segment.firstTimestamp;
    if (first > 0) oldest = Math.min(oldest, first);
  }
  return {
    firstDirtyOffset,
    upperBound: sources.at(-1)?.nextBaseOffset ?? log.firstSegmentOffset,
    sources,
    dirtyBytes,
    dirtyRatio: bytes === 0 ? 0 : dirtyBytes / bytes,
    hasLater: sources.length + 1 < segments.length,
    overdueMs: Math.max(0, nowMs - maxCompactionLagMs - oldest),
  };
}

/** A checkpoint that the log has left behind, or that is ahead of it, means: from the start. */
function firstDirtyOf(log: PartitionLog): number {
  const { cleanedTo, logStartOffset, logEndOffset } = log;
  const isKnown = cleanedTo !== null && cleanedTo >= logStartOffset && cleanedTo <= logEndOffset;
  return isKnown ? cleanedTo : logStartOffset;
}

const isYoung = (segment: LogSegment, sinceMs: number): boolean =>
  segment.largestTimestamp > sinceMs;

export const isDue = (log: PartitionLog, cleanable: Cleanable): boolean =>
  cleanable.dirtyBytes > 0 &&
  (cleanable.overdueMs > 0 || cleanable.dirtyRatio > log.config.minCleanableDirtyRatio);

/** Bytes of index for an entry of the longer of the two kinds. */
const INDEX_ENTRY_BYTES = 12;

/**
 * Neighbours that become one segment: together not larger than `segment.bytes` and what the indexes
 * have room for, and with offsets that fit into four bytes (KAFKA-6264). What lies behind `endOffset`
 * is left out.
 */
export function groupSources(
  sources: readonly SourceSegment[],
  endOffset: number,
  limits: { segmentBytes: number; segmentIndexBytes: number; indexIntervalBytes: number },
): SourceSegment[][] {
  const { segmentBytes, segmentIndexBytes, indexIntervalBytes } = limits;
  const entries = Math.floor(segmentIndexBytes / INDEX_ENTRY_BYTES);
  const bytesMax = Math.min(segmentBytes, entries * Math.max(indexIntervalBytes, 1));
  const groups: SourceSegment[][] = [];
  let bytes = 0;
  for (const source of sources) {
    if (source.baseOffset >= endOffset) break;
    const group = groups.at(-1);
    const fits =
      group !== undefined &&
      bytes + source.size <= bytesMax &&
      source.nextBaseOffset - 1 - group[0]!.baseOffset <= 0x7fff_ffff;
    if (fits) {
      group.push(source);
      bytes += source.size;
    } else {
      groups.push([source]);
      bytes = source.size;
    }
  }
  return groups;
}
