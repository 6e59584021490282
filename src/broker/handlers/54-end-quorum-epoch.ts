/** EndQuorumEpoch: for the metadata quorum; its leader resigns. */
import { apis } from '../../protocol/apis.ts';
import type {
  endQuorumEpochRequest,
  endQuorumEpochResponse,
} from '../../protocol/messages/54-end-quorum-epoch.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

type Request = Infer<typeof endQuorumEpochRequest>;
type Response = Infer<typeof endQuorumEpochResponse>;

export const endQuorumEpochHandler = handler<Request, Response>(apis.get(54), (request, context) =>
  context.broker.quorum.handleEndQuorumEpoch(request),
);
