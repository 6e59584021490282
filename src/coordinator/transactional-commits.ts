/**
 * TxnOffsetCommit, and the markers that decide what becomes of it: offsets of a group that a producer
 * commits together with what it has written (KIP-98, KIP-447).
 */
import { ZERO_UUID } from '../base/bytes.ts';
import type { Verification } from '../log/verification.ts';
import type { MarkerBatch } from '../protocol/end-transaction-marker.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type {
  txnOffsetCommitRequest,
  txnOffsetCommitResponse,
} from '../protocol/messages/28-txn-offset-commit.ts';
import type { Infer } from '../protocol/schema.ts';
import type { AnyGroup } from './any-group.ts';
import type { ConsumerGroup } from './consumer/consumer-group.ts';
import { checkConsumerCommit } from './consumer/offset-checks.ts';
import type { GroupShard } from './group-shard.ts';
import type { Shards } from './shards.ts';
import type { TopicDirectory } from './topic-directory.ts';

export type TxnCommitRequest = Infer<typeof txnOffsetCommitRequest>;
export type TxnCommitResponse = Infer<typeof txnOffsetCommitResponse>;

export interface Admission {
  readonly code: number;
  readonly verification: Verification | null;
}

/** Asks the coordinator of transactions; the broker provides it. */
export interface TransactionGate {
  /**
   * Whether the partition of `__consumer_offsets` belongs to the producer's transaction; from
   * version 5 of the API on it is made to.
   */
  admit(partition: number, request: TxnCommitRequest, apiVersion: number): Promise<Admission>;
}

/** From here on clients bear that the coordinator says that it is loading. */
const LOADING_VERSION = 2;

export class TransactionalCommits {
  readonly #shards: Shards;
  readonly #topics: TopicDirectory;
  readonly #gate: TransactionGate;

  constructor(shards: Shards, topics: TopicDirectory, gate: TransactionGate) {
    this.#shards = shards;
    this.#topics = topics;
    this.#gate = gate;
  }

  async commit(request: TxnCommitRequest, apiVersion: number): Promise<TxnCommitResponse> {
    const isKnown = (topic: string, partition: number): boolean =>
      this.#topics.hasPartition(topic, partition);
    const known = request.topics.flatMap((topic) => {
      const partitions = topic.partitions.filter((p) => isKnown(topic.name, p.partitionIndex));
      return partitions.length === 0 ? [] : [{ ...topic, partitions }];
    });
    const stored =
      known.length === 0 ? new Map() : await this.#store({ ...request, topics: known }, apiVersion);
    const codeOf = (topic: string, partition: number): number => {
      if (!isKnown(topic, partition)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      const code = typeof stored === 'number' ? stored : stored.get(`${partition} ${topic}`)!;
      const mustHide = code === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
      return mustHide && apiVersion < LOADING_VERSION ? ErrorCode.COORDINATOR_NOT_AVAILABLE : code;
    };
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: codeOf(name, partitionIndex),
      })),
    }));
    return { throttleTimeMs: 0, topics };
  }

  /** One code for all, or a code for each `partition topic`. */
  async #store(
    request: TxnCommitRequest,
    apiVersion: number,
  ): Promise<number | ReadonlyMap<string, number>> {
    const { groupId } = request;
    const refusal = this.#shards.routeMember(groupId);
    if (typeof refusal === 'number') return refusal;
    const partition = this.#shards.partitionFor(groupId);
    const { code, verification } = await this.#gate.admit(partition, request, apiVersion);
    if (code !== ErrorCode.NONE) return code;
    const shard = this.#shards.routeMember(groupId);
    if (typeof shard === 'number') return shard;
    const group = this.#group(shard, request);
    if (typeof group === 'number') return group;
    const codes = await shard.offsets.commitInTransaction(group, request, {
      verification,
      topicId: (topic) => this.#topicId(topic),
    });
    if ([...codes.values()].every((one) => one !== ErrorCode.NONE)) shard.tidy(group);
    return codes;
  }

  #group(shard: GroupShard, request: TxnCommitRequest): AnyGroup | number {
    const known = shard.groups.get(request.groupId);
    if (known === undefined) {
      if (request.generationId >= 0) return ErrorCode.ILLEGAL_GENERATION;
      if (this.#shards.refusesNewGroup()) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
      return shard.create(request.groupId);
    }
    const code = checkTransactionalCommit(known, request, (name) => this.#topicId(name));
    return code === ErrorCode.NONE ? known : code;
  }

  #topicId(name: string): string {
    return this.#topics.topicId(name) ?? ZERO_UUID;
  }

  /** A transaction has ended, as far as the partition of `__consumer_offsets` is concerned. */
  complete(
    partition: number,
    marker: MarkerBatch & { readonly transactionVersion: number },
  ): Promise<number> {
    const shard = this.#shards.at(partition);
    if (typeof shard === 'number') return Promise.resolve(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    return shard.endTransaction(marker);
  }
}

/** Whether the member may commit; old clients do not say who they are, and may. */
function checkTransactionalCommit(
  group: AnyGroup,
  request: TxnCommitRequest,
  topicId: (name: string) => string,
): number {
  const { generationId, memberId, groupInstanceId } = request;
  if (generationId < 0 && memberId === '' && groupInstanceId === null) return ErrorCode.NONE;
  if (group.type === 'consumer') return checkConsumerMember(group, request, topicId);
  if (generationId < 0 && group.state === 'Empty') return ErrorCode.NONE;
  const code = group.checkMember(memberId, groupInstanceId);
  if (code !== ErrorCode.NONE) return code;
  return generationId === group.generation ? ErrorCode.NONE : ErrorCode.ILLEGAL_GENERATION;
}

function checkConsumerMember(
  group: ConsumerGroup,
  request: TxnCommitRequest,
  topicId: (name: string) => string,
): number {
  const topics = request.topics.map((topic) => ({ ...topic, topicId: topicId(topic.name) }));
  const commit = { ...request, generationIdOrMemberEpoch: request.generationId };
  // Producers know nothing of the versions of OffsetCommit, and no epochs.
  const anyVersion = Number.MAX_SAFE_INTEGER;
  const code = checkConsumerCommit(
    group,
    { ...commit, retentionTimeMs: -1, topics },
    topics,
    anyVersion,
  );
  return code === ErrorCode.STALE_MEMBER_EPOCH ? ErrorCode.ILLEGAL_GENERATION : code;
}
