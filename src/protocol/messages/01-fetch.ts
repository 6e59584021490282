/**
 * Fetch (key 1): record batches from partitions, waiting for `minBytes` up to `maxWaitMs`.
 *
 * Versions: 4 isolation level, record batch v2 · 5 log start offset · 6 KAFKA_STORAGE_ERROR may come back ·
 * 7 incremental sessions (KIP-227) · 8 throttled after the answer · 9 leader epoch fencing (KIP-320) ·
 * 10 zstd · 11 fetch from the closest replica (KIP-392) · 12 flexible, diverging epochs (KIP-595) ·
 * 13 topic ids in place of names (KIP-516) · 14 tiered storage errors · 15 replica state in place of the
 * replica id (KIP-903) · 16 leader hints (KIP-951) · 17 directory ids (KIP-853) · 18 the replica's high
 * watermark (KIP-1166).
 */
import {
  array,
  int8,
  int16,
  int32,
  int64,
  message,
  records,
  string,
  struct,
  uuid,
} from '../schema.ts';

export const fetchRequest = message(
  'FetchRequest',
  { api: 1, min: 4, max: 18, flexible: 12 },
  {
    clusterId: string.since(12).nullable().default(null).tag(0),
    replicaId: int32.until(14).default(-1),
    // In place of `replicaId`, since only replicas say anything else than -1 (KIP-903).
    replicaState: struct({ replicaId: int32.default(-1), replicaEpoch: int64.default(-1) })
      .since(15)
      .tag(1),
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: int32.default(0x7fff_ffff),
    isolationLevel: int8, // 0 read uncommitted, 1 read committed.
    sessionId: int32.since(7),
    sessionEpoch: int32.since(7).default(-1), // -1 no session, 0 a new one (KIP-227).
    topics: array({
      topic: string.until(12),
      topicId: uuid.since(13),
      partitions: array({
        partition: int32,
        currentLeaderEpoch: int32.since(9).default(-1),
        fetchOffset: int64,
        lastFetchedEpoch: int32.since(12).default(-1),
        logStartOffset: int64.since(5).default(-1),
        partitionMaxBytes: int32,
        replicaDirectoryId: uuid.since(17).tag(0),
        // Kafka's absent value is 2^63-1: the replica does not tell (KIP-1166).
        highWatermark: int64.since(18).default(Number.MAX_SAFE_INTEGER).tag(1),
        // Ours, between our brokers: what lies before is on the follower's device; -1: not told.
        flushedOffset: int64.since(12).default(-1).tag(10_000),
      }),
    }),
    forgottenTopicsData: array({
      topic: string.until(12),
      topicId: uuid.since(13),
      partitions: array(int32),
    }).since(7),
    rackId: string.since(11),
  },
);

export const fetchResponse = message(
  'FetchResponse',
  { api: 1, min: 4, max: 18, flexible: 12 },
  {
    throttleTimeMs: int32,
    errorCode: int16.since(7),
    sessionId: int32.since(7),
    responses: array({
      topic: string.until(12),
      topicId: uuid.since(13),
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        highWatermark: int64,
        lastStableOffset: int64.default(-1),
        logStartOffset: int64.since(5).default(-1),
        divergingEpoch: struct({ epoch: int32.default(-1), endOffset: int64.default(-1) })
          .since(12)
          .tag(0),
        currentLeader: struct({ leaderId: int32.default(-1), leaderEpoch: int32.default(-1) })
          .since(12)
          .tag(1),
        snapshotId: struct({ endOffset: int64.default(-1), epoch: int32.default(-1) })
          .since(12)
          .tag(2),
        // Ours, between our brokers: up to where producers wait for the device; -1: nobody does.
        flushUpTo: int64.since(12).default(-1).tag(10_000),
        // Ours, of compacted topics: what lies before is on the devices of all replicas that the
        // partition had at that epoch.
        replicated: struct({ offset: int64.default(-1), partitionEpoch: int32.default(-1) })
          .since(12)
          .tag(10_001),
        // Ours, the same: what lies before may lack tombstones and markers.
        removedTo: int64.since(12).default(-1).tag(10_002),
        // Null when reading uncommitted.
        abortedTransactions: array({ producerId: int64, firstOffset: int64 }).nullable(),
        preferredReadReplica: int32.since(11).default(-1),
        records,
      }),
    }),
    nodeEndpoints: array({
      nodeId: int32,
      host: string,
      port: int32,
      rack: string.nullable().default(null),
    })
      .since(16)
      .tag(0),
  },
);
