/**
 * TxnOffsetCommit (key 28): offsets of a group that count once the producer's transaction is
 * committed.
 *
 * Versions: 1 throttled after the answer · 2 leader epochs (KIP-320) · 3 flexible, members (KIP-447) ·
 * 4 abortable transactions (KIP-890) · 5 implicit join of the group's offsets to the transaction.
 */
import { array, int16, int32, int64, message, string } from '../schema.ts';

export const txnOffsetCommitRequest = message(
  'TxnOffsetCommitRequest',
  { api: 28, min: 0, max: 5, flexible: 3 },
  {
    transactionalId: string,
    groupId: string,
    producerId: int64,
    producerEpoch: int16,
    generationId: int32.since(3).default(-1),
    memberId: string.since(3),
    groupInstanceId: string.since(3).nullable().default(null),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: int32.since(2).default(-1),
        committedMetadata: string.nullable(), // Free text of the client.
      }),
    }),
  },
);

export const txnOffsetCommitResponse = message(
  'TxnOffsetCommitResponse',
  { api: 28, min: 0, max: 5, flexible: 3 },
  {
    throttleTimeMs: int32,
    topics: array({
      name: string,
      partitions: array({ partitionIndex: int32, errorCode: int16 }),
    }),
  },
);
