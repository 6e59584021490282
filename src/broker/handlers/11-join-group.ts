/** JoinGroup, v0-9: answered when the group has a new generation, which may take minutes. */
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import type { joinGroupRequest, joinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';
import { forGroup } from './rights.ts';

/** From here on, no protocol is null rather than ''. */
const NULL_PROTOCOL_VERSION = 7;

export const joinGroupHandler = handler<
  Infer<typeof joinGroupRequest>,
  Infer<typeof joinGroupResponse>
>(
  apis.get(11),
  forGroup(
    AclOperation.read,
    (request, { groups, clientId, clientHost, apiVersion }) =>
      // Kafka shows a member's host as Java prints an address, with a slash before it.
      groups.joinGroup(request, { clientId, clientHost: `/${clientHost}`, apiVersion }),
    (errorCode, _, { apiVersion }) => ({
      throttleTimeMs: 0,
      errorCode,
      generationId: -1,
      protocolType: null,
      protocolName: apiVersion >= NULL_PROTOCOL_VERSION ? null : '',
      leader: '',
      skipAssignment: false,
      memberId: '',
      members: [],
    }),
  ),
);
