/**
 * OffsetCommit (key 8): a group stores how far it has read.
 *
 * Versions: 2 retention of the offsets (until 4) · 3 throttle time · 4 throttled after the answer ·
 * 5 retention is the broker's alone (KIP-211) · 6 leader epochs (KIP-320) · 7 static members (KIP-345) ·
 * 8 flexible · 9 member epochs (KIP-848) · 10 topic ids in place of names.
 */
import { array, int16, int32, int64, message, string, uuid } from '../schema.ts';

export const offsetCommitRequest = message(
  'OffsetCommitRequest',
  { api: 8, min: 2, max: 10, flexible: 8 },
  {
    groupId: string,
    generationIdOrMemberEpoch: int32.default(-1),
    memberId: string,
    groupInstanceId: string.since(7).nullable().default(null),
    retentionTimeMs: int64.until(4).default(-1),
    topics: array({
      name: string.until(9),
      topicId: uuid.since(10),
      partitions: array({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: int32.since(6).default(-1),
        committedMetadata: string.nullable(), // Free text of the client.
      }),
    }),
  },
);

export const offsetCommitResponse = message(
  'OffsetCommitResponse',
  { api: 8, min: 2, max: 10, flexible: 8 },
  {
    throttleTimeMs: int32.since(3),
    topics: array({
      name: string.until(9),
      topicId: uuid.since(10),
      partitions: array({ partitionIndex: int32, errorCode: int16 }),
    }),
  },
);
