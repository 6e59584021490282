/** Heartbeat, v0-4: a member lives, and hears of rebalances. */
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import type { heartbeatRequest, heartbeatResponse } from '../../protocol/messages/12-heartbeat.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';
import { forGroup } from './rights.ts';

export const heartbeatHandler = handler<
  Infer<typeof heartbeatRequest>,
  Infer<typeof heartbeatResponse>
>(
  apis.get(12),
  forGroup(
    AclOperation.read,
    (request, context) => context.groups.heartbeat(request),
    (errorCode) => ({ throttleTimeMs: 0, errorCode }),
  ),
);
