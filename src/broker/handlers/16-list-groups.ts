/** ListGroups, v0-5: the groups of this broker that the client may describe, by state and type. */
import { AclOperation, AclResource, CLUSTER_NAME } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import type {
  listGroupsRequest,
  listGroupsResponse,
} from '../../protocol/messages/16-list-groups.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

export const listGroupsHandler = handler<
  Infer<typeof listGroupsRequest>,
  Infer<typeof listGroupsResponse>
>(apis.get(16), (request, context) => {
  const response = context.groups.listGroups(request);
  if (context.mayQuietly(AclOperation.describe, AclResource.cluster, CLUSTER_NAME)) return response;
  const groups = response.groups.filter(({ groupId }) =>
    context.mayQuietly(AclOperation.describe, AclResource.group, groupId),
  );
  return { ...response, groups };
});
