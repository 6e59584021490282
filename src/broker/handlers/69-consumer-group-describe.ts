/** ConsumerGroupDescribe, v0-1: epochs, members and assignments of consumer groups (KIP-848). */
import { GROUP_VERSION } from '../../cluster/features.ts';
import { undescribed } from '../../coordinator/consumer/description.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  consumerGroupDescribeRequest,
  consumerGroupDescribeResponse,
} from '../../protocol/messages/69-consumer-group-describe.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler, type RequestContext } from '../handler.ts';
import { splitByRight } from './rights.ts';

type Request = Infer<typeof consumerGroupDescribeRequest>;
type Response = Infer<typeof consumerGroupDescribeResponse>;
type Group = Response['groups'][number];

export const consumerGroupDescribeHandler = handler<Request, Response>(
  apis.get(69),
  async (request, context) => {
    const { image } = context.broker;
    const failed = (code: number) => (groupId: string) => undescribed(groupId, code);
    if (image.featureLevel(GROUP_VERSION) === 0) {
      const groups = request.groupIds.map(failed(ErrorCode.UNSUPPORTED_VERSION));
      return { throttleTimeMs: 0, groups };
    }
    const { allowed, refused } = splitByRight(
      context,
      AclOperation.describe,
      AclResource.group,
      request.groupIds,
      (groupId) => groupId,
    );
    const response = await context.groups.describeConsumerGroups({
      ...request,
      groupIds: [...allowed],
    });
    const groups = response.groups.map((group) => visible(group, request, context));
    const failures = refused.map(failed(ErrorCode.GROUP_AUTHORIZATION_FAILED));
    return { ...response, groups: [...failures, ...groups] };
  },
);

/** A group is not shown to who may not see all topics that its members read. */
function visible(group: Group, request: Request, context: RequestContext): Group {
  if (group.errorCode !== ErrorCode.NONE) return group;
  const authorizedOperations = request.includeAuthorizedOperations
    ? context.operationsOn(AclResource.group, group.groupId)
    : group.authorizedOperations;
  if (context.broker.access === null) return { ...group, authorizedOperations };
  for (const { assignment, targetAssignment } of group.members) {
    for (const { topicName } of [
      ...assignment.topicPartitions,
      ...targetAssignment.topicPartitions,
    ]) {
      if (context.may(AclOperation.describe, AclResource.topic, topicName)) continue;
      const errorMessage =
        'The group has described topic(s) that the client is not authorized to describe.';
      const code = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
      return { ...undescribed(group.groupId, code), errorMessage };
    }
  }
  return { ...group, authorizedOperations };
}
