/** SyncGroup, v0-5: answered when the leader has assigned, and the log has taken it. */
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import type { syncGroupRequest, syncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';
import { forGroup } from './rights.ts';

export const syncGroupHandler = handler<
  Infer<typeof syncGroupRequest>,
  Infer<typeof syncGroupResponse>
>(
  apis.get(14),
  forGroup(
    AclOperation.read,
    (request, context) => context.groups.syncGroup(request, context),
    (errorCode) => ({
      ...{ throttleTimeMs: 0, errorCode, protocolType: null, protocolName: null },
      assignment: NOTHING,
    }),
  ),
);

const NOTHING = Buffer.alloc(0);
