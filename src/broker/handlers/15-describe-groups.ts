/** DescribeGroups, v0-6: state, protocol and members of groups. */
import { failedGroup } from '../../coordinator/group-description.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  describeGroupsRequest,
  describeGroupsResponse,
} from '../../protocol/messages/15-describe-groups.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';
import { splitByRight } from './rights.ts';

type Request = Infer<typeof describeGroupsRequest>;
type Response = Infer<typeof describeGroupsResponse>;

export const describeGroupsHandler = handler<Request, Response>(
  apis.get(15),
  (request, context) => {
    const { allowed, refused } = splitByRight(
      context,
      AclOperation.describe,
      AclResource.group,
      request.groups,
      (groupId) => groupId,
    );
    const wanted = { ...request, groups: [...allowed] };
    const response = context.groups.describeGroups(wanted, context);
    if (request.includeAuthorizedOperations) {
      for (const group of response.groups) {
        if (group.errorCode !== ErrorCode.NONE) continue;
        group.authorizedOperations = context.operationsOn(AclResource.group, group.groupId);
      }
    }
    const failures = refused.map((groupId) =>
      failedGroup(groupId, ErrorCode.GROUP_AUTHORIZATION_FAILED),
    );
    return { ...response, groups: [...failures, ...response.groups] };
  },
);
