/**
 * What can be set on a topic: Kafka's names, types, defaults and bounds (LogConfig of Kafka 4.x).
 * A key that a topic does not set is taken from the broker's keys in `brokerKeys`, the first that
 * somebody has set, and else from the default here.
 *
 * Keys of parts that Weir has not got (tiered storage) are taken and
 * described, so that scripts written for Kafka run, and change nothing.
 */
import { type Key, type KeyValue, LONG_MAX, tableOf } from './table.ts';

export interface BrokerSynonym {
  readonly name: string;
  /** How many of the topic's units make one of the broker's: 3,600,000 for hours. */
  readonly times: number;
}

export interface TopicKey<T extends KeyValue = KeyValue> extends Key<T> {
  /** Most specific first. */
  readonly brokerKeys: readonly BrokerSynonym[];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MINUTE_MS = 60_000;
const MIB = 1024 * 1024;

/** A batch of 1 MiB and the twelve bytes before it that Kafka does not count. */
export const MAX_MESSAGE_BYTES_DEFAULT = MIB + 12;

const from = (...names: (string | readonly [name: string, times: number])[]): BrokerSynonym[] =>
  names.map((name) =>
    typeof name === 'string' ? { name, times: 1 } : { name: name[0], times: name[1] },
  );

const keys: readonly TopicKey[] = [
  {
    name: 'cleanup.policy',
    type: 'list',
    default: ['delete'],
    values: ['compact', 'delete'],
    brokerKeys: from('log.cleanup.policy'),
    doc: 'What becomes of old segments: delete removes them by age and size, compact keeps the last record of each key.',
  },
  {
    name: 'compression.gzip.level',
    type: 'int',
    default: -1,
    min: -1,
    max: 9,
    brokerKeys: from('compression.gzip.level'),
    doc: 'Level used when compression.type is gzip; -1 is the default of the codec.',
  },
  {
    name: 'compression.lz4.level',
    type: 'int',
    default: 9,
    min: 1,
    max: 17,
    brokerKeys: from('compression.lz4.level'),
    doc: 'Level used when compression.type is lz4; the codec here has one, so it has no effect.',
  },
  {
    name: 'compression.type',
    type: 'string',
    default: 'producer',
    values: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
    brokerKeys: from('compression.type'),
    doc: 'Codec of the stored batches; producer keeps whatever the producer chose, byte for byte.',
  },
  {
    name: 'compression.zstd.level',
    type: 'int',
    default: 3,
    min: -131_072,
    max: 22,
    brokerKeys: from('compression.zstd.level'),
    doc: 'Level used when compression.type is zstd.',
  },
  {
    name: 'delete.retention.ms',
    type: 'long',
    default: DAY_MS,
    min: 0,
    brokerKeys: from('log.cleaner.delete.retention.ms'),
    doc: 'Milliseconds that a compacted topic keeps the marks of deleted keys, so that readers under way see them.',
  },
  {
    name: 'file.delete.delay.ms',
    type: 'long',
    default: MINUTE_MS,
    min: 0,
    brokerKeys: from('log.segment.delete.delay.ms'),
    doc: 'Milliseconds between taking a segment out of the log and removing its files.',
  },
  {
    name: 'flush.messages',
    type: 'long',
    default: LONG_MAX,
    min: 1,
    brokerKeys: from('log.flush.interval.messages'),
    doc: 'Records after which the log is forced to the device.',
  },
  {
    name: 'flush.ms',
    type: 'long',
    default: LONG_MAX,
    min: 0,
    brokerKeys: from('log.flush.interval.ms', 'log.flush.scheduler.interval.ms'),
    doc: 'Milliseconds after which appended records are forced to the device.',
  },
  {
    name: 'follower.replication.throttled.replicas',
    type: 'list',
    default: [],
    brokerKeys: [],
    doc: 'Replicas, as PARTITION:BROKER or *, that fetch at follower.replication.throttled.rate while they are out of sync.',
  },
  {
    name: 'index.interval.bytes',
    type: 'int',
    default: 4096,
    min: 0,
    brokerKeys: from('log.index.interval.bytes'),
    doc: 'Bytes of log between two entries of its index.',
  },
  {
    name: 'leader.replication.throttled.replicas',
    type: 'list',
    default: [],
    brokerKeys: [],
    doc: 'Leaders, as PARTITION:BROKER or *, that send to followers out of sync at leader.replication.throttled.rate.',
  },
  {
    name: 'local.retention.bytes',
    type: 'long',
    default: -2,
    min: -2,
    brokerKeys: from('log.local.retention.bytes'),
    doc: 'Local part of retention.bytes with tiered storage; has no effect here.',
  },
  {
    name: 'local.retention.ms',
    type: 'long',
    default: -2,
    min: -2,
    brokerKeys: from('log.local.retention.ms'),
    doc: 'Local part of retention.ms with tiered storage; has no effect here.',
  },
  {
    name: 'max.compaction.lag.ms',
    type: 'long',
    default: LONG_MAX,
    min: 1,
    brokerKeys: from('log.cleaner.max.compaction.lag.ms'),
    doc: 'Milliseconds after which a record must have become subject to compaction.',
  },
  {
    name: 'max.message.bytes',
    type: 'int',
    default: MAX_MESSAGE_BYTES_DEFAULT,
    min: 0,
    brokerKeys: from('message.max.bytes'),
    doc: 'Largest batch taken, in bytes, compressed where it is compressed.',
  },
  {
    name: 'message.timestamp.after.max.ms',
    type: 'long',
    default: HOUR_MS,
    min: 0,
    brokerKeys: from('log.message.timestamp.after.max.ms'),
    doc: 'Milliseconds that the time of a record may be ahead of the broker.',
  },
  {
    name: 'message.timestamp.before.max.ms',
    type: 'long',
    default: LONG_MAX,
    min: 0,
    brokerKeys: from('log.message.timestamp.before.max.ms'),
    doc: 'Milliseconds that the time of a record may be behind the broker.',
  },
  {
    name: 'message.timestamp.type',
    type: 'string',
    default: 'CreateTime',
    values: ['CreateTime', 'LogAppendTime'],
    brokerKeys: from('log.message.timestamp.type'),
    doc: 'Whose time a record carries: its creator’s, or that of its append.',
  },
  {
    name: 'min.cleanable.dirty.ratio',
    type: 'double',
    default: 0.5,
    min: 0,
    max: 1,
    brokerKeys: from('log.cleaner.min.cleanable.ratio'),
    doc: 'Share of a compacted log that must be dirty before it is cleaned.',
  },
  {
    name: 'min.compaction.lag.ms',
    type: 'long',
    default: 0,
    min: 0,
    brokerKeys: from('log.cleaner.min.compaction.lag.ms'),
    doc: 'Milliseconds that a record stays out of compaction.',
  },
  {
    name: 'min.insync.replicas',
    type: 'int',
    default: 1,
    min: 1,
    brokerKeys: from('min.insync.replicas'),
    doc: 'Replicas, the leader included, that must have a record before acks=all is answered.',
  },
  {
    name: 'preallocate',
    type: 'boolean',
    default: false,
    brokerKeys: from('log.preallocate'),
    doc: 'Whether the file of a new segment gets its full length at once, and is cut to what it holds when the next one begins.',
  },
  {
    name: 'remote.storage.enable',
    type: 'boolean',
    default: false,
    brokerKeys: [],
    doc: 'Whether the topic uses tiered storage, which is not available here.',
  },
  {
    name: 'retention.bytes',
    type: 'long',
    default: -1,
    brokerKeys: from('log.retention.bytes'),
    doc: 'Bytes that a partition keeps before its oldest segments are deleted; -1 is no limit.',
  },
  {
    name: 'retention.ms',
    type: 'long',
    default: 7 * DAY_MS,
    min: -1,
    brokerKeys: from(
      'log.retention.ms',
      ['log.retention.minutes', MINUTE_MS],
      ['log.retention.hours', HOUR_MS],
    ),
    doc: 'Milliseconds that a segment is kept after its newest record; -1 is no limit.',
  },
  {
    name: 'segment.bytes',
    type: 'int',
    default: 1024 * MIB,
    min: MIB,
    brokerKeys: from('log.segment.bytes'),
    doc: 'Size at which a segment is closed and the next one begun.',
  },
  {
    name: 'segment.index.bytes',
    type: 'int',
    default: 10 * MIB,
    min: 4,
    brokerKeys: from('log.index.size.max.bytes'),
    doc: 'Size of the index of a segment; a full index closes the segment.',
  },
  {
    name: 'segment.jitter.ms',
    type: 'long',
    default: 0,
    min: 0,
    brokerKeys: from('log.roll.jitter.ms', ['log.roll.jitter.hours', HOUR_MS]),
    doc: 'Milliseconds, chosen at random up to this, by which segment.ms is shortened.',
  },
  {
    name: 'segment.ms',
    type: 'long',
    default: 7 * DAY_MS,
    min: 1,
    brokerKeys: from('log.roll.ms', ['log.roll.hours', HOUR_MS]),
    doc: 'Milliseconds after which a segment is closed even if it is not full.',
  },
  {
    name: 'unclean.leader.election.enable',
    type: 'boolean',
    default: false,
    brokerKeys: from('unclean.leader.election.enable'),
    doc: 'Whether a replica that is out of sync may lead when no other is left; loses records.',
  },
];

export const topicKeys: ReadonlyMap<string, TopicKey> = tableOf(keys);
