/** DescribeCluster, v0-2: the cluster's id, controller and brokers. Clients never reach a controller. */
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  describeClusterRequest,
  describeClusterResponse,
} from '../../protocol/messages/60-describe-cluster.ts';
import type { Infer } from '../../protocol/schema.ts';
import { operationsOf } from '../authorized-operations.ts';
import { handler } from '../handler.ts';

type Request = Infer<typeof describeClusterRequest>;
type Response = Infer<typeof describeClusterResponse>;

const BROKERS = 1;
const CONTROLLERS = 2;

export const describeClusterHandler = handler<Request, Response>(
  apis.get(60),
  (request, context) => {
    const { broker, endpoint } = context;
    const { endpointType } = request;
    const known = endpointType === BROKERS;
    const { nodeId, host, port } = endpoint;
    return {
      throttleTimeMs: 0,
      errorCode: known
        ? ErrorCode.NONE
        : endpointType === CONTROLLERS
          ? ErrorCode.MISMATCHED_ENDPOINT_TYPE
          : ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
      errorMessage: known ? null : 'The request was sent to an endpoint of the wrong type.',
      endpointType: BROKERS,
      clusterId: known ? broker.clusterId : '',
      controllerId: known ? nodeId : -1,
      brokers: known ? [{ brokerId: nodeId, host, port, rack: broker.rack, isFenced: false }] : [],
      clusterAuthorizedOperations: operationsOf(
        'cluster',
        request.includeClusterAuthorizedOperations,
      ),
    };
  },
);
