/**
 * DescribeCluster, v0-2: the cluster's id, controller and brokers, those out of service when asked
 * for. Clients never reach a controller.
 */
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  describeClusterRequest,
  describeClusterResponse,
} from '../../protocol/messages/60-describe-cluster.ts';
import type { Infer } from '../../protocol/schema.ts';
import { clusterOperations } from '../authorized-operations.ts';
import { nodeOf } from '../endpoints.ts';
import { handler, type RequestContext } from '../handler.ts';

type Request = Infer<typeof describeClusterRequest>;
type Response = Infer<typeof describeClusterResponse>;

const BROKERS = 1;
const CONTROLLERS = 2;

export const describeClusterHandler = handler<Request, Response>(
  apis.get(60),
  (request, context) => {
    const { broker } = context;
    const { endpointType, includeFencedBrokers } = request;
    const known = endpointType === BROKERS;
    return {
      throttleTimeMs: 0,
      ...faultOf(endpointType),
      endpointType: BROKERS,
      clusterId: known ? broker.clusterId : '',
      controllerId: known ? broker.store.leaderId : -1,
      brokers: known ? brokersOf(context, includeFencedBrokers) : [],
      clusterAuthorizedOperations: clusterOperations(
        known && request.includeClusterAuthorizedOperations,
        context,
      ),
    };
  },
);

/** In Kafka's words. */
function faultOf(endpointType: number): Pick<Response, 'errorCode' | 'errorMessage'> {
  switch (endpointType) {
    case BROKERS:
      return { errorCode: ErrorCode.NONE, errorMessage: null };
    case CONTROLLERS:
      return {
        errorCode: ErrorCode.MISMATCHED_ENDPOINT_TYPE,
        errorMessage:
          'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER',
      };
    default:
      return {
        errorCode: ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
        errorMessage: `Unsupported endpoint type ${endpointType}`,
      };
  }
}

function brokersOf(context: RequestContext, withFenced: boolean): Response['brokers'] {
  const { image } = context.broker.store;
  return [...image.brokers.values()]
    .filter(({ fenced }) => withFenced || !fenced)
    .flatMap((broker) => {
      const node = nodeOf(broker, context);
      if (node === null) return [];
      const { nodeId: brokerId, host, port, rack } = node;
      return [{ brokerId, host, port, rack, isFenced: broker.fenced }];
    })
    .sort((a, b) => a.brokerId - b.brokerId);
}
