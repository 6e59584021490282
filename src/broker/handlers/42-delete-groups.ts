/** DeleteGroups, v0-2: empty groups are forgotten, with their offsets. */
import { apis } from '../../protocol/apis.ts';
import type {
  deleteGroupsRequest,
  deleteGroupsResponse,
} from '../../protocol/messages/42-delete-groups.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

export const deleteGroupsHandler = handler<
  Infer<typeof deleteGroupsRequest>,
  Infer<typeof deleteGroupsResponse>
>(apis.get(42), (request, context) => context.groups.deleteGroups(request));
