/** SyncGroup, v0-5: answered when the leader has assigned, and the log has taken it. */
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import type { syncGroupRequest, syncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler, type RequestContext } from '../handler.ts';
import { forGroup } from './rights.ts';

type Request = Infer<typeof syncGroupRequest>;
type Response = Infer<typeof syncGroupResponse>;

/** From here on, a member must say what it takes its group for. */
const PROTOCOL_VERSION = 5;

const sync = (request: Request, context: RequestContext): Promise<Response> =>
  context.groups.syncGroup(request, context);

const withRight = forGroup<Request, Response>(AclOperation.read, sync, (errorCode) => ({
  ...{ throttleTimeMs: 0, errorCode, protocolType: null, protocolName: null },
  assignment: NOTHING,
}));

const NOTHING = Buffer.alloc(0);

export const syncGroupHandler = handler<Request, Response>(apis.get(14), (request, context) => {
  const { protocolType, protocolName } = request;
  const isIncomplete = protocolType === null || protocolName === null;
  // What is no request is refused as such before anybody's rights are looked at.
  return context.apiVersion >= PROTOCOL_VERSION && isIncomplete
    ? sync(request, context)
    : withRight(request, context);
});
