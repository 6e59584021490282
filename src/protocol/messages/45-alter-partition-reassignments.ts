/**
 * AlterPartitionReassignments (key 45): moves the replicas of partitions to other brokers (KIP-455).
 *
 * Versions: 1 may forbid a change of the replication factor (KIP-860).
 */
import { array, bool, int16, int32, message, string } from '../schema.ts';

const at = { api: 45, min: 0, max: 1, flexible: 0 } as const;

export const alterPartitionReassignmentsRequest = message(
  'AlterPartitionReassignmentsRequest',
  at,
  {
    timeoutMs: int32.default(60_000),
    allowReplicationFactorChange: bool.since(1).default(true),
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        /** Null: the reassignment under way is taken back. */
        replicas: array(int32).nullable(),
      }),
    }),
  },
);

export const alterPartitionReassignmentsResponse = message(
  'AlterPartitionReassignmentsResponse',
  at,
  {
    throttleTimeMs: int32,
    allowReplicationFactorChange: bool.since(1).default(true),
    errorCode: int16,
    errorMessage: string.nullable(),
    responses: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        errorMessage: string.nullable(),
      }),
    }),
  },
);
