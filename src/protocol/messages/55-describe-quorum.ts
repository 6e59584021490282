/**
 * DescribeQuorum (key 55): leader, voters and observers of the metadata quorum (KIP-595). Always flexible.
 *
 * Versions: 1 when a replica last fetched, and last was caught up (KIP-836) · 2 texts of errors,
 * directory ids, the voters' addresses (KIP-853).
 */
import { array, int16, int32, int64, message, string, uint16, uuid } from '../schema.ts';

export const describeQuorumRequest = message(
  'DescribeQuorumRequest',
  { api: 55, min: 0, max: 2, flexible: 0 },
  { topics: array({ topicName: string, partitions: array({ partitionIndex: int32 }) }) },
);

const replicaStates = array({
  replicaId: int32,
  replicaDirectoryId: uuid.since(2),
  // -1 where it is not known.
  logEndOffset: int64,
  // Milliseconds since 1970 by the leader's clock.
  lastFetchTimestamp: int64.since(1).default(-1),
  lastCaughtUpTimestamp: int64.since(1).default(-1),
});

export const describeQuorumResponse = message(
  'DescribeQuorumResponse',
  { api: 55, min: 0, max: 2, flexible: 0 },
  {
    errorCode: int16,
    errorMessage: string.since(2).nullable(),
    topics: array({
      topicName: string,
      partitions: array({
        partitionIndex: int32,
        errorCode: int16,
        errorMessage: string.since(2).nullable(),
        leaderId: int32,
        leaderEpoch: int32,
        highWatermark: int64,
        currentVoters: replicaStates,
        observers: replicaStates,
      }),
    }),
    nodes: array({
      nodeId: int32,
      listeners: array({ name: string, host: string, port: uint16 }),
    }).since(2),
  },
);
