/** ListGroups, v0-5: the groups of this broker, by state and type. */
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
>(apis.get(16), (request, context) => context.groups.listGroups(request));
