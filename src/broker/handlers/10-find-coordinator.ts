/**
 * FindCoordinator, v0-6: whoever leads the group's partition of `__consumer_offsets`. The first
 * question has the topic created, and is answered COORDINATOR_NOT_AVAILABLE until it is there and
 * its partition has a leader.
 */
import { OFFSETS_TOPIC } from '../../cluster/topic-names.ts';
import { findCoordinator } from '../../coordinator/find-coordinator.ts';
import { apis } from '../../protocol/apis.ts';
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
  findCoordinator(request, context.apiVersion, (groupId) => {
    const { broker } = context;
    if (!broker.offsetsTopicReady()) return undefined;
    const topic = broker.store.image.topic(OFFSETS_TOPIC);
    const leader = topic?.partitions[broker.groups.partitionFor(groupId)]?.leader ?? -1;
    return node(leader, context) ?? undefined;
  }),
);
