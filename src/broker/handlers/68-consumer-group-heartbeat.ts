/** ConsumerGroupHeartbeat, v0-1: members of consumer groups join, live and leave (KIP-848). */
import { GROUP_VERSION } from '../../cluster/features.ts';
import { heartbeatError } from '../../coordinator/consumer/heartbeats.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from '../../protocol/messages/68-consumer-group-heartbeat.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';
import { splitByRight } from './rights.ts';

export const consumerGroupHeartbeatHandler = handler<
  Infer<typeof consumerGroupHeartbeatRequest>,
  Infer<typeof consumerGroupHeartbeatResponse>
>(apis.get(68), (request, context) => {
  const { image } = context.broker;
  if (image.featureLevel(GROUP_VERSION) === 0) return heartbeatError(ErrorCode.UNSUPPORTED_VERSION);
  if (!context.may(AclOperation.read, AclResource.group, request.groupId)) {
    return heartbeatError(ErrorCode.GROUP_AUTHORIZATION_FAILED);
  }
  const { refused } = splitByRight(
    context,
    AclOperation.describe,
    AclResource.topic,
    request.subscribedTopicNames ?? [],
    (topic) => topic,
  );
  if (refused.length > 0) return heartbeatError(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
  const { clientId, clientHost, apiVersion } = context;
  return context.groups.consumerHeartbeat(request, {
    clientId,
    // As for JoinGroup: as Java prints an address.
    clientHost: `/${clientHost}`,
    apiVersion,
    mayDescribe: (topic) => context.mayQuietly(AclOperation.describe, AclResource.topic, topic),
  });
});
