/**
 * FindCoordinator, v0-6: whoever leads the partition of `__consumer_offsets` that holds the group, or
 * of `__transaction_state` the transactional id. The first question has the topic created, and is
 * answered COORDINATOR_NOT_AVAILABLE until it is there and its partition has a leader.
 */
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../../cluster/topic-names.ts';
import { CoordinatorType, findCoordinator } from '../../coordinator/find-coordinator.ts';
import { AclOperation, AclResource, refusalOf } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  findCoordinatorRequest,
  findCoordinatorResponse,
} from '../../protocol/messages/10-find-coordinator.ts';
import type { Infer } from '../../protocol/schema.ts';
import { node } from '../endpoints.ts';
import { handler } from '../handler.ts';

type Request = Infer<typeof findCoordinatorRequest>;
type Response = Infer<typeof findCoordinatorResponse>;

export const findCoordinatorHandler = handler<Request, Response>(apis.get(10), (request, context) =>
  findCoordinator(
    request,
    context.apiVersion,
    (type, key) => {
      const { broker } = context;
      const isGroup = type === CoordinatorType.group;
      const name = isGroup ? OFFSETS_TOPIC : TRANSACTIONS_TOPIC;
      if (!broker.autoTopics.provide(name)) return undefined;
      const partition = (isGroup ? broker.groups : broker.transactions).partitionFor(key);
      const leader = broker.store.image.topic(name)?.partitions[partition]?.leader ?? -1;
      return node(leader, context) ?? undefined;
    },
    (type, key) => {
      const resource =
        type === CoordinatorType.group ? AclResource.group : AclResource.transactionalId;
      return context.may(AclOperation.describe, resource, key)
        ? ErrorCode.NONE
        : refusalOf[resource]!;
    },
  ),
);
