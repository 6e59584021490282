/**
 * What a topic's configuration means to its logs: Kafka's topic keys as plain values. The owner
 * resolves defaults and overrides and hands in one object a topic; `updateConfig` swaps it whole.
 */
export interface LogConfig {
  /** `segment.bytes`: a segment is rolled before it would grow beyond this. Bytes. */
  readonly segmentBytes: number;
  /** `segment.ms`: a segment is rolled when its records span more time than this. Milliseconds. */
  readonly segmentMs: number;
  /** `segment.jitter.ms`: at most this much is subtracted from `segmentMs`, by chance, per segment. */
  readonly segmentJitterMs: number;
  /** `segment.index.bytes`: most bytes of an offset or time index. */
  readonly segmentIndexBytes: number;
  /** `index.interval.bytes`: log bytes between two index entries. */
  readonly indexIntervalBytes: number;
  /** `retention.ms`; -1: for ever. */
  readonly retentionMs: number;
  /** `retention.bytes` of one partition; -1: no bound. */
  readonly retentionBytes: number;
  /** `max.message.bytes`: largest batch a client may append, header included. */
  readonly maxMessageBytes: number;
  /** `flush.messages`: appended records that force a flush; Infinity: leave it to the system. */
  readonly flushMessages: number;
  /** `flush.ms`: longest time that appended records stay unflushed; Infinity: leave it to the system. */
  readonly flushMs: number;
  /** `file.delete.delay.ms`: how long a deleted file keeps its bytes under `.deleted`. */
  readonly fileDeleteDelayMs: number;
  /** `message.timestamp.type`. */
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime';
  /** `message.timestamp.before.max.ms`: how old a record may claim to be; Infinity: any age. */
  readonly messageTimestampBeforeMaxMs: number;
  /** `message.timestamp.after.max.ms`: how far in the future a record may claim to be. */
  readonly messageTimestampAfterMaxMs: number;
  /** `cleanup.policy`. */
  readonly cleanupPolicy: readonly ('delete' | 'compact')[];
  /** `min.cleanable.dirty.ratio`: share of a compacted log that must be dirty before it is cleaned. */
  readonly minCleanableDirtyRatio: number;
  /** `min.compaction.lag.ms`: how long a record stays out of compaction. */
  readonly minCompactionLagMs: number;
  /** `max.compaction.lag.ms`: a log with an older dirty record is cleaned, however little is dirty. */
  readonly maxCompactionLagMs: number;
  /** `delete.retention.ms`: how long compaction keeps the mark of a deleted key. */
  readonly deleteRetentionMs: number;
  /** `compression.type`: `producer` stores what the producer sent. */
  readonly compressionType: 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
  /** `compression.gzip.level` or `compression.zstd.level`, as the codec is; absent: its default. */
  readonly compressionLevel?: number | undefined;
  /** `min.insync.replicas`: checked by the partition's leader, not here. */
  readonly minInsyncReplicas: number;
  /** `preallocate`: the file of a new segment has its full length at once (sparse, as Kafka's). */
  readonly preallocate: boolean;
}

const DAY_MS = 24 * 3_600_000;

/** Kafka's defaults. */
export const defaultLogConfig: LogConfig = {
  segmentBytes: 1024 ** 3,
  segmentMs: 7 * DAY_MS,
  segmentJitterMs: 0,
  segmentIndexBytes: 10 * 1024 ** 2,
  indexIntervalBytes: 4096,
  retentionMs: 7 * DAY_MS,
  retentionBytes: -1,
  maxMessageBytes: 1_048_588,
  flushMessages: Number.POSITIVE_INFINITY,
  flushMs: Number.POSITIVE_INFINITY,
  fileDeleteDelayMs: 60_000,
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: Number.POSITIVE_INFINITY,
  messageTimestampAfterMaxMs: 3_600_000,
  cleanupPolicy: ['delete'],
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.POSITIVE_INFINITY,
  deleteRetentionMs: DAY_MS,
  compressionType: 'producer',
  minInsyncReplicas: 1,
  preallocate: false,
};

/** What is appended to is not compacted, so no segment of a compacted log may stay open for longer. */
export const segmentMsOf = ({ segmentMs, maxCompactionLagMs, cleanupPolicy }: LogConfig): number =>
  cleanupPolicy.includes('compact') ? Math.min(segmentMs, maxCompactionLagMs) : segmentMs;
