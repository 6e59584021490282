/**
 * ConsumerGroupHeartbeat (key 68): a member of a consumer group joins, lives, says what it holds, and
 * leaves, all with this one request (KIP-848).
 *
 * Versions: 1 regular expressions, and ids that the member makes itself (KIP-1082). What is null, or
 * -1, has not changed since the last one.
 */
import { array, int16, int32, message, string, struct, uuid } from '../schema.ts';

const topicPartitions = array({ topicId: uuid, partitions: array(int32) });

export const consumerGroupHeartbeatRequest = message(
  'ConsumerGroupHeartbeatRequest',
  { api: 68, min: 0, max: 1, flexible: 0 },
  {
    groupId: string,
    memberId: string,
    // 0 joins, -1 leaves, -2 leaves and will be back (static members).
    memberEpoch: int32,
    instanceId: string.nullable().default(null),
    rackId: string.nullable().default(null),
    rebalanceTimeoutMs: int32.default(-1),
    subscribedTopicNames: array(string).nullable().default(null),
    subscribedTopicRegex: string.since(1).nullable().default(null),
    serverAssignor: string.nullable().default(null),
    topicPartitions: topicPartitions.nullable().default(null),
  },
);

export const consumerGroupHeartbeatResponse = message(
  'ConsumerGroupHeartbeatResponse',
  { api: 68, min: 0, max: 1, flexible: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().default(null),
    memberId: string.nullable().default(null),
    memberEpoch: int32,
    heartbeatIntervalMs: int32,
    assignment: struct({ topicPartitions }).nullable().default(null),
  },
);
