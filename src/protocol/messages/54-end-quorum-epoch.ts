/**
 * EndQuorumEpoch (key 54): the leader of the metadata quorum resigns, and says who had better be the
 * next one (KIP-595).
 *
 * Versions: 1 flexible, candidates with their directory ids, addresses (KIP-853).
 */
import { array, int16, int32, message, string, uint16, uuid } from '../schema.ts';

export const endQuorumEpochRequest = message(
  'EndQuorumEpochRequest',
  { api: 54, min: 0, max: 1, flexible: 1 },
  {
    clusterId: string.nullable().default(null),
    topics: array({
      topicName: string,
      partitions: array({
        partitionIndex: int32,
        leaderId: int32,
        leaderEpoch: int32,
        // The best one first.
        preferredSuccessors: array(int32).until(0),
        preferredCandidates: array({ candidateId: int32, candidateDirectoryId: uuid }).since(1),
      }),
    }),
    leaderEndpoints: array({ name: string, host: string, port: uint16 }).since(1),
  },
);

export const endQuorumEpochResponse = message(
  'EndQuorumEpochResponse',
  { api: 54, min: 0, max: 1, flexible: 1 },
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
