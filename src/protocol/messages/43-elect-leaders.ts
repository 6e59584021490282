/**
 * ElectLeaders (key 43): new leaders for partitions, the preferred ones or, where nobody is in sync,
 * anybody (KIP-183, KIP-460).
 *
 * Versions: 1 kinds of election, top-level error · 2 flexible.
 */
import { array, int8, int16, int32, message, string } from '../schema.ts';

export const electLeadersRequest = message(
  'ElectLeadersRequest',
  { api: 43, min: 0, max: 2, flexible: 2 },
  {
    electionType: int8.since(1), // 0 preferred, 1 unclean.
    /** Null: all partitions. */
    topicPartitions: array({ topic: string, partitions: array(int32) }).nullable(),
    timeoutMs: int32.default(60_000),
  },
);

export const electLeadersResponse = message(
  'ElectLeadersResponse',
  { api: 43, min: 0, max: 2, flexible: 2 },
  {
    throttleTimeMs: int32,
    errorCode: int16.since(1),
    replicaElectionResults: array({
      topic: string,
      partitionResult: array({
        partitionId: int32,
        errorCode: int16,
        errorMessage: string.nullable(),
      }),
    }),
  },
);
