/** The bodies of the quorum's requests and answers: always one topic with one partition. */
import type { fetchRequest, fetchResponse } from '../../protocol/messages/01-fetch.ts';
import type { voteRequest, voteResponse } from '../../protocol/messages/52-vote.ts';
import type {
  beginQuorumEpochRequest,
  beginQuorumEpochResponse,
} from '../../protocol/messages/53-begin-quorum-epoch.ts';
import type {
  endQuorumEpochRequest,
  endQuorumEpochResponse,
} from '../../protocol/messages/54-end-quorum-epoch.ts';
import type {
  describeQuorumRequest,
  describeQuorumResponse,
} from '../../protocol/messages/55-describe-quorum.ts';
import type {
  fetchSnapshotRequest,
  fetchSnapshotResponse,
} from '../../protocol/messages/59-fetch-snapshot.ts';
import type { Infer } from '../../protocol/schema.ts';
import type { Voter } from '../metadata-image.ts';
import { METADATA_TOPIC } from '../topic-names.ts';
import type { SnapshotId } from './snapshots.ts';

/** Kafka's id of its own metadata topic. */
export const METADATA_TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';

export type VoteRequest = Infer<typeof voteRequest>;
export type VoteResponse = Infer<typeof voteResponse>;
export type BeginRequest = Infer<typeof beginQuorumEpochRequest>;
export type BeginResponse = Infer<typeof beginQuorumEpochResponse>;
export type EndRequest = Infer<typeof endQuorumEpochRequest>;
export type EndResponse = Infer<typeof endQuorumEpochResponse>;
export type DescribeRequest = Infer<typeof describeQuorumRequest>;
export type DescribeResponse = Infer<typeof describeQuorumResponse>;
export type FetchRequest = Infer<typeof fetchRequest>;
export type FetchResponse = Infer<typeof fetchResponse>;
export type FetchPartition = FetchRequest['topics'][number]['partitions'][number];
export type FetchAnswer = FetchResponse['responses'][number]['partitions'][number];
export type SnapshotRequest = Infer<typeof fetchSnapshotRequest>;
export type SnapshotResponse = Infer<typeof fetchSnapshotResponse>;

/** Who leads, as far as the one that answers knows. */
export interface Leader {
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

/** Of what follows the topic: one partition, 0. */
const topicOf = <P>(partition: P) => [{ topicName: METADATA_TOPIC, partitions: [partition] }];

export const voteRequestOf = (options: {
  readonly clusterId: string | null;
  readonly epoch: number;
  readonly from: Voter;
  readonly to: Voter;
  readonly lastEpoch: number;
  readonly endOffset: number;
  readonly preVote: boolean;
}): VoteRequest => ({
  clusterId: options.clusterId,
  voterId: options.to.id,
  topics: topicOf({
    partitionIndex: 0,
    replicaEpoch: options.epoch,
    replicaId: options.from.id,
    replicaDirectoryId: options.from.directoryId,
    voterDirectoryId: options.to.directoryId,
    lastOffsetEpoch: options.lastEpoch,
    lastOffset: options.endOffset,
    preVote: options.preVote,
  }),
});

export const voteResponseOf = (
  errorCode: number,
  leader: Leader,
  voteGranted: boolean,
): VoteResponse => ({
  errorCode: 0,
  topics: topicOf({ partitionIndex: 0, errorCode, ...leader, voteGranted }),
  nodeEndpoints: [],
});

export const beginRequestOf = (
  clusterId: string | null,
  to: Voter,
  leader: Leader,
): BeginRequest => ({
  clusterId,
  voterId: to.id,
  topics: topicOf({ partitionIndex: 0, voterDirectoryId: to.directoryId, ...leader }),
  leaderEndpoints: [],
});

export const endRequestOf = (
  clusterId: string | null,
  candidates: readonly Voter[],
  leader: Leader,
): EndRequest => ({
  clusterId,
  topics: topicOf({
    partitionIndex: 0,
    ...leader,
    preferredSuccessors: candidates.map(({ id }) => id),
    preferredCandidates: candidates.map(({ id, directoryId }) => ({
      candidateId: id,
      candidateDirectoryId: directoryId,
    })),
  }),
  leaderEndpoints: [],
});

/** Of BeginQuorumEpoch and EndQuorumEpoch, which are answered alike. */
export const epochResponseOf = (errorCode: number, leader: Leader): BeginResponse => ({
  errorCode: 0,
  topics: topicOf({ partitionIndex: 0, errorCode, ...leader }),
  nodeEndpoints: [],
});

/** The answer to a request that names no partition of ours, or another cluster. */
export const refusalOf = (errorCode: number) => ({ errorCode, topics: [], nodeEndpoints: [] });

export const fetchRequestOf = (options: {
  readonly clusterId: string | null;
  readonly from: Voter;
  readonly epoch: number;
  readonly fetchOffset: number;
  readonly lastEpoch: number;
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly maxWaitMs: number;
  readonly maxBytes: number;
}): FetchRequest => ({
  clusterId: options.clusterId,
  replicaId: options.from.id,
  replicaState: { replicaId: options.from.id, replicaEpoch: -1 },
  maxWaitMs: options.maxWaitMs,
  minBytes: 0,
  maxBytes: options.maxBytes,
  isolationLevel: 0,
  sessionId: 0,
  sessionEpoch: -1,
  topics: [
    {
      topic: '',
      topicId: METADATA_TOPIC_ID,
      partitions: [
        {
          partition: 0,
          currentLeaderEpoch: options.epoch,
          fetchOffset: options.fetchOffset,
          lastFetchedEpoch: options.lastEpoch,
          logStartOffset: options.logStartOffset,
          partitionMaxBytes: options.maxBytes,
          replicaDirectoryId: options.from.directoryId,
          highWatermark: options.highWatermark,
          flushedOffset: -1,
        },
      ],
    },
  ],
  forgottenTopicsData: [],
  rackId: '',
});

const NONE_DIVERGING = { epoch: -1, endOffset: -1 };
const NO_SNAPSHOT = { endOffset: -1, epoch: -1 };
const EMPTY = Buffer.alloc(0);

export const fetchAnswerOf = (more: Partial<FetchAnswer>): FetchAnswer => ({
  partitionIndex: 0,
  errorCode: 0,
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  divergingEpoch: NONE_DIVERGING,
  currentLeader: { leaderId: -1, leaderEpoch: -1 },
  snapshotId: NO_SNAPSHOT,
  flushUpTo: -1,
  replicated: { offset: -1, partitionEpoch: -1 },
  removedTo: -1,
  abortedTransactions: null,
  preferredReadReplica: -1,
  records: EMPTY,
  ...more,
});

export const fetchResponseOf = (answer: FetchAnswer | null, errorCode = 0): FetchResponse => ({
  throttleTimeMs: 0,
  errorCode,
  sessionId: 0,
  responses:
    answer === null ? [] : [{ topic: '', topicId: METADATA_TOPIC_ID, partitions: [answer] }],
  nodeEndpoints: [],
});

/** Of a broker that follows the metadata log; clients have no access to it. */
export const isMetadataFetch = (request: FetchRequest): boolean =>
  request.topics[0]?.topicId === METADATA_TOPIC_ID &&
  Math.max(request.replicaState.replicaId, request.replicaId) >= 0;

/** The one partition of a Fetch that is for the metadata log; null: it is not. */
export function metadataPartitionOf(request: FetchRequest): FetchPartition | null {
  const [topic, ...otherTopics] = request.topics;
  if (topic?.topicId !== METADATA_TOPIC_ID || otherTopics.length > 0) return null;
  const [partition, ...others] = topic.partitions;
  return partition?.partition === 0 && others.length === 0 ? partition : null;
}

export const snapshotRequestOf = (options: {
  readonly clusterId: string | null;
  readonly from: Voter;
  readonly epoch: number;
  readonly id: SnapshotId;
  readonly position: number;
  readonly maxBytes: number;
}): SnapshotRequest => ({
  clusterId: options.clusterId,
  replicaId: options.from.id,
  maxBytes: options.maxBytes,
  topics: [
    {
      name: METADATA_TOPIC,
      partitions: [
        {
          partition: 0,
          currentLeaderEpoch: options.epoch,
          snapshotId: { endOffset: options.id.endOffset, epoch: options.id.epoch },
          position: options.position,
          replicaDirectoryId: options.from.directoryId,
        },
      ],
    },
  ],
});

export const snapshotResponseOf = (
  errorCode: number,
  id: SnapshotId,
  leader: Leader,
  part: { readonly bytes: Buffer; readonly position: number; readonly size: number } = {
    bytes: EMPTY,
    position: 0,
    size: 0,
  },
): SnapshotResponse => ({
  throttleTimeMs: 0,
  errorCode: 0,
  topics: [
    {
      name: METADATA_TOPIC,
      partitions: [
        {
          index: 0,
          errorCode,
          snapshotId: { endOffset: id.endOffset, epoch: id.epoch },
          currentLeader: { ...leader },
          size: part.size,
          position: part.position,
          unalignedRecords: part.bytes,
        },
      ],
    },
  ],
  nodeEndpoints: [],
});
