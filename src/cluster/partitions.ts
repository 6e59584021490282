/**
 * The partitions that this broker holds, by name and by id (Kafka: ReplicaManager). Follows the
 * metadata: what names this broker among its replicas is opened or made, what was deleted or given
 * to others is removed, and whoever must know is told which partitions this broker leads.
 */
import type { Clock } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { LONG_MAX } from '../config/table.ts';
import type { LogManager } from '../log/log-manager.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { Configs } from './configs.ts';
import { LogOpening } from './log-opening.ts';
import type { MetadataDelta } from './metadata-delta.ts';
import type { MetadataImage, TopicImage } from './metadata-image.ts';
import { Partition } from './partition.ts';
import type { IsrUpdater, PartitionEnvironment } from './partition-environment.ts';
import { isThrottled, ReplicationQuota } from './replication-quota.ts';
import { ReplicationStats } from './replication-stats.ts';
import { METADATA_TOPIC } from './topic-names.ts';
import { TopicStats } from './topic-stats.ts';

export interface HeldTopic {
  readonly name: string;
  readonly id: string;
  readonly stats: TopicStats;
  /** By index, as many as the topic has; undefined: other brokers hold it. */
  readonly partitions: (Partition | undefined)[];
}

export interface PartitionsOptions {
  readonly logs: LogManager;
  readonly configs: Configs;
  readonly logger: Logger;
  readonly nodeId: number;
  readonly clock: Clock;
  /** Kept up to date by its owner. */
  readonly image: MetadataImage;
}

/** `isLeader`: the broker leads it, in the term that the partition says; else it does so no more. */
export type LeadershipListener = (partition: Partition, isLeader: boolean) => void;

/** Told of every partition that this broker holds, when its part in it changes. */
export interface RoleListener {
  /** It leads, or follows, in a new term. */
  roleChanged(partition: Partition): void;
  removed(partition: Partition): void;
}

export class Partitions {
  readonly #options: PartitionsOptions;
  readonly #environment: PartitionEnvironment;
  readonly #topics = new Map<string, HeldTopic>();
  readonly #topicsById = new Map<string, HeldTopic>();
  /** What is on the disks is being taken over. */
  #isLoading = false;
  readonly #leadershipListeners: LeadershipListener[] = [];
  readonly #roleListeners: RoleListener[] = [];
  #isrUpdater: IsrUpdater | null = null;
  readonly #opening: LogOpening;
  readonly #lagMaxMs: number;
  /** Over all topics that are or were. */
  readonly totals = new TopicStats();
  readonly replication = new ReplicationStats();
  readonly leaderQuota: ReplicationQuota;
  readonly followerQuota: ReplicationQuota;
  /** Consumers are sent to replicas in their own rack. */
  readonly rackAware: boolean;

  constructor(options: PartitionsOptions) {
    this.#options = options;
    const { nodeId, clock, logger, configs, image } = options;
    this.leaderQuota = new ReplicationQuota(clock);
    this.followerQuota = new ReplicationQuota(clock);
    this.rackAware = configs.broker('replica.selector.class') !== null;
    this.#lagMaxMs = configs.number('replica.lag.time.max.ms');
    this.#opening = new LogOpening(options, (partition) => this.#tellRole(partition, false));
    this.#setQuotas();
    this.#environment = {
      nodeId,
      clock,
      logger,
      stats: this.replication,
      lagMaxMs: () => this.#lagMaxMs,
      broker: (id) => image.brokers.get(id),
      isrUpdater: () => this.#isrUpdater,
    };
  }

  /** Who takes changes of the replicas in sync to the controller, in a cluster of several. */
  setIsrUpdater(updater: IsrUpdater): void {
    this.#isrUpdater = updater;
  }
  /**
   * Calls it whenever this broker begins to lead a partition, or goes on to in a new term, and
   * whenever it ends to, in the order of the terms.
   */
  onLeadership(listener: LeadershipListener): void {
    this.#leadershipListeners.push(listener);
  }
  onRole(listener: RoleListener): void {
    this.#roleListeners.push(listener);
  }

  topic(name: string): HeldTopic | undefined {
    return this.#topics.get(name);
  }
  topicById(id: string): HeldTopic | undefined {
    return this.#topicsById.get(id);
  }
  /** Undefined: it is not held here; `absenceOf` tells why. */
  get(topic: string, index: number): Partition | undefined {
    return this.#topics.get(topic)?.partitions[index];
  }
  /** The error of a partition that is not held here: others have it, or nobody does. */
  absenceOf(topic: HeldTopic | undefined, index: number): number {
    if (topic === undefined || index < 0 || index >= topic.partitions.length) {
      return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    }
    return ErrorCode.NOT_LEADER_OR_FOLLOWER;
  }
  /** Throws ProtocolError when the partition is not held here. */
  held(topic: string, index: number): Partition {
    const known = this.#topics.get(topic);
    const partition = known?.partitions[index];
    if (partition === undefined) throw new ProtocolError(this.absenceOf(known, index));
    return partition;
  }
  topics(): IterableIterator<HeldTopic> {
    return this.#topics.values();
  }
  *all(): Generator<Partition> {
    for (const topic of this.#topics.values()) {
      for (const partition of topic.partitions) if (partition !== undefined) yield partition;
    }
  }

  /** At start: opens what the image names, and deals with logs that it does not name. */
  load(image: MetadataImage): void {
    const { logs, logger } = this.#options;
    logs.settle({
      idOf: (name) => image.topic(name)?.id,
      wasRemoved: (topicId) => image.wasRemoved(topicId),
    });
    for (const log of [...logs.all()]) {
      if (log.topic === METADATA_TOPIC) continue;
      const topic = image.topic(log.topic);
      if (topic !== undefined && (log.topicId === null || log.topicId === topic.id)) {
        if (this.#isReplica(topic, log.partition)) continue;
        // Given to others while this broker was away.
        if (topic.partitions[log.partition] !== undefined) {
          this.#deleteLog(log.topic, log.partition);
          continue;
        }
      }
      if (log.topicId !== null && image.wasRemoved(log.topicId)) {
        this.#deleteLog(log.topic, log.partition);
      } else {
        // Never delete data because metadata is missing: a person decides.
        logger.warn('a log on disk belongs to no topic; it is kept and not served', {
          'kafka.topic': log.topic,
          'kafka.partition': log.partition,
          'weir.topic.id': log.topicId,
        });
      }
    }
    this.#isLoading = true;
    for (const topic of image.topics.values()) this.#put(topic, topic.partitions.keys());
    this.#isLoading = false;
  }

  #isReplica(topic: TopicImage, index: number): boolean {
    return topic.partitions[index]?.replicas.includes(this.#options.nodeId) === true;
  }

  /** Takes over one committed step of the metadata, which `image` has already. */
  apply(delta: MetadataDelta, image: MetadataImage): void {
    this.#opening.beginStep();
    for (const topic of delta.removedTopics) this.#removeTopic(topic.id);
    // First: what a change of its replicas means goes by them.
    for (const name of delta.topicSettings) this.reconfigure(name);
    const { nodeId } = this.#options;
    if (delta.brokerSettings.has('') || delta.brokerSettings.has(String(nodeId))) {
      this.reconfigure(null);
    }
    for (const [topicId, indexes] of delta.partitions) {
      const topic = image.topicById(topicId);
      if (topic !== undefined) this.#put(topic, indexes);
    }
    if (delta.brokers.size === 0) return;
    // A broker that is away holds no deletion of records up.
    for (const partition of this.all()) partition.lowWatermarkMoved();
  }

  /** Opens, makes or updates those partitions of the topic that are held here. */
  #put(image: TopicImage, indexes: Iterable<number>): void {
    let held = this.#topics.get(image.name);
    if (held !== undefined && held.id !== image.id) {
      this.#removeTopic(held.id);
      held = undefined;
    }
    if (held === undefined) {
      held = { name: image.name, id: image.id, stats: new TopicStats(), partitions: [] };
      this.#topics.set(image.name, held);
      this.#topicsById.set(image.id, held);
    }
    while (held.partitions.length < image.partitions.length) held.partitions.push(undefined);
    const changed: [Partition, boolean][] = [];
    for (const index of indexes) this.#putPartition(held, image, index, changed);
    for (const [partition, led] of changed) this.#tellRole(partition, led);
  }

  #putPartition(
    held: HeldTopic,
    image: TopicImage,
    index: number,
    changed: [Partition, boolean][],
  ): void {
    const state = image.partitions[index];
    if (state === undefined) return;
    let partition = held.partitions[index];
    if (!state.replicas.includes(this.#options.nodeId)) {
      if (partition === undefined) return;
      held.partitions[index] = undefined;
      this.#removePartition(partition, ErrorCode.NOT_LEADER_OR_FOLLOWER);
      return;
    }
    if (partition === undefined) {
      partition = this.#open(image, index, held.stats);
      held.partitions[index] = partition;
    }
    const led = partition.isLeader;
    if (partition.update(state)) changed.push([partition, led]);
  }

  #tellRole(partition: Partition, led: boolean): void {
    for (const listener of this.#roleListeners) listener.roleChanged(partition);
    if (!partition.isLeader && !led) return;
    for (const listener of this.#leadershipListeners) listener(partition, partition.isLeader);
  }

  #removeTopic(id: string): void {
    const held = this.#topicsById.get(id);
    if (held === undefined) return;
    this.#topicsById.delete(id);
    if (this.#topics.get(held.name) === held) this.#topics.delete(held.name);
    for (const partition of held.partitions) {
      if (partition === undefined) continue;
      this.#removePartition(partition, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    }
  }

  #removePartition(partition: Partition, code: number): void {
    const led = partition.isLeader;
    partition.remove(code);
    for (const listener of this.#roleListeners) listener.removed(partition);
    if (led) for (const listener of this.#leadershipListeners) listener(partition, false);
    this.#deleteLog(partition.topic, partition.index);
  }

  #deleteLog(topic: string, index: number): void {
    try {
      this.#options.logs.delete(topic, index);
    } catch (error) {
      // It is not served any more either way; what is left of its folder goes at the next start.
      this.#options.logger.error('the log of a partition that is gone could not be removed', {
        'kafka.topic': topic,
        'kafka.partition': index,
        'error.message': reasonOf(error),
      });
    }
  }

  /** `log`, in another directory, has taken the place of `former`. */
  logMoved(former: PartitionLog, log: PartitionLog): void {
    const partition = this.get(former.topic, former.partition);
    if (partition?.topicId === log.topicId) partition.logMoved(log);
  }

  /** Settings of the topic, or with null of the broker, have changed. */
  reconfigure(name: string | null): void {
    const { configs } = this.#options;
    if (name === null) this.#setQuotas();
    for (const held of name === null ? this.#topics.values() : [this.#topics.get(name)]) {
      if (held === undefined) continue;
      const config = configs.logConfig(held.name);
      for (const partition of held.partitions) {
        if (partition === undefined) continue;
        if (!partition.isOffline) partition.log.updateConfig(config);
        this.#setThrottles(partition);
        partition.touched();
      }
    }
  }

  #setQuotas(): void {
    const { configs } = this.#options;
    const rate = (name: string): number => {
      const value = configs.number(name);
      return value >= LONG_MAX ? Number.POSITIVE_INFINITY : value;
    };
    this.leaderQuota.setRate(rate('leader.replication.throttled.rate'));
    this.followerQuota.setRate(rate('follower.replication.throttled.rate'));
  }

  #setThrottles(partition: Partition): void {
    const { configs, nodeId } = this.#options;
    const { topic, index } = partition;
    const names = (key: string): readonly string[] => {
      const value = configs.topic(topic, key);
      return Array.isArray(value) ? (value as readonly string[]) : [];
    };
    const leaders = names('leader.replication.throttled.replicas');
    const followers = names('follower.replication.throttled.replicas');
    partition.isLeaderThrottled = isThrottled(leaders, index, nodeId);
    partition.isFollowerThrottled = isThrottled(followers, index, nodeId);
  }

  #open(image: TopicImage, index: number, stats: TopicStats): Partition {
    const { name: topic, id: topicId } = image;
    const isNew = !this.#isLoading;
    const log = this.#opening.open({ topic, topicId, index }, isNew);
    const environment = this.#environment;
    const partition = new Partition({ topic, topicId, index, stats, log, environment });
    if (log === null) this.#opening.later(partition, isNew);
    this.#setThrottles(partition);
    return partition;
  }

  /** Opens nothing more. */
  stop(): void {
    this.#opening.stop();
  }
}
