/** DeleteGroups, v0-2: empty groups are forgotten, with their offsets. */
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  deleteGroupsRequest,
  deleteGroupsResponse,
} from '../../protocol/messages/42-delete-groups.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';
import { splitByRight } from './rights.ts';

export const deleteGroupsHandler = handler<
  Infer<typeof deleteGroupsRequest>,
  Infer<typeof deleteGroupsResponse>
>(apis.get(42), async (request, context) => {
  const { allowed, refused } = splitByRight(
    context,
    AclOperation.delete,
    AclResource.group,
    request.groupsNames,
    (groupId) => groupId,
  );
  const response = await context.groups.deleteGroups({ ...request, groupsNames: [...allowed] });
  const errorCode = ErrorCode.GROUP_AUTHORIZATION_FAILED;
  const failures = [...new Set(refused)].map((groupId) => ({ groupId, errorCode }));
  return { ...response, results: [...response.results, ...failures] };
});
