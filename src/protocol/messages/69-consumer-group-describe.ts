/**
 * ConsumerGroupDescribe (key 69): epochs and members of consumer groups, with what each member holds
 * and what it is to hold (KIP-848).
 *
 * Versions: 1 type of the member (KIP-1099).
 */
import { array, bool, int8, int16, int32, message, string, struct, uuid } from '../schema.ts';

const assignment = struct({
  topicPartitions: array({ topicId: uuid, topicName: string, partitions: array(int32) }),
});

export const consumerGroupDescribeRequest = message(
  'ConsumerGroupDescribeRequest',
  { api: 69, min: 0, max: 1, flexible: 0 },
  { groupIds: array(string), includeAuthorizedOperations: bool },
);

export const consumerGroupDescribeResponse = message(
  'ConsumerGroupDescribeResponse',
  { api: 69, min: 0, max: 1, flexible: 0 },
  {
    throttleTimeMs: int32,
    groups: array({
      errorCode: int16,
      errorMessage: string.nullable().default(null),
      groupId: string,
      groupState: string,
      groupEpoch: int32,
      assignmentEpoch: int32,
      assignorName: string,
      members: array({
        memberId: string,
        instanceId: string.nullable().default(null),
        rackId: string.nullable().default(null),
        memberEpoch: int32,
        clientId: string,
        clientHost: string,
        subscribedTopicNames: array(string),
        subscribedTopicRegex: string.nullable().default(null),
        assignment,
        targetAssignment: assignment,
        // 0 classic, 1 consumer; -1 unknown.
        memberType: int8.since(1).default(-1),
      }),
      authorizedOperations: int32.default(-0x8000_0000),
    }),
  },
);
