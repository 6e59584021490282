/** What other members ask of this one: bodies in, bodies out. */
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { Voter } from '../metadata-image.ts';
import { METADATA_TOPIC } from '../topic-names.ts';
import {
  type BeginRequest,
  type BeginResponse,
  type DescribeRequest,
  type DescribeResponse,
  type EndRequest,
  type EndResponse,
  epochResponseOf,
  type FetchAnswer,
  type FetchPartition,
  type FetchRequest,
  type FetchResponse,
  fetchAnswerOf,
  fetchResponseOf,
  metadataPartitionOf,
  refusalOf,
  type SnapshotRequest,
  type SnapshotResponse,
  snapshotResponseOf,
  type VoteRequest,
  type VoteResponse,
  voteResponseOf,
} from './bodies.ts';
import type { QuorumContext } from './context.ts';
import { describeQuorum, nothingElse } from './description.ts';
import type { Leadership } from './leadership.ts';

/** What the member does about them. */
export interface Member {
  leadership(): Leadership | null;
  /** Nobody leads as far as it knows. */
  wouldVote(): boolean;
  /**
   * Gives the vote of `epoch`, which is not before its own, if it may. Throws ProtocolError when
   * that could not be written down.
   */
  vote(candidate: Voter, epoch: number): boolean;
  leaderResigned(candidates: readonly Voter[]): void;
}

const SNAPSHOT_PART_BYTES_MAX = 1024 * 1024;
const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';

export class Requests {
  readonly #context: QuorumContext;
  readonly #member: Member;

  constructor(context: QuorumContext, member: Member) {
    this.#context = context;
    this.#member = member;
  }

  #isOtherCluster(clusterId: string | null): boolean {
    const own = this.#context.clusterId;
    return clusterId !== null && own !== null && clusterId !== own;
  }

  /**
   * Throws ProtocolError unless it comes from a broker of this cluster: nobody else may make it
   * believe in another epoch.
   */
  #checkSender(clusterId: string | null, id: number): void {
    const { clusterId: own } = this.#context;
    if (own !== null && clusterId !== own) {
      throw new ProtocolError(ErrorCode.INCONSISTENT_CLUSTER_ID);
    }
    if (!this.#context.others().includes(id)) throw new ProtocolError(ErrorCode.INVALID_VOTER_KEY);
  }

  vote(request: VoteRequest): VoteResponse {
    if (this.#isOtherCluster(request.clusterId))
      return refusalOf(ErrorCode.INCONSISTENT_CLUSTER_ID);
    const asked = partitionOf(request.topics);
    if (asked === null) return refusalOf(ErrorCode.INVALID_REQUEST);
    try {
      this.#checkSender(request.clusterId, asked.replicaId);
      const granted = this.#votes(request.voterId, asked);
      return voteResponseOf(ErrorCode.NONE, this.#context.leader, granted);
    } catch (error) {
      return voteResponseOf(codeOf(error), this.#context.leader, false);
    }
  }

  #votes(voterId: number, asked: VoteRequest['topics'][number]['partitions'][number]): boolean {
    const { self, log } = this.#context;
    if (voterId >= 0 && !isMeant({ id: voterId, directoryId: asked.voterDirectoryId }, self)) {
      throw new ProtocolError(ErrorCode.INVALID_VOTER_KEY);
    }
    this.#checkEpoch(asked.replicaEpoch);
    const ownEpoch = log.lastEpoch;
    const isUpToDate =
      asked.lastOffsetEpoch > ownEpoch ||
      (asked.lastOffsetEpoch === ownEpoch && asked.lastOffset >= log.endOffset);
    if (isUpToDate && !asked.preVote) {
      const candidate = { id: asked.replicaId, directoryId: asked.replicaDirectoryId };
      return this.#member.vote(candidate, asked.replicaEpoch);
    }
    this.#context.learn(asked.replicaEpoch, -1);
    return isUpToDate && this.#member.wouldVote();
  }

  #checkEpoch(epoch: number): void {
    if (epoch < this.#context.epoch) throw new ProtocolError(ErrorCode.FENCED_LEADER_EPOCH);
  }

  begin(request: BeginRequest): BeginResponse {
    if (this.#isOtherCluster(request.clusterId))
      return refusalOf(ErrorCode.INCONSISTENT_CLUSTER_ID);
    const told = partitionOf(request.topics);
    if (told === null) return refusalOf(ErrorCode.INVALID_REQUEST);
    return this.#epochAnswer(() => {
      this.#checkSender(request.clusterId, told.leaderId);
      this.#checkEpoch(told.leaderEpoch);
      this.#context.learn(told.leaderEpoch, told.leaderId);
    });
  }

  end(request: EndRequest): EndResponse {
    if (this.#isOtherCluster(request.clusterId))
      return refusalOf(ErrorCode.INCONSISTENT_CLUSTER_ID);
    const told = partitionOf(request.topics);
    if (told === null) return refusalOf(ErrorCode.INVALID_REQUEST);
    return this.#epochAnswer(() => {
      this.#checkSender(request.clusterId, told.leaderId);
      this.#checkEpoch(told.leaderEpoch);
      this.#context.learn(told.leaderEpoch, -1);
      const known = this.#context.leader.leaderId;
      if (known >= 0 && known !== told.leaderId) return;
      if (this.#member.leadership() !== null) return;
      this.#member.leaderResigned(
        told.preferredCandidates.map(({ candidateId: id, candidateDirectoryId: directoryId }) => ({
          id,
          directoryId,
        })),
      );
    });
  }

  #epochAnswer(action: () => void): BeginResponse {
    try {
      action();
    } catch (error) {
      return epochResponseOf(codeOf(error), this.#context.leader);
    }
    return epochResponseOf(ErrorCode.NONE, this.#context.leader);
  }

  async fetch(request: FetchRequest): Promise<FetchResponse> {
    if (this.#isOtherCluster(request.clusterId)) {
      return fetchResponseOf(null, ErrorCode.INCONSISTENT_CLUSTER_ID);
    }
    const partition = metadataPartitionOf(request);
    if (partition === null) return fetchResponseOf(null, ErrorCode.INVALID_REQUEST);
    try {
      return fetchResponseOf(await this.#fetch(request, partition));
    } catch (error) {
      return fetchResponseOf(this.#fetchError(codeOf(error)));
    }
  }

  #fetch(request: FetchRequest, partition: FetchPartition): Promise<FetchAnswer> | FetchAnswer {
    const { epoch } = this.#context;
    const leadership = this.#member.leadership();
    if (leadership === null) return this.#fetchError(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    if (partition.currentLeaderEpoch < epoch) {
      return this.#fetchError(ErrorCode.FENCED_LEADER_EPOCH);
    }
    if (partition.currentLeaderEpoch > epoch) {
      return this.#fetchError(ErrorCode.UNKNOWN_LEADER_EPOCH);
    }
    const replicaId = Math.max(request.replicaState.replicaId, request.replicaId);
    return leadership.fetch(partition, replicaId, request);
  }

  #fetchError(errorCode: number): FetchAnswer {
    return fetchAnswerOf({ errorCode, currentLeader: { ...this.#context.leader } });
  }

  fetchSnapshot(request: SnapshotRequest): SnapshotResponse {
    const { log, leader, epoch } = this.#context;
    const asked = request.topics[0]?.partitions[0];
    if (this.#isOtherCluster(request.clusterId) || asked?.partition !== 0) {
      const code =
        asked === undefined ? ErrorCode.INVALID_REQUEST : ErrorCode.INCONSISTENT_CLUSTER_ID;
      return { ...snapshotResponseOf(code, NO_SNAPSHOT, leader), topics: [], errorCode: code };
    }
    const { snapshotId: id, position, currentLeaderEpoch } = asked;
    const refused = (code: number): SnapshotResponse => snapshotResponseOf(code, id, leader);
    const leadership = this.#member.leadership();
    if (leadership === null) return refused(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    if (currentLeaderEpoch < epoch) return refused(ErrorCode.FENCED_LEADER_EPOCH);
    if (currentLeaderEpoch > epoch) return refused(ErrorCode.UNKNOWN_LEADER_EPOCH);
    const bytesMax = Math.min(request.maxBytes, SNAPSHOT_PART_BYTES_MAX);
    try {
      const part = log.onDisk('read a snapshot of', () =>
        log.snapshots.readPart(id, position, bytesMax),
      );
      if (part === null) return refused(ErrorCode.SNAPSHOT_NOT_FOUND);
      if (position < 0 || position >= part.size) return refused(ErrorCode.POSITION_OUT_OF_RANGE);
      leadership.heardOf(request.replicaId, asked.replicaDirectoryId);
      return snapshotResponseOf(ErrorCode.NONE, id, leader, { ...part, position });
    } catch (error) {
      return refused(codeOf(error));
    }
  }

  describe(request: DescribeRequest): DescribeResponse {
    const { topics } = request;
    const isMetadata = topics.length === 1 && topics[0]?.partitions.length === 1;
    if (!isMetadata || partitionOf(topics) === null) return nothingElse(request);
    return describeQuorum(this.#context, this.#member.leadership());
  }
}

const NO_SNAPSHOT = { endOffset: -1, epoch: -1 };

/** The one partition of a request, when it is that of the metadata. */
function partitionOf<P extends { readonly partitionIndex: number }>(
  topics: readonly { readonly topicName: string; readonly partitions: readonly P[] }[],
): P | null {
  const [topic] = topics;
  const partition = topic?.topicName === METADATA_TOPIC ? topic.partitions[0] : undefined;
  return partition?.partitionIndex === 0 ? partition : null;
}

const isMeant = (meant: Voter, self: Voter): boolean =>
  meant.id === self.id &&
  (meant.directoryId === self.directoryId || meant.directoryId === ZERO_UUID);

function codeOf(error: unknown): number {
  if (error instanceof ProtocolError) return error.code;
  throw error;
}
