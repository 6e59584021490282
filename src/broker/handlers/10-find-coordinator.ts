/**
 * FindCoordinator, v0-6: the first question has `__consumer_offsets` created, and is answered
 * COORDINATOR_NOT_AVAILABLE until it is there.
 */
import { findCoordinator } from '../../coordinator/find-coordinator.ts';
import { apis } from '../../protocol/apis.ts';
import type {
  findCoordinatorRequest,
  findCoordinatorResponse,
} from '../../protocol/messages/10-find-coordinator.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

type Request = Infer<typeof findCoordinatorRequest>;
type Response = Infer<typeof findCoordinatorResponse>;

// One broker leads every partition, so the client is where it has to be already.
export const findCoordinatorHandler = handler<Request, Response>(apis.get(10), (request, context) =>
  findCoordinator(request, context.apiVersion, () =>
    context.broker.offsetsTopicReady() ? context.endpoint : undefined,
  ),
);
