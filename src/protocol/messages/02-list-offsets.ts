/**
 * ListOffsets (key 2): the offset of a point in time, or of either end of a partition.
 *
 * Versions: 0 several offsets by segment · 1 one offset and its timestamp (KIP-79) · 2 isolation level ·
 * 3 throttled after the answer · 4 leader epochs (KIP-320) · 5 OFFSET_NOT_AVAILABLE may come back · 6 flexible ·
 * 7 max timestamp, -3 (KIP-734) · 8 earliest local, -4 (KIP-405) · 9 last tiered, -5 (KIP-1005) ·
 * 10 timeout for remote look-ups (KIP-1075) · 11 earliest pending upload, -6 (KIP-1023).
 */
import { array, int8, int16, int32, int64, message, string } from '../schema.ts';

export const listOffsetsRequest = message(
  'ListOffsetsRequest',
  { api: 2, min: 0, max: 11, flexible: 6 },
  {
    replicaId: int32,
    isolationLevel: int8.since(2),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        currentLeaderEpoch: int32.since(4).default(-1),
        // Milliseconds; -1 latest, -2 earliest, -3 of the largest timestamp, others tiering.
        timestamp: int64,
        maxNumOffsets: int32.until(0).default(1),
      }),
    }),
    timeoutMs: int32.since(10),
  },
);

export const listOffsetsResponse = message(
  'ListOffsetsResponse',
  { api: 2, min: 0, max: 11, flexible: 6 },
  {
    throttleTimeMs: int32.since(2),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        // Descending segment boundaries, at most `maxNumOffsets`.
        oldStyleOffsets: array(int64).until(0),
        timestamp: int64.since(1).default(-1),
        offset: int64.since(1).default(-1),
        leaderEpoch: int32.since(4).default(-1),
      }),
    }),
  },
);
