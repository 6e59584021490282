/**
 * CreatePartitions (key 37): more partitions for topics (KIP-195).
 *
 * Versions: 1 throttled after the answer · 2 flexible · 3 THROTTLING_QUOTA_EXCEEDED (KIP-599).
 */
import { array, bool, int16, int32, message, string } from '../schema.ts';

export const createPartitionsRequest = message(
  'CreatePartitionsRequest',
  { api: 37, min: 0, max: 3, flexible: 2 },
  {
    topics: array({
      name: string,
      count: int32,
      assignments: array({ brokerIds: array(int32) }).nullable(),
    }),
    timeoutMs: int32,
    validateOnly: bool,
  },
);

export const createPartitionsResponse = message(
  'CreatePartitionsResponse',
  { api: 37, min: 0, max: 3, flexible: 2 },
  {
    throttleTimeMs: int32,
    results: array({
      name: string,
      errorCode: int16,
      errorMessage: string.nullable().default(null),
    }),
  },
);
