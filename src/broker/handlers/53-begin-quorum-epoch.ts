/** BeginQuorumEpoch: for the metadata quorum; its new leader makes itself known. */
import { apis } from '../../protocol/apis.ts';
import type {
  beginQuorumEpochRequest,
  beginQuorumEpochResponse,
} from '../../protocol/messages/53-begin-quorum-epoch.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

type Request = Infer<typeof beginQuorumEpochRequest>;
type Response = Infer<typeof beginQuorumEpochResponse>;

export const beginQuorumEpochHandler = handler<Request, Response>(
  apis.get(53),
  (request, context) => context.broker.quorum.handleBeginQuorumEpoch(request),
);
