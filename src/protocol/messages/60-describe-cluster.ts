/**
 * DescribeCluster (key 60): cluster id, controller and brokers (KIP-700). Always flexible.
 *
 * Versions: 1 endpoint type (KIP-919) · 2 fenced brokers (KIP-1073).
 */
import { array, bool, int8, int16, int32, message, string } from '../schema.ts';

export const describeClusterRequest = message(
  'DescribeClusterRequest',
  { api: 60, min: 0, max: 2, flexible: 0 },
  {
    includeClusterAuthorizedOperations: bool,
    endpointType: int8.since(1).default(1), // 1 brokers, 2 controllers.
    includeFencedBrokers: bool.since(2),
  },
);

export const describeClusterResponse = message(
  'DescribeClusterResponse',
  { api: 60, min: 0, max: 2, flexible: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable().default(null),
    endpointType: int8.since(1).default(1),
    clusterId: string,
    controllerId: int32.default(-1),
    brokers: array({
      brokerId: int32,
      host: string,
      port: int32,
      rack: string.nullable().default(null),
      isFenced: bool.since(2),
    }),
    clusterAuthorizedOperations: int32.default(-0x8000_0000),
  },
);
