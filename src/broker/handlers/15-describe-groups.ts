/** DescribeGroups, v0-6: state, protocol and members of groups. */
import { apis } from '../../protocol/apis.ts';
import type {
  describeGroupsRequest,
  describeGroupsResponse,
} from '../../protocol/messages/15-describe-groups.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

export const describeGroupsHandler = handler<
  Infer<typeof describeGroupsRequest>,
  Infer<typeof describeGroupsResponse>
>(apis.get(15), (request, context) => context.groups.describeGroups(request, context));
