/** Consumer groups as ConsumerGroupDescribe shows them. */
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { consumerGroupDescribeResponse } from '../../protocol/messages/69-consumer-group-describe.ts';
import type { Infer } from '../../protocol/schema.ts';
import type { TopicDirectory } from '../topic-directory.ts';
import type { ConsumerGroup } from './consumer-group.ts';
import type { ConsumerMember } from './consumer-member.ts';
import { listed } from './partitions.ts';

export type DescribedConsumerGroup = Infer<typeof consumerGroupDescribeResponse>['groups'][number];
type DescribedMember = DescribedConsumerGroup['members'][number];
type DescribedPartitions = DescribedMember['assignment']['topicPartitions'];

const CLASSIC_MEMBER = 0;
const CONSUMER_MEMBER = 1;

export const undescribed = (
  groupId: string,
  errorCode: number,
  errorMessage: string | null = null,
): DescribedConsumerGroup => ({
  errorCode,
  errorMessage,
  groupId,
  groupState: '',
  groupEpoch: 0,
  assignmentEpoch: 0,
  assignorName: '',
  members: [],
  authorizedOperations: -(2 ** 31),
});

export const describedConsumerGroup = (
  group: ConsumerGroup,
  topics: TopicDirectory,
  defaultAssignor: string,
): DescribedConsumerGroup => ({
  ...undescribed(group.id, ErrorCode.NONE),
  groupState: group.state,
  groupEpoch: group.epoch,
  assignmentEpoch: group.targetEpoch,
  assignorName: group.preferredAssignor ?? defaultAssignor,
  members: [...group.members.values()].map((member) => describedMember(group, member, topics)),
});

/** What a member has to give up is still its own. */
function describedMember(
  group: ConsumerGroup,
  member: ConsumerMember,
  topics: TopicDirectory,
): DescribedMember {
  const held = new Map<string, Set<number>>();
  for (const partitions of [member.assigned, member.revoking]) {
    for (const [topicId, epochs] of partitions) {
      held.set(topicId, new Set([...(held.get(topicId) ?? []), ...epochs.keys()]));
    }
  }
  return {
    memberId: member.id,
    instanceId: member.instanceId,
    rackId: member.rackId,
    memberEpoch: member.epoch,
    clientId: member.clientId,
    clientHost: member.clientHost,
    subscribedTopicNames: [...member.topics].sort(),
    subscribedTopicRegex: member.regex,
    assignment: { topicPartitions: named(held, topics) },
    targetAssignment: { topicPartitions: named(group.target(member.id), topics) },
    memberType: member.classic === null ? CONSUMER_MEMBER : CLASSIC_MEMBER,
  };
}

/** Topics that exist no more are left out. */
const named = (
  partitions: Parameters<typeof listed>[0],
  topics: TopicDirectory,
): DescribedPartitions =>
  listed(partitions).flatMap(({ topicId, partitions: indexes }) => {
    const topicName = topics.topicName(topicId);
    return topicName === undefined ? [] : [{ topicId, topicName, partitions: indexes }];
  });
