/**
 * What is known of the cluster: brokers, and the partitions and leaders of the topics in use.
 *
 * Refreshes are shared (one under way, the next one waits for it), at least a backoff apart, and
 * repeat at `maxAgeMs` while a topic is in use, so that new partitions and leaders are noticed. What
 * is known stays when a refresh fails.
 */

import { ZERO_UUID } from '../base/bytes.ts';
import { sleep, type Timer } from '../base/clock.ts';
import { OperatingError, reasonOf } from '../base/errors.ts';
import { ErrorCode, errorName, isRetriable, ProtocolError } from '../protocol/error-codes.ts';
import type { metadataResponse } from '../protocol/messages/03-metadata.ts';
import type { Infer } from '../protocol/schema.ts';
import { backoffMs } from './backoff.ts';
import { calls } from './call.ts';
import type { Client } from './client.ts';

export interface BrokerNode {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

export interface PartitionInfo {
  readonly index: number;
  /** Broker id, -1 while there is none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  readonly offlineReplicas: readonly number[];
  readonly errorCode: number;
}

export interface TopicInfo {
  readonly name: string;
  /** `ZERO_UUID` where the broker has no ids. */
  readonly id: string;
  readonly isInternal: boolean;
  readonly errorCode: number;
  /** By partition index. */
  readonly partitions: readonly PartitionInfo[];
}

/** What a broker that refuses a request says of the leader (KIP-951). */
export interface LeaderHint {
  readonly topic: string;
  readonly partition: number;
  readonly leader: number;
  readonly leaderEpoch: number;
}

/** How long a broker may take for an answer before another one is asked, milliseconds. */
const ANSWER_MS_MAX = 5_000;

/** Topics whose metadata is kept fresh. */
const TOPICS_MAX = 10_000;

export class MetadataCache {
  readonly #client: Client;
  readonly #maxAgeMs: number;
  readonly #watched = new Set<string>();
  readonly #listeners = new Set<() => void>();
  #topics = new Map<string, TopicInfo>();
  #names = new Map<string, string>();
  #brokers: ReadonlyMap<number, BrokerNode> = new Map();
  #clusterId: string | null = null;
  #controllerId = -1;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #failures = 0;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | null = null;
  /** Whether asking for a topic may create it, where the broker does that. */
  allowAutoCreate = true;

  constructor(client: Client, maxAgeMs: number) {
    this.#client = client;
    this.#maxAgeMs = maxAgeMs;
  }

  get brokers(): ReadonlyMap<number, BrokerNode> {
    return this.#brokers;
  }
  get clusterId(): string | null {
    return this.#clusterId;
  }
  /** -1: unknown. */
  get controllerId(): number {
    return this.#controllerId;
  }
  /** What is known of a topic; does not ask. */
  topic(name: string): TopicInfo | undefined {
    return this.#topics.get(name);
  }
  topicName(id: string): string | undefined {
    return this.#names.get(id);
  }
  partition(topic: string, index: number): PartitionInfo | undefined {
    return this.#topics.get(topic)?.partitions[index];
  }
  /** The leader's broker id, or -1. */
  leader(topic: string, partition: number): number {
    const leader = this.partition(topic, partition)?.leader ?? -1;
    return this.#brokers.has(leader) ? leader : -1;
  }

  /** Called after every change that was learnt, and every refresh; returns how to stop. */
  onUpdate(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes over leaders of newer terms than are known, with the brokers they are. */
  learn(
    hints: readonly LeaderHint[],
    nodes: Iterable<Omit<BrokerNode, 'id'> & { nodeId: number }>,
  ) {
    let brokers: Map<number, BrokerNode> | null = null;
    for (const { nodeId: id, host, port, rack } of nodes) {
      const known = this.#brokers.get(id);
      if (known !== undefined && known.host === host && known.port === port) continue;
      brokers ??= new Map(this.#brokers);
      brokers.set(id, { id, host, port, rack });
    }
    if (brokers !== null) this.#brokers = brokers;
    let isNew = false;
    for (const { topic: name, partition: index, leader, leaderEpoch } of hints) {
      const topic = this.#topics.get(name);
      const old = topic?.partitions[index];
      if (topic === undefined || old === undefined || old.leaderEpoch >= leaderEpoch) continue;
      const told = { ...old, leader, leaderEpoch, errorCode: ErrorCode.NONE };
      const partitions = topic.partitions.with(index, told);
      this.#topics.set(name, { ...topic, partitions });
      isNew = true;
    }
    if (isNew) for (const listener of this.#listeners) listener();
  }

  /** Keeps a topic's metadata known from the next refresh on. */
  watch(topic: string): void {
    if (this.#watched.has(topic)) return;
    if (this.#watched.size >= TOPICS_MAX) {
      throw new OperatingError('too-many-topics', `a client uses at most ${TOPICS_MAX} topics`);
    }
    this.#watched.add(topic);
  }
  unwatch(topic: string): void {
    this.#watched.delete(topic);
  }

  /**
   * Asks once for the watched topics; waits for a refresh that starts after the call. Rejects with
   * what the request failed with.
   */
  refresh(): Promise<void> {
    if (this.#running === null) return (this.#running = this.#refresh());
    const start = (): Promise<void> => {
      this.#next = null;
      return (this.#running = this.#refresh());
    };
    return (this.#next ??= this.#running.then(start, start));
  }

  /** Asks in the background, and again until it succeeds. Returns at once. */
  requestRefresh(): void {
    if (this.#next !== null || this.#client.isClosed) return;
    this.refresh().catch((error: unknown) => {
      this.#client.logger.debug('metadata refresh failed', { 'error.message': reasonOf(error) });
      this.requestRefresh();
    });
  }

  /**
   * The topic, asked for until it is there with the leaders of `partitions` (of all without), for at
   * most the client's request timeout. Throws ProtocolError with the topic's error
   * (UNKNOWN_TOPIC_OR_PARTITION, …).
   */
  async require(name: string, partitions?: readonly number[]): Promise<TopicInfo> {
    this.watch(name);
    const deadline = this.#client.clock.monotonic() + this.#client.requestTimeoutMs;
    for (;;) {
      const topic = this.#topics.get(name);
      if (topic !== undefined && isComplete(topic, partitions)) return topic;
      const code = topic?.errorCode ?? ErrorCode.NONE;
      if (!isRetriable(code) && code !== ErrorCode.NONE) throw topicError(name, code);
      if (this.#client.clock.monotonic() >= deadline) {
        throw topicError(name, code === ErrorCode.NONE ? ErrorCode.LEADER_NOT_AVAILABLE : code);
      }
      try {
        await this.refresh();
      } catch (error) {
        // Brokers that were there may come back; who never was is reported at once.
        if (this.#brokers.size === 0 || !isAway(error)) throw error;
      }
    }
  }

  close(): void {
    this.#timer?.cancel();
  }

  async #refresh(): Promise<void> {
    const { clock, random, retryBackoff } = this.#client;
    const pause = backoffMs(retryBackoff, Math.max(1, this.#failures), random);
    const wait = this.#refreshedAt + pause - clock.monotonic();
    try {
      if (wait > 0) await sleep(clock, wait);
      this.#refreshedAt = clock.monotonic();
      const topics = [...this.#watched].map((name) => ({ topicId: ZERO_UUID, name }));
      this.#apply(
        await this.#client.request(
          'next',
          calls.metadata,
          {
            topics,
            allowAutoTopicCreation: this.allowAutoCreate,
            includeClusterAuthorizedOperations: false,
            includeTopicAuthorizedOperations: false,
          },
          { timeoutMs: Math.min(this.#client.requestTimeoutMs, ANSWER_MS_MAX) },
        ),
      );
      this.#failures = 0;
    } catch (error) {
      this.#failures++;
      throw error;
    } finally {
      this.#running = null;
      this.#schedule();
    }
    for (const listener of this.#listeners) listener();
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (this.#client.isClosed || this.#watched.size === 0) return;
    this.#timer = this.#client.clock.after(this.#maxAgeMs, () => this.requestRefresh());
  }

  #apply(response: Infer<typeof metadataResponse>): void {
    if (response.errorCode !== ErrorCode.NONE) throw new ProtocolError(response.errorCode);
    const brokers = response.brokers.map(({ nodeId, host, port, rack }): [number, BrokerNode] => [
      nodeId,
      { id: nodeId, host, port, rack },
    ]);
    this.#brokers = new Map(brokers);
    this.#clusterId = response.clusterId;
    this.#controllerId = response.controllerId;
    const before = this.#topics;
    this.#topics = new Map();
    this.#names = new Map();
    for (const answered of response.topics) {
      if (answered.name === null) continue;
      const topic = newer(before.get(answered.name), topicInfo(answered.name, answered));
      this.#topics.set(topic.name, topic);
      if (topic.id !== ZERO_UUID) this.#names.set(topic.id, topic.name);
    }
  }
}

type AnsweredTopic = Infer<typeof metadataResponse>['topics'][number];

/** Form of one topic of a Metadata answer. */
export function topicInfo(name: string, answered: AnsweredTopic): TopicInfo {
  const partitions = answered.partitions
    .map(
      (p): PartitionInfo => ({
        index: p.partitionIndex,
        leader: p.leaderId,
        leaderEpoch: p.leaderEpoch,
        replicas: p.replicaNodes,
        isr: p.isrNodes,
        offlineReplicas: p.offlineReplicas,
        errorCode: p.errorCode,
      }),
    )
    .sort((a, b) => a.index - b.index);
  return {
    name,
    id: answered.topicId,
    isInternal: answered.isInternal,
    errorCode: answered.errorCode,
    partitions,
  };
}

/** A broker that lags behind must not bring back leaders that have been replaced. */
function newer(known: TopicInfo | undefined, told: TopicInfo): TopicInfo {
  if (known === undefined || known.id !== told.id) return told;
  // An error for the moment (no leader elected yet) is no reason to forget the partitions.
  if (told.partitions.length === 0 && isRetriable(told.errorCode)) {
    return told.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      ? told
      : { ...known, errorCode: told.errorCode };
  }
  const partitions = told.partitions.map((partition) => {
    const old = known.partitions[partition.index];
    return old !== undefined && old.leaderEpoch > partition.leaderEpoch ? old : partition;
  });
  return { ...told, partitions };
}

const isAway = (error: unknown): boolean =>
  error instanceof OperatingError &&
  ['disconnected', 'no-broker', 'request-timeout'].includes(error.code);

/** A partition that the topic has not is no reason to wait. */
const isComplete = ({ errorCode, partitions }: TopicInfo, wanted?: readonly number[]): boolean =>
  errorCode === ErrorCode.NONE &&
  partitions.length > 0 &&
  partitions.every(
    ({ index, leader }, i) =>
      index === i && (leader >= 0 || (wanted !== undefined && !wanted.includes(index))),
  );

const topicError = (name: string, code: number): ProtocolError =>
  new ProtocolError(code, `topic '${name}': ${errorName(code)}`);
