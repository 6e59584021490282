/** DescribeQuorum, v0-2: leader, voters and observers of the metadata, as the leader sees them. */
import { apis } from '../../protocol/apis.ts';
import type {
  describeQuorumRequest,
  describeQuorumResponse,
} from '../../protocol/messages/55-describe-quorum.ts';
import type { Infer } from '../../protocol/schema.ts';
import { controllerHandler } from '../handler.ts';

type Request = Infer<typeof describeQuorumRequest>;
type Response = Infer<typeof describeQuorumResponse>;

export const describeQuorumHandler = controllerHandler<Request, Response>(
  apis.get(55),
  (request, context) => context.broker.quorum.describe(request),
);
