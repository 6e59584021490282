/** One pass over the partitions of a fetch: what each of them has for the one who asks. */
import type { Leadership } from '../../cluster/leadership.ts';
import type { Partition } from '../../cluster/partition.ts';
import type { LogRead } from '../../log/log-reader.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { fetchResponse } from '../../protocol/messages/01-fetch.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import type { SessionPartition } from '../fetch-session.ts';
import type { RequestContext } from '../handler.ts';
import { leaderOf, type NodeEndpoint } from '../leader-hints.ts';
import { preferredReplica } from '../preferred-replica.ts';

type Response = Infer<typeof fetchResponse>;
type PartitionAnswer = Response['responses'][number]['partitions'][number];

/** Who asks. */
export interface Fetcher {
  /** -1: a client. */
  readonly replicaId: number;
  readonly brokerEpoch: number;
  /** Of a client; '': it does not say. */
  readonly rackId: string;
  /** It may not be served by a follower. */
  readonly leaderOnly: boolean;
  readonly isolation: number;
}

export interface RoundOptions {
  /** Bytes that all partitions together may give; the first batch comes however long it is. */
  readonly room: number;
  /** Partitions that have nothing new for a follower get no answer. */
  readonly onlyNews: boolean;
  /** The second pass, after a wait: the follower's position was noted by the first. */
  readonly isLast: boolean;
}

interface Answered {
  readonly asked: SessionPartition;
  readonly answer: PartitionAnswer;
  /** Undefined: it is not held here. */
  readonly partition: Partition | undefined;
}

export const READ_COMMITTED = 1;
/** Before these versions, clients do not know KAFKA_STORAGE_ERROR, topic ids, leader hints. */
const STORAGE_ERROR_VERSION = 6;
const TOPIC_IDS_VERSION = 13;
const HINTS_VERSION = 16;

const EMPTY = Buffer.alloc(0);
const NONE_DIVERGING = { epoch: -1, endOffset: -1 };
const NO_LEADER = { leaderId: -1, leaderEpoch: -1 };
const NOT_TOLD = { offset: -1, partitionEpoch: -1 };
const NO_SNAPSHOT = { endOffset: -1, epoch: -1 };

export class FetchRound {
  readonly fetcher: Fetcher;
  readonly answers: Answered[] = [];
  readonly watched: Partition[] = [];
  readonly nodeEndpoints: NodeEndpoint[] = [];
  bytes = 0;
  /** Something that the one who asks should hear of now. */
  urgent = false;
  /** A follower has not heard of the high watermark of a partition. */
  hasNews = false;
  readonly #context: RequestContext;
  readonly #options: RoundOptions;
  #room: number;
  #releases: (() => void)[] = [];

  constructor(fetcher: Fetcher, context: RequestContext, options: RoundOptions) {
    this.fetcher = fetcher;
    this.#context = context;
    this.#options = options;
    this.#room = options.room;
  }

  get holdsBytes(): boolean {
    return this.#releases.length > 0;
  }
  /** Gives what was read back to its pool. */
  release(): void {
    const releases = this.#releases;
    this.#releases = [];
    for (const release of releases) release();
  }

  read(asked: SessionPartition): void {
    const { partitions } = this.#context.broker;
    const topic =
      asked.topic === '' ? partitions.topicById(asked.topicId) : partitions.topic(asked.topic);
    const partition = topic?.partitions[asked.partition];
    partitions.totals.fetchRequests += 1;
    try {
      const name = asked.topic === '' ? topic?.name : asked.topic;
      if (name !== undefined && !this.#mayRead(name)) {
        throw new ProtocolError(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
      }
      if (partition === undefined) {
        const isUnknownId = topic === undefined && this.#context.apiVersion >= TOPIC_IDS_VERSION;
        throw new ProtocolError(
          isUnknownId ? ErrorCode.UNKNOWN_TOPIC_ID : partitions.absenceOf(topic, asked.partition),
        );
      }
      partition.stats.fetchRequests += 1;
      if (asked.currentLeaderEpoch >= 0) partition.checkLeaderEpoch(asked.currentLeaderEpoch);
      if (this.fetcher.replicaId >= 0) this.#readForFollower(partition, asked);
      else this.#readForClient(partition, asked);
    } catch (error) {
      this.#failed(asked, partition, topic?.id, error);
    }
  }

  /**
   * Followers need a right on the cluster, consumers one on each topic. Without an authorizer too: what
   * a follower says it has counts as replicated, so nobody may speak for one who is not a broker.
   */
  #mayRead(topic: string): boolean {
    return this.fetcher.replicaId >= 0
      ? this.#context.mayToCluster(AclOperation.clusterAction)
      : this.#context.may(AclOperation.read, AclResource.topic, topic);
  }

  #failed(
    asked: SessionPartition,
    partition: Partition | undefined,
    topicId: string | undefined,
    error: unknown,
  ): void {
    const { broker, apiVersion } = this.#context;
    let code = codeOfError(error, broker.logger);
    if (partition !== undefined) partition.stats.failedFetchRequests += 1;
    broker.partitions.totals.failedFetchRequests += 1;
    broker.apiStats.get(1)?.countError(code);
    if (code === ErrorCode.KAFKA_STORAGE_ERROR && apiVersion < STORAGE_ERROR_VERSION) {
      code = ErrorCode.NOT_LEADER_OR_FOLLOWER;
    }
    this.urgent = true;
    const answer = this.#emptyAnswer(asked.partition);
    answer.errorCode = code;
    const isUnread = partition === undefined || code === ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    answer.abortedTransactions = isUnread ? [] : null;
    const wrongTerm =
      code === ErrorCode.NOT_LEADER_OR_FOLLOWER || code === ErrorCode.FENCED_LEADER_EPOCH;
    if (wrongTerm && apiVersion >= HINTS_VERSION && topicId !== undefined) {
      // Brokers know each other's addresses.
      const endpoints = this.fetcher.replicaId >= 0 ? [] : this.nodeEndpoints;
      answer.currentLeader = leaderOf(topicId, asked.partition, this.#context, endpoints);
    }
    this.answers.push({ asked, answer, partition });
  }

  #readForClient(partition: Partition, asked: SessionPartition): void {
    const { leaderOnly, isolation, rackId } = this.fetcher;
    if (leaderOnly) partition.leading();
    const { log } = partition;
    const answer = this.#emptyAnswer(asked.partition);
    answer.highWatermark = log.highWatermark;
    answer.lastStableOffset = log.lastStableFrom(asked.fetchOffset);
    answer.logStartOffset = log.logStartOffset;
    const preferred = preferredReplica(partition, rackId, asked.fetchOffset, this.#context);
    if (preferred >= 0) {
      answer.preferredReadReplica = preferred;
      this.urgent = true;
    } else if (!this.#diverges(partition, asked, answer)) {
      const isCommitted = isolation === READ_COMMITTED;
      const upTo = isCommitted ? answer.lastStableOffset : answer.highWatermark;
      const { nextOffset } = this.#readRecords(partition, asked, answer, upTo);
      if (isCommitted) {
        answer.abortedTransactions = log.abortedTransactions(asked.fetchOffset, nextOffset);
      }
    }
    this.watched.push(partition);
    this.answers.push({ asked, answer, partition });
  }

  #readForFollower(partition: Partition, asked: SessionPartition): void {
    const leadership = partition.leading();
    const { replicaId, brokerEpoch } = this.fetcher;
    const tellsTerm = asked.currentLeaderEpoch >= 0;
    const follower = leadership.checkFollower(replicaId, brokerEpoch, tellsTerm);
    const { log } = partition;
    if (this.#isQuiet(partition, asked)) {
      this.#note(leadership, asked);
      const isNews =
        asked.highWatermark !== log.highWatermark || this.#flushUpTo(leadership, asked) >= 0;
      if (!isNews) {
        this.watched.push(partition);
        return;
      }
    }
    const answer = this.#emptyAnswer(asked.partition);
    answer.logStartOffset = log.logStartOffset;
    const isHeldBack =
      partition.isLeaderThrottled &&
      !follower.isInSync &&
      this.#context.broker.partitions.leaderQuota.isExceeded;
    if (!this.#diverges(partition, asked, answer)) {
      if (!isHeldBack) this.#readRecords(partition, asked, answer, log.logEndOffset);
      this.#note(leadership, asked);
      answer.flushUpTo = this.#flushUpTo(leadership, asked);
      // It has the records already, and does not know that somebody waits for its device.
      if (answer.flushUpTo >= 0 && asked.fetchOffset >= answer.flushUpTo) this.urgent = true;
    }
    if (log.config.cleanupPolicy.includes('compact')) {
      const { replicatedTo: offset, partitionEpoch } = partition;
      answer.replicated = { offset, partitionEpoch };
      answer.removedTo = log.removedTo;
    }
    answer.highWatermark = log.highWatermark;
    answer.lastStableOffset = partition.lastStableOffset;
    if (asked.highWatermark !== log.highWatermark) this.hasNews = true;
    if (asked.logStartOffset >= 0 && asked.logStartOffset !== log.logStartOffset) {
      this.urgent = true;
    }
    if (!isHeldBack) this.watched.push(partition);
    this.answers.push({ asked, answer, partition });
  }

  /** Nothing is to be read, and nothing was to be told before. */
  #isQuiet(partition: Partition, asked: SessionPartition): boolean {
    const { log } = partition;
    return (
      this.#options.onlyNews &&
      asked.fetchOffset === log.logEndOffset &&
      asked.lastFetchedEpoch === log.latestEpoch &&
      asked.logStartOffset === log.logStartOffset
    );
  }

  /** The follower has told how far it is. */
  #note(leadership: Leadership, asked: SessionPartition): void {
    if (this.#options.isLast) return;
    leadership.followerFetches(this.fetcher.replicaId, {
      fetchOffset: asked.fetchOffset,
      flushedOffset: asked.flushedOffset,
      logStartOffset: asked.followerStart,
      brokerEpoch: this.fetcher.brokerEpoch,
    });
  }

  /** -1: it has synced what it is to. */
  #flushUpTo(leadership: Leadership, asked: SessionPartition): number {
    const flushUpTo = leadership.flushAskedOf(this.fetcher.replicaId);
    return flushUpTo <= Math.max(asked.flushedOffset, 0) ? -1 : flushUpTo;
  }

  /** KIP-595: tells where the log of the one who asks stops being ours. */
  #diverges(partition: Partition, asked: SessionPartition, answer: PartitionAnswer): boolean {
    if (asked.lastFetchedEpoch < 0) return false;
    const { log } = partition;
    const end = log.endOffsetForEpoch(asked.lastFetchedEpoch);
    if (end.epoch < 0 || asked.fetchOffset < log.logStartOffset) {
      throw new ProtocolError(ErrorCode.OFFSET_OUT_OF_RANGE);
    }
    const diverges = end.epoch < asked.lastFetchedEpoch || end.endOffset < asked.fetchOffset;
    if (!diverges) return false;
    answer.divergingEpoch = end;
    this.urgent = true;
    return true;
  }

  #readRecords(
    partition: Partition,
    asked: SessionPartition,
    answer: PartitionAnswer,
    upTo: number,
  ): LogRead {
    const bytesMax = Math.min(this.#room, Math.max(asked.partitionMaxBytes, 0));
    const bounds = { upTo, minOneMessage: this.bytes === 0 };
    const read = partition.log.read(asked.fetchOffset, bytesMax, bounds);
    if (read.release !== null) this.#releases.push(read.release);
    answer.records = read.records;
    this.bytes += read.bytes;
    this.#room = Math.max(this.#room - read.bytes, 0);
    return read;
  }

  #emptyAnswer(partitionIndex: number): PartitionAnswer {
    return {
      partitionIndex,
      errorCode: ErrorCode.NONE,
      highWatermark: -1,
      lastStableOffset: -1,
      logStartOffset: -1,
      divergingEpoch: NONE_DIVERGING,
      currentLeader: NO_LEADER,
      snapshotId: NO_SNAPSHOT,
      flushUpTo: -1,
      replicated: NOT_TOLD,
      removedTo: -1,
      abortedTransactions: this.fetcher.isolation === READ_COMMITTED ? [] : null,
      preferredReadReplica: -1,
      records: EMPTY,
    };
  }
}
