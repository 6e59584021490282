/**
 * OffsetForLeaderEpoch (key 23): where a leader epoch ended, to find out what was truncated (KIP-101, KIP-320).
 *
 * Versions: 2 leader epochs on both sides, throttle time · 3 replica id · 4 flexible.
 */
import { array, int16, int32, int64, message, string } from '../schema.ts';

export const offsetForLeaderEpochRequest = message(
  'OffsetForLeaderEpochRequest',
  { api: 23, min: 2, max: 4, flexible: 4 },
  {
    // -2: a debugging consumer, -1: a consumer.
    replicaId: int32.since(3).default(-2),
    topics: array({
      topic: string,
      partitions: array({
        partition: int32,
        currentLeaderEpoch: int32.default(-1),
        leaderEpoch: int32,
      }),
    }),
  },
);

export const offsetForLeaderEpochResponse = message(
  'OffsetForLeaderEpochResponse',
  { api: 23, min: 2, max: 4, flexible: 4 },
  {
    throttleTimeMs: int32,
    topics: array({
      topic: string,
      partitions: array({
        errorCode: int16,
        partition: int32,
        leaderEpoch: int32.default(-1),
        endOffset: int64.default(-1),
      }),
    }),
  },
);
