/**
 * The partitions that this broker holds, by name and by id (Kafka: ReplicaManager). Follows the
 * metadata image: what it names is opened or made, what it removed is deleted.
 */
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { LogManager } from '../log/log-manager.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { Configs } from './configs.ts';
import type { MetadataImage, TopicImage } from './metadata-image.ts';
import { Partition } from './partition.ts';
import { METADATA_TOPIC } from './topic-names.ts';
import { TopicStats } from './topic-stats.ts';

export interface HeldTopic {
  readonly name: string;
  readonly id: string;
  readonly stats: TopicStats;
  readonly partitions: Partition[];
}

export interface PartitionsOptions {
  readonly logs: LogManager;
  readonly configs: Configs;
  readonly logger: Logger;
  readonly nodeId: number;
}

export class Partitions {
  readonly #options: PartitionsOptions;
  readonly #topics = new Map<string, HeldTopic>();
  readonly #topicsById = new Map<string, HeldTopic>();
  /** Over all topics that are or were. */
  readonly totals = new TopicStats();

  constructor(options: PartitionsOptions) {
    this.#options = options;
  }

  topic(name: string): HeldTopic | undefined {
    return this.#topics.get(name);
  }
  topicById(id: string): HeldTopic | undefined {
    return this.#topicsById.get(id);
  }
  get(topic: string, index: number): Partition | undefined {
    return this.#topics.get(topic)?.partitions[index];
  }
  topics(): IterableIterator<HeldTopic> {
    return this.#topics.values();
  }
  *all(): Generator<Partition> {
    for (const topic of this.#topics.values()) yield* topic.partitions;
  }

  /** At start: opens what the image names, and deals with logs that it does not name. */
  load(image: MetadataImage): void {
    const { logs, logger } = this.#options;
    for (const log of [...logs.all()]) {
      if (log.topic === METADATA_TOPIC) continue;
      const topic = image.topic(log.topic);
      if (topic !== undefined && (log.topicId === null || log.topicId === topic.id)) continue;
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
    for (const topic of image.topics.values()) this.put(topic);
  }

  /** Opens or makes whatever of the topic is not held yet. */
  put(image: TopicImage): void {
    let held = this.#topics.get(image.name);
    if (held === undefined) {
      held = { name: image.name, id: image.id, stats: new TopicStats(), partitions: [] };
      this.#topics.set(image.name, held);
      this.#topicsById.set(image.id, held);
    }
    for (let index = held.partitions.length; index < image.partitions.length; index++) {
      held.partitions.push(this.#open(image, index, held.stats));
    }
  }

  remove(name: string): void {
    const held = this.#topics.get(name);
    if (held === undefined) return;
    this.#topics.delete(name);
    this.#topicsById.delete(held.id);
    for (const partition of held.partitions) {
      partition.remove();
      this.#deleteLog(name, partition.index);
    }
  }

  #deleteLog(topic: string, index: number): void {
    try {
      this.#options.logs.delete(topic, index);
    } catch (error) {
      // The topic is gone either way; what is left of its folder goes at the next start.
      this.#options.logger.error('the log of a deleted topic could not be removed', {
        'kafka.topic': topic,
        'kafka.partition': index,
        'error.message': reasonOf(error),
      });
    }
  }

  /** Settings of the topic, or with null of the broker, have changed. */
  reconfigure(name: string | null): void {
    for (const held of name === null ? this.#topics.values() : [this.#topics.get(name)]) {
      if (held === undefined) continue;
      const config = this.#options.configs.logConfig(held.name);
      for (const partition of held.partitions) {
        if (!partition.isOffline) partition.log.updateConfig(config);
        partition.touched();
      }
    }
  }

  #open(image: TopicImage, index: number, stats: TopicStats): Partition {
    const { logs, nodeId, logger, configs } = this.#options;
    let log: PartitionLog | null = null;
    try {
      // Refuses a folder that holds another topic's data.
      log = logs.create(image.name, image.id, index);
      log.updateConfig(configs.logConfig(image.name));
    } catch (error) {
      logger.error('the log of a partition cannot be opened', {
        'kafka.topic': image.name,
        'kafka.partition': index,
        'error.message': reasonOf(error),
      });
    }
    return new Partition({
      topic: image.name,
      topicId: image.id,
      index,
      leaderEpoch: image.partitions[index]?.leaderEpoch ?? 0,
      nodeId,
      stats,
      log,
    });
  }
}
