/** JoinGroup, v0-9: answered when the group has a new generation, which may take minutes. */
import { apis } from '../../protocol/apis.ts';
import type { joinGroupRequest, joinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

export const joinGroupHandler = handler<
  Infer<typeof joinGroupRequest>,
  Infer<typeof joinGroupResponse>
>(apis.get(11), (request, { groups, clientId, clientHost, apiVersion }) =>
  // Kafka shows a member's host as Java prints an address, with a slash before it.
  groups.joinGroup(request, { clientId, clientHost: `/${clientHost}`, apiVersion }),
);
