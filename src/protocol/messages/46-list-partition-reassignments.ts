/** ListPartitionReassignments (key 46): the reassignments that are under way (KIP-455). */
import { array, int16, int32, message, string } from '../schema.ts';

const at = { api: 46, min: 0, max: 0, flexible: 0 } as const;

export const listPartitionReassignmentsRequest = message('ListPartitionReassignmentsRequest', at, {
  timeoutMs: int32.default(60_000),
  /** Null: of all topics. */
  topics: array({ name: string, partitionIndexes: array(int32) }).nullable(),
});

export const listPartitionReassignmentsResponse = message(
  'ListPartitionReassignmentsResponse',
  at,
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable(),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        replicas: array(int32),
        addingReplicas: array(int32),
        removingReplicas: array(int32),
      }),
    }),
  },
);
