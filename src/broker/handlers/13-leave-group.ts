/** LeaveGroup, v0-5: members go, one or many. */
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import type {
  leaveGroupRequest,
  leaveGroupResponse,
} from '../../protocol/messages/13-leave-group.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';
import { forGroup } from './rights.ts';

export const leaveGroupHandler = handler<
  Infer<typeof leaveGroupRequest>,
  Infer<typeof leaveGroupResponse>
>(
  apis.get(13),
  forGroup(
    AclOperation.read,
    (request, context) => context.groups.leaveGroup(request, context),
    (errorCode) => ({ throttleTimeMs: 0, errorCode, members: [] }),
  ),
);
