/** DescribeQuorum, v0-2: leader, voters and observers of the metadata, as the leader sees them. */
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import type {
  describeQuorumRequest,
  describeQuorumResponse,
} from '../../protocol/messages/55-describe-quorum.ts';
import { refusedBody } from '../../protocol/refused-body.ts';
import type { Infer } from '../../protocol/schema.ts';
import { controllerHandler } from '../handler.ts';
import { CLUSTER_DENIED, forCluster } from './rights.ts';

type Request = Infer<typeof describeQuorumRequest>;
type Response = Infer<typeof describeQuorumResponse>;

export const describeQuorumHandler = controllerHandler<Request, Response>(
  apis.get(55),
  forCluster(
    AclOperation.describe,
    (request, context) => context.broker.quorum.describe(request),
    (errorCode) => ({
      ...(refusedBody(apis.get(55)!, errorCode) as Response),
      errorMessage: CLUSTER_DENIED,
    }),
  ),
);
