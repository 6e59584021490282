/**
 * DescribeTopicPartitions (key 75): partitions of topics, page by page (KIP-966). Always flexible.
 */
import { array, bool, int16, int32, message, string, struct, uuid } from '../schema.ts';

export const describeTopicPartitionsRequest = message(
  'DescribeTopicPartitionsRequest',
  { api: 75, min: 0, max: 0, flexible: 0 },
  {
    topics: array({ name: string }),
    responsePartitionLimit: int32.default(2000),
    // Where the answer before this one stopped.
    cursor: struct({ topicName: string, partitionIndex: int32 }).nullable(),
  },
);

export const describeTopicPartitionsResponse = message(
  'DescribeTopicPartitionsResponse',
  { api: 75, min: 0, max: 0, flexible: 0 },
  {
    throttleTimeMs: int32,
    topics: array({
      errorCode: int16,
      name: string.nullable(),
      topicId: uuid,
      isInternal: bool,
      partitions: array({
        errorCode: int16,
        partitionIndex: int32,
        leaderId: int32,
        leaderEpoch: int32.default(-1),
        replicaNodes: array(int32),
        isrNodes: array(int32),
        eligibleLeaderReplicas: array(int32).nullable().default(null),
        lastKnownElr: array(int32).nullable().default(null),
        offlineReplicas: array(int32),
      }),
      topicAuthorizedOperations: int32.default(-0x8000_0000),
    }),
    nextCursor: struct({ topicName: string, partitionIndex: int32 }).nullable(),
  },
);
