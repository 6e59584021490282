/** ConsumerGroupDescribe, v0-1: epochs, members and assignments of consumer groups (KIP-848). */
import { GROUP_VERSION } from '../../cluster/features.ts';
import { undescribed } from '../../coordinator/consumer/description.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  consumerGroupDescribeRequest,
  consumerGroupDescribeResponse,
} from '../../protocol/messages/69-consumer-group-describe.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

export const consumerGroupDescribeHandler = handler<
  Infer<typeof consumerGroupDescribeRequest>,
  Infer<typeof consumerGroupDescribeResponse>
>(apis.get(69), (request, context) => {
  const { image } = context.broker;
  if (image.featureLevel(GROUP_VERSION) > 0) return context.groups.describeConsumerGroups(request);
  const groups = request.groupIds.map((id) => undescribed(id, ErrorCode.UNSUPPORTED_VERSION));
  return { throttleTimeMs: 0, groups };
});
