/**
 * OffsetFetch (key 9): how far groups have read; -1 where nothing is stored.
 *
 * Versions: 1 stored in the log · 2 null topics for all, an error of the whole group · 3 throttle time ·
 * 4 throttled after the answer · 5 leader epochs (KIP-320) · 6 flexible · 7 stable offsets only (KIP-447) ·
 * 8 several groups in one request (KIP-709) · 9 member epochs (KIP-848) · 10 topic ids in place of names.
 */
import { array, bool, int16, int32, int64, message, string, uuid } from '../schema.ts';

export const offsetFetchRequest = message(
  'OffsetFetchRequest',
  { api: 9, min: 1, max: 10, flexible: 6 },
  {
    groupId: string.until(7),
    topics: array({ name: string, partitionIndexes: array(int32) })
      .until(7)
      .nullable(2),
    groups: array({
      groupId: string,
      memberId: string.since(9).nullable().default(null),
      memberEpoch: int32.since(9).default(-1),
      topics: array({
        name: string.until(9),
        topicId: uuid.since(10),
        partitionIndexes: array(int32),
      }).nullable(),
    }).since(8),
    requireStable: bool.since(7),
  },
);

export const offsetFetchResponse = message(
  'OffsetFetchResponse',
  { api: 9, min: 1, max: 10, flexible: 6 },
  {
    throttleTimeMs: int32.since(3),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: int32.since(5).default(-1),
        metadata: string.nullable(),
        errorCode: int16,
      }),
    }).until(7),
    errorCode: int16.since(2).until(7),
    groups: array({
      groupId: string,
      topics: array({
        name: string.until(9),
        topicId: uuid.since(10),
        partitions: array({
          partitionIndex: int32,
          committedOffset: int64,
          committedLeaderEpoch: int32.default(-1),
          metadata: string.nullable(),
          errorCode: int16,
        }),
      }),
      errorCode: int16,
    }).since(8),
  },
);
