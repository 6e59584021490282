/**
 * Vote (key 52): a voter of the metadata quorum asks for another one's vote (KIP-595). Always flexible.
 *
 * Versions: 1 names the voter that is asked, directory ids, the leader's address (KIP-853) ·
 * 2 pre-votes (KIP-996).
 */
import { array, bool, int16, int32, int64, message, string, uint16, uuid } from '../schema.ts';

export const voteRequest = message(
  'VoteRequest',
  { api: 52, min: 0, max: 2, flexible: 0 },
  {
    clusterId: string.nullable().default(null),
    voterId: int32.since(1).default(-1),
    topics: array({
      topicName: string,
      partitions: array({
        partitionIndex: int32,
        replicaEpoch: int32,
        replicaId: int32,
        replicaDirectoryId: uuid.since(1),
        voterDirectoryId: uuid.since(1),
        // Of the log of the one that asks: the epoch of its last record, and its end.
        lastOffsetEpoch: int32,
        lastOffset: int64,
        preVote: bool.since(2),
      }),
    }),
  },
);

export const voteResponse = message(
  'VoteResponse',
  { api: 52, min: 0, max: 2, flexible: 0 },
  {
    errorCode: int16,
    topics: array({
      topicName: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        leaderId: int32,
        leaderEpoch: int32,
        voteGranted: bool,
      }),
    }),
    nodeEndpoints: array({ nodeId: int32, host: string, port: uint16 }).since(1).tag(0),
  },
);
