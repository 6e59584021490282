/**
 * BeginQuorumEpoch (key 53): the new leader of the metadata quorum makes itself known (KIP-595).
 *
 * Versions: 1 flexible, names the voter that is told, addresses (KIP-853).
 */
import { array, int16, int32, message, string, uint16, uuid } from '../schema.ts';

export const beginQuorumEpochRequest = message(
  'BeginQuorumEpochRequest',
  { api: 53, min: 0, max: 1, flexible: 1 },
  {
    clusterId: string.nullable().default(null),
    voterId: int32.since(1).default(-1),
    topics: array({
      topicName: string,
      partitions: array({
        partitionIndex: int32,
        voterDirectoryId: uuid.since(1),
        leaderId: int32,
        leaderEpoch: int32,
      }),
    }),
    leaderEndpoints: array({ name: string, host: string, port: uint16 }).since(1),
  },
);

export const beginQuorumEpochResponse = message(
  'BeginQuorumEpochResponse',
  { api: 53, min: 0, max: 1, flexible: 1 },
  {
    errorCode: int16,
    topics: array({
      topicName: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        leaderId: int32,
        leaderEpoch: int32,
      }),
    }),
    nodeEndpoints: array({ nodeId: int32, host: string, port: uint16 }).since(1).tag(0),
  },
);
