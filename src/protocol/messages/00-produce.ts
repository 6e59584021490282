/**
 * Produce (key 0): record batches for partitions, one batch a partition.
 *
 * Versions: 0-2 message sets, the formats before record batch v2, which Kafka takes no more (KIP-724; see
 * `message-set.ts`) · 1 throttle time · 2 log append time · 3 transactional id, record batch v2 ·
 * 4 KAFKA_STORAGE_ERROR may come back · 5 log start offset · 6 throttled after the answer (KIP-219) · 7 zstd ·
 * 8 errors by record (KIP-467) · 9 flexible · 10 leader hints (KIP-951) · 11 abortable transactions (KIP-890) ·
 * 12 implicit join of a partition to a transaction · 13 topic ids in place of names (KIP-516).
 */
import { array, int16, int32, int64, message, records, string, struct, uuid } from '../schema.ts';

export const produceRequest = message(
  'ProduceRequest',
  { api: 0, min: 0, max: 13, flexible: 9 },
  {
    transactionalId: string.since(3).nullable().default(null),
    acks: int16, // 0 none, 1 the leader, -1 every in-sync replica.
    timeoutMs: int32,
    topicData: array({
      name: string.until(12),
      topicId: uuid.since(13),
      partitionData: array({ index: int32, records }),
    }),
  },
);

export const produceResponse = message(
  'ProduceResponse',
  { api: 0, min: 0, max: 13, flexible: 9 },
  {
    responses: array({
      name: string.until(12),
      topicId: uuid.since(13),
      partitionResponses: array({
        index: int32,
        errorCode: int16,
        baseOffset: int64,
        logAppendTimeMs: int64.since(2).default(-1), // -1 unless the topic stamps on append.
        logStartOffset: int64.since(5).default(-1),
        // Index in the batch of each record that made it fail.
        recordErrors: array({
          batchIndex: int32,
          batchIndexErrorMessage: string.nullable().default(null),
        }).since(8),
        errorMessage: string.since(8).nullable().default(null),
        currentLeader: struct({ leaderId: int32.default(-1), leaderEpoch: int32.default(-1) })
          .since(10)
          .tag(0),
      }),
    }),
    throttleTimeMs: int32.since(1),
    nodeEndpoints: array({
      nodeId: int32,
      host: string,
      port: int32,
      rack: string.nullable().default(null),
    })
      .since(10)
      .tag(0),
  },
);
