/**
 * DescribeProducers (key 61, KIP-664): what the leader of a partition knows of its idempotent and
 * transactional producers.
 */
import { array, int16, int32, int64, message, string } from '../schema.ts';

export const describeProducersRequest = message(
  'DescribeProducersRequest',
  { api: 61, min: 0, max: 0, flexible: 0 },
  { topics: array({ name: string, partitionIndexes: array(int32) }) },
);

export const describeProducersResponse = message(
  'DescribeProducersResponse',
  { api: 61, min: 0, max: 0, flexible: 0 },
  {
    throttleTimeMs: int32,
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        errorMessage: string.nullable().default(null),
        activeProducers: array({
          producerId: int64,
          producerEpoch: int32,
          lastSequence: int32.default(-1),
          lastTimestamp: int64.default(-1),
          coordinatorEpoch: int32,
          currentTxnStartOffset: int64.default(-1), // -1: no transaction is open.
        }),
      }),
    }),
  },
);
