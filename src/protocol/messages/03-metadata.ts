/**
 * Metadata (key 3): the brokers, and the partitions and leaders of topics.
 *
 * Versions: 1 racks, controller, internal topics, null for all topics · 2 cluster id · 3 throttle time ·
 * 4 choice of auto-creation · 5 offline replicas (KIP-112) · 6 throttled after the answer · 7 leader epochs
 * (KIP-320) · 8 authorized operations (KIP-430) · 9 flexible · 10 topic ids (KIP-516) · 11 the cluster's
 * operations moved to DescribeCluster (KIP-700) · 12 asking by id · 13 an error of the whole answer (KIP-1102).
 */
import { array, bool, int16, int32, message, string, uuid } from '../schema.ts';

export const metadataRequest = message(
  'MetadataRequest',
  { api: 3, min: 0, max: 13, flexible: 9 },
  {
    // Null asks for every topic; in version 0 an empty array does.
    topics: array({ topicId: uuid.since(10), name: string.nullable(10) }).nullable(1),
    allowAutoTopicCreation: bool.since(4).default(true),
    includeClusterAuthorizedOperations: bool.since(8).until(10),
    includeTopicAuthorizedOperations: bool.since(8),
  },
);

export const metadataResponse = message(
  'MetadataResponse',
  { api: 3, min: 0, max: 13, flexible: 9 },
  {
    throttleTimeMs: int32.since(3),
    brokers: array({
      nodeId: int32,
      host: string,
      port: int32,
      rack: string.since(1).nullable().default(null),
    }),
    clusterId: string.since(2).nullable().default(null),
    controllerId: int32.since(1).default(-1),
    topics: array({
      errorCode: int16,
      name: string.nullable(12), // Null when asked by an id that is unknown.
      topicId: uuid.since(10),
      isInternal: bool.since(1),
      partitions: array({
        errorCode: int16,
        partitionIndex: int32,
        leaderId: int32,
        leaderEpoch: int32.since(7).default(-1),
        replicaNodes: array(int32),
        isrNodes: array(int32),
        offlineReplicas: array(int32).since(5),
      }),
      topicAuthorizedOperations: int32.since(8).default(-0x8000_0000),
    }),
    clusterAuthorizedOperations: int32.since(8).until(10).default(-0x8000_0000),
    errorCode: int16.since(13),
  },
);
