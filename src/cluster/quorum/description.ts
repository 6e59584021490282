/** DescribeQuorum, as the leader answers it. */
import { ErrorCode, errorName } from '../../protocol/error-codes.ts';
import type { Voter } from '../metadata-image.ts';
import { METADATA_TOPIC } from '../topic-names.ts';
import type { DescribeRequest, DescribeResponse } from './bodies.ts';
import type { QuorumContext } from './context.ts';
import type { Leadership } from './leadership.ts';
import { isSame } from './voters.ts';

type ReplicaState =
  DescribeResponse['topics'][number]['partitions'][number]['currentVoters'][number];

/** Observers that were silent for longer, in times of the fetch timeout, are not told of. */
const SILENT_TIMES = 20;

export function describeQuorum(
  context: QuorumContext,
  leadership: Leadership | null,
): DescribeResponse {
  const { leader, log, clock, settings } = context;
  const code = leadership === null ? ErrorCode.NOT_LEADER_OR_FOLLOWER : ErrorCode.NONE;
  const voters = log.voters.latest;
  const stateOf = (replica: Voter): ReplicaState => replicaState(context, leadership, replica);
  const since = clock.monotonic() - settings.fetchTimeoutMs * SILENT_TIMES;
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: '',
    topics: [
      {
        topicName: METADATA_TOPIC,
        partitions: [
          {
            partitionIndex: 0,
            errorCode: code,
            errorMessage: code === ErrorCode.NONE ? '' : errorName(code),
            ...leader,
            highWatermark: log.highWatermark,
            currentVoters: code === ErrorCode.NONE ? voters.map(stateOf) : [],
            observers:
              code === ErrorCode.NONE
                ? (leadership?.replicas.observers(voters, since) ?? []).map(stateOf)
                : [],
          },
        ],
      },
    ],
    nodes: code === ErrorCode.NONE ? voters.flatMap((voter) => nodeOf(context, voter)) : [],
  };
}

/** The answer to whoever asks for other partitions than that of the metadata, or for more. */
export function nothingElse({ topics }: DescribeRequest): DescribeResponse {
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: '',
    topics: topics.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        errorMessage: 'This server does not host this topic-partition.',
        leaderId: 0,
        leaderEpoch: 0,
        highWatermark: 0,
        currentVoters: [],
        observers: [],
      })),
    })),
    nodes: [],
  };
}

function replicaState(
  { self, log, clock }: QuorumContext,
  leadership: Leadership | null,
  { id: replicaId, directoryId: replicaDirectoryId }: Voter,
): ReplicaState {
  const voter = { id: replicaId, directoryId: replicaDirectoryId };
  if (isSame(voter, self)) {
    const now = clock.now();
    const times = { lastFetchTimestamp: now, lastCaughtUpTimestamp: now };
    return { replicaId, replicaDirectoryId, logEndOffset: log.endOffset, ...times };
  }
  const replica = leadership?.replicas.find(voter);
  return {
    replicaId,
    replicaDirectoryId,
    logEndOffset: replica?.endOffset ?? -1,
    lastFetchTimestamp: replica?.lastFetchTimestamp ?? -1,
    lastCaughtUpTimestamp: replica?.lastCaughtUpTimestamp ?? -1,
  };
}

function nodeOf({ log }: QuorumContext, { id }: Voter): DescribeResponse['nodes'] {
  const broker = log.image.brokers.get(id);
  if (broker === undefined) return [];
  const listeners = broker.endPoints.map(({ name, host, port }) => ({ name, host, port }));
  return [{ nodeId: id, listeners }];
}
