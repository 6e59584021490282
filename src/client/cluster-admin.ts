/**
 * What administrators do with brokers and replicas: who is there, who votes, which replica is where,
 * and how replicas move.
 *
 * As in `admin.ts`: methods that act on several things resolve to one result for each, with its
 * error; those that ask reject with ProtocolError.
 */
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import type { listPartitionReassignmentsResponse } from '../protocol/messages/46-list-partition-reassignments.ts';
import type { Replicas } from '../protocol/replication-factor.ts';
import type { Infer } from '../protocol/schema.ts';
import type { Result } from './admin.ts';
import { type Call, calls } from './call.ts';
import type { Client } from './client.ts';
import { byTopic, partitionKey, type TopicPartition } from './list-offsets.ts';
import type { PartitionInfo, TopicInfo } from './metadata-cache.ts';
import { retried } from './retried.ts';

export interface ClusterBroker {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
  /** Registered, but not in service. Brokers that can't tell leave fenced ones out. */
  readonly isFenced: boolean;
}

export interface ClusterBrokers {
  readonly clusterId: string;
  /** As the cluster tells clients: with a quorum of controllers it may be any broker. */
  readonly controllerId: number;
  /** By id. */
  readonly brokers: readonly ClusterBroker[];
}

export interface QuorumReplica {
  readonly id: number;
  readonly logEndOffset: number;
  /** Milliseconds since 1970; -1: not known. */
  readonly lastCaughtUpMs: number;
}

export interface QuorumDescription {
  /** The active controller. */
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly highWatermark: number;
  readonly voters: readonly QuorumReplica[];
  readonly observers: readonly QuorumReplica[];
}

export interface Reassignment extends TopicPartition {
  /** All, also those to be added and removed. */
  readonly replicas: readonly number[];
  readonly adding: readonly number[];
  readonly removing: readonly number[];
}

/** A topic whose partitions tell which replicas are being added. */
export interface AssignedTopic extends TopicInfo {
  readonly partitions: readonly (PartitionInfo & Replicas)[];
}

export interface LogDir {
  readonly path: string;
  /** Null: it works. */
  readonly error: string | null;
  /** Of the volume; -1: not told. */
  readonly totalBytes: number;
  readonly usableBytes: number;
  /** Of the logs in it. */
  readonly usedBytes: number;
  readonly partitions: number;
}

export interface ReplicaState extends TopicPartition {
  /** -1: none. */
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  /** Replicas that may lead though they are not in sync (KIP-966). */
  readonly elr: readonly number[];
  readonly lastKnownElr: readonly number[];
}

export type ElectionType = 'preferred' | 'unclean';
const ELECTION_TYPES = { preferred: 0, unclean: 1 } as const;

const METADATA_TOPIC = '__cluster_metadata';

export class ClusterAdmin {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** With the fenced ones, where the cluster tells. */
  async describeCluster(): Promise<ClusterBrokers> {
    const answer = await this.#client.request('any', calls.describeCluster, {
      includeClusterAuthorizedOperations: false,
      endpointType: 1,
      includeFencedBrokers: true,
    });
    check(answer.errorCode, 'the cluster', answer.errorMessage);
    return {
      clusterId: answer.clusterId,
      controllerId: answer.controllerId,
      brokers: answer.brokers
        .map(({ brokerId: id, host, port, rack, isFenced }) => ({ id, host, port, rack, isFenced }))
        .sort((a, b) => a.id - b.id),
    };
  }

  async describeQuorum(): Promise<QuorumDescription> {
    const body = { topics: [{ topicName: METADATA_TOPIC, partitions: [{ partitionIndex: 0 }] }] };
    const answer = await this.#asked(calls.describeQuorum, body, (r) => [r.errorCode]);
    check(answer.errorCode, 'the quorum', answer.errorMessage);
    const partition = answer.topics[0]?.partitions[0];
    if (partition === undefined) {
      throw new ProtocolError(ErrorCode.UNKNOWN_SERVER_ERROR, 'the quorum: an empty answer');
    }
    check(partition.errorCode, 'the quorum', partition.errorMessage);
    const replicasOf = (states: typeof partition.currentVoters): QuorumReplica[] =>
      states.map(({ replicaId, logEndOffset, lastCaughtUpTimestamp }) => ({
        id: replicaId,
        logEndOffset,
        lastCaughtUpMs: lastCaughtUpTimestamp,
      }));
    return {
      leaderId: partition.leaderId,
      leaderEpoch: partition.leaderEpoch,
      highWatermark: partition.highWatermark,
      voters: replicasOf(partition.currentVoters),
      observers: replicasOf(partition.observers),
    };
  }

  /** New leaders; without `partitions` of all. What needs none is left out of the results. */
  async electLeaders(
    type: ElectionType,
    partitions: readonly TopicPartition[] | null = null,
  ): Promise<Result[]> {
    const body = {
      electionType: ELECTION_TYPES[type],
      topicPartitions:
        partitions === null
          ? null
          : byTopic(partitions, (p) => p.partition).map(({ name, partitions: list }) => ({
              topic: name,
              partitions: list,
            })),
      timeoutMs: this.#client.requestTimeoutMs,
    };
    const answer = await this.#asked(calls.electLeaders, body, (r) => [r.errorCode]);
    check(answer.errorCode, 'the election');
    return answer.replicaElectionResults
      .flatMap(({ topic, partitionResult }) =>
        partitionResult.map((r) => resultOf(topic, r.partitionId, r.errorCode, r.errorMessage)),
      )
      .filter(({ error }) => error?.code !== ErrorCode.ELECTION_NOT_NEEDED);
  }

  /** Begins to move partitions to these replicas, in order of preference; null takes a move back. */
  async alterReassignments(
    moves: readonly (TopicPartition & { readonly replicas: readonly number[] | null })[],
  ): Promise<Result[]> {
    const wanted = new Map(moves.map((move) => [partitionKey(move), move.replicas]));
    const body = {
      timeoutMs: this.#client.requestTimeoutMs,
      allowReplicationFactorChange: true,
      topics: byTopic(moves, (move) => {
        const replicas = wanted.get(partitionKey(move)) ?? null;
        return {
          partitionIndex: move.partition,
          replicas: replicas === null ? null : [...replicas],
        };
      }),
    };
    const call = calls.alterPartitionReassignments;
    const answer = await this.#asked(call, body, (r) => [r.errorCode]);
    check(answer.errorCode, 'the reassignment', answer.errorMessage);
    return answer.responses.flatMap(({ name, partitions }) =>
      partitions.map((p) => resultOf(name, p.partitionIndex, p.errorCode, p.errorMessage)),
    );
  }

  /** All that are under way. */
  async listReassignments(): Promise<Reassignment[]> {
    const body = { timeoutMs: this.#client.requestTimeoutMs, topics: null };
    const call = calls.listPartitionReassignments;
    return reassignmentsOf(await this.#asked(call, body, (r) => [r.errorCode]));
  }

  /**
   * The topics with the replicas that are being added. Where all are in sync it does not matter, and
   * nobody is asked; where the cluster does not tell within `withinMs` (whoever asks may not know, or
   * there is no controller just now), every replica counts.
   */
  async assigned(topics: readonly TopicInfo[], withinMs = ADDING_MS_MAX): Promise<AssignedTopic[]> {
    const lacks = ({ isr, replicas }: PartitionInfo): boolean => isr.length < replicas.length;
    const doLack = topics.some(({ partitions }) => partitions.some(lacks));
    const adding = doLack ? await this.#adding(withinMs) : new Map<string, readonly number[]>();
    return topics.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((p) => ({
        ...p,
        adding: adding.get(partitionKey({ topic: topic.name, partition: p.index })) ?? [],
      })),
    }));
  }

  async #adding(withinMs: number): Promise<Map<string, readonly number[]>> {
    const timeoutMs = Math.min(this.#client.requestTimeoutMs, withinMs);
    const body = { timeoutMs, topics: null };
    const call = calls.listPartitionReassignments;
    try {
      const moves = reassignmentsOf(await this.#client.request('any', call, body, { timeoutMs }));
      return new Map(moves.map((move) => [partitionKey(move), move.adding]));
    } catch {
      return new Map();
    }
  }

  /** The cluster forgets the broker. */
  async unregisterBroker(brokerId: number): Promise<void> {
    const answer = await this.#asked(calls.unregisterBroker, { brokerId }, (r) => [r.errorCode]);
    check(answer.errorCode, `broker ${brokerId}`, answer.errorMessage);
  }

  /** Of one broker, which is asked itself. */
  async logDirs(brokerId: number): Promise<LogDir[]> {
    const answer = await this.#client.request(brokerId, calls.describeLogDirs, { topics: null });
    check(answer.errorCode, `log directories of broker ${brokerId}`);
    return answer.results.map((dir) => {
      const logs = dir.topics.flatMap(({ partitions }) => partitions);
      return {
        path: dir.logDir,
        error: dir.errorCode === ErrorCode.NONE ? null : errorName(dir.errorCode),
        totalBytes: dir.totalBytes,
        usableBytes: dir.usableBytes,
        usedBytes: logs.reduce((sum, { partitionSize }) => sum + partitionSize, 0),
        partitions: logs.length,
      };
    });
  }

  /** Replicas of every partition of the topics, with those that are eligible to lead. */
  async replicas(topics: readonly string[]): Promise<ReplicaState[]> {
    const found: ReplicaState[] = [];
    let cursor = null as { topicName: string; partitionIndex: number } | null;
    if (topics.length === 0) return found;
    const names = [...topics].sort();
    do {
      const from = cursor?.topicName ?? '';
      const body = {
        topics: names.filter((name) => name >= from).map((name) => ({ name })),
        responsePartitionLimit: PARTITIONS_PER_ANSWER,
        cursor,
      };
      const answer = await this.#client.request('any', calls.describeTopicPartitions, body);
      for (const { name, partitions } of answer.topics) {
        for (const p of partitions) {
          found.push({
            topic: name ?? '',
            partition: p.partitionIndex,
            leader: p.leaderId,
            replicas: p.replicaNodes,
            isr: p.isrNodes,
            elr: p.eligibleLeaderReplicas ?? [],
            lastKnownElr: p.lastKnownElr ?? [],
          });
        }
      }
      cursor = answer.nextCursor;
    } while (cursor !== null);
    return found;
  }

  /** Any broker hands it on to the controller. */
  #asked<Q, R>(call: Call<Q, R>, body: Q, codes: (response: R) => readonly number[]): Promise<R> {
    return retried(this.#client, () => this.#client.request('any', call, body), codes);
  }
}

/** Kafka's own limit. */
const PARTITIONS_PER_ANSWER = 2_000;

/** How long to wait for what only makes an answer better. */
const ADDING_MS_MAX = 3_000;

function reassignmentsOf(answer: Infer<typeof listPartitionReassignmentsResponse>): Reassignment[] {
  check(answer.errorCode, 'the reassignments', answer.errorMessage);
  return answer.topics.flatMap(({ name: topic, partitions }) =>
    partitions.map((p) => ({
      topic,
      partition: p.partitionIndex,
      replicas: p.replicas,
      adding: p.addingReplicas,
      removing: p.removingReplicas,
    })),
  );
}

const resultOf = (
  topic: string,
  partition: number,
  code: number,
  message: string | null,
): Result => {
  const name = partitionKey({ topic, partition });
  if (code === ErrorCode.NONE) return { name, error: null };
  return { name, error: new ProtocolError(code, `${name}: ${message ?? errorName(code)}`) };
};

function check(code: number, what: string, message: string | null = null): void {
  if (code !== ErrorCode.NONE) {
    throw new ProtocolError(code, `${what}: ${message ?? errorName(code)}`);
  }
}
