/**
 * Which topics and partitions may be made, and the records that make them: Kafka's rules, refused
 * in Kafka's words and in its order (name, replicas, partitions, assignment, settings).
 */
import type { Random } from '../../base/random.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import { checkTopicSettings } from '../config-rules.ts';
import type { Configs } from '../configs.ts';
import { type MetadataImage, ResourceType } from '../metadata-image.ts';
import type { MetadataRecord } from '../metadata-records.ts';
import {
  checkTopicName,
  collisionKey,
  METADATA_TOPIC,
  OFFSETS_TOPIC,
  TRANSACTIONS_TOPIC,
} from '../topic-names.ts';
import { randomUuid } from '../uuid.ts';
import { checkAssignment } from './assignment.ts';
import { placeReplicas } from './replica-placer.ts';
import { isActive } from './succession.ts';
import { checkMorePartitions, checkNewTopic } from './topic-policy.ts';

/** Above so many, a request is refused in Kafka's words; what else is too many is our own limit. */
const PARTITIONS_PER_REQUEST_MAX = 10_000;

export interface NewTopic {
  readonly name: string;
  /** -1: the broker's default, or as assigned. */
  readonly numPartitions: number;
  readonly replicationFactor: number;
  readonly assignments: readonly {
    readonly partitionIndex: number;
    readonly brokerIds: readonly number[];
  }[];
  readonly configs: readonly { readonly name: string; readonly value: string | null }[];
}

export interface CreatedTopic {
  readonly topicId: string;
  readonly numPartitions: number;
  readonly replicationFactor: number;
}

/** Names of the topics that there are, and of those that a request is about to make. */
export class TopicNames {
  readonly #image: MetadataImage;
  readonly #planned = new Map<string, string>();
  #known: Map<string, string> | null = null;

  constructor(image: MetadataImage) {
    this.#image = image;
  }

  /** A topic that would share its metrics with one of that name. */
  collidingWith(name: string): string | undefined {
    const key = collisionKey(name);
    const planned = this.#planned.get(key);
    if (planned !== undefined || !/[._]/.test(name)) return planned;
    // Looked through once a request, not once a topic.
    this.#known ??= new Map([...this.#image.topics.keys()].map((n) => [collisionKey(n), n]));
    return this.#known.get(key);
  }

  add(name: string): void {
    this.#planned.set(collisionKey(name), name);
  }
}

export interface TopicPlannerOptions {
  readonly image: MetadataImage;
  readonly configs: Configs;
  readonly random: Random;
  /** Brokers that are to be there, whether they have come already or not. */
  readonly expectedBrokers: () => number;
}

/** Settings of how many replicas the brokers' own topics have. */
const factorSettings: ReadonlyMap<string, string> = new Map([
  [OFFSETS_TOPIC, 'offsets.topic.replication.factor'],
  [TRANSACTIONS_TOPIC, 'transaction.state.log.replication.factor'],
]);

export class TopicPlanner {
  readonly #options: TopicPlannerOptions;
  readonly #image: MetadataImage;
  readonly #configs: Configs;

  constructor(options: TopicPlannerOptions) {
    this.#options = options;
    this.#image = options.image;
    this.#configs = options.configs;
  }

  /** As many replicas as the setting says, or as there are brokers. */
  #factor(setting: string): number {
    const brokers = Math.max(this.#image.brokers.size, this.#options.expectedBrokers());
    return Math.min(this.#configs.number(setting), Math.max(brokers, 1));
  }

  /**
   * The records that make the topic; its name is added to `names`. Throws ProtocolError on a topic
   * that may not be.
   */
  planTopic(
    topic: NewTopic,
    names: TopicNames,
    partitionsBefore: number,
  ): { readonly created: CreatedTopic; readonly records: readonly MetadataRecord[] } {
    const records: MetadataRecord[] = [];
    const { name } = topic;
    this.#checkNewName(name, names);
    const replicas = this.#replicasOf(topic, partitionsBefore);
    const configs = checkedConfigs(topic.configs, this.#configs);
    checkNewTopic(name, replicas.length, replicas[0]?.length ?? 1, this.#configs);
    const topicId = randomUuid(this.#options.random);
    records.push({ type: 'Topic', value: { name, topicId } });
    replicas.forEach((list, i) => {
      records.push(this.#partitionRecord(topicId, i, list));
    });
    for (const [key, value] of configs) {
      records.push({
        type: 'Config',
        value: { resourceType: ResourceType.topic, resourceName: name, name: key, value },
      });
    }
    names.add(name);
    const replicationFactor = replicas[0]?.length ?? 1;
    const created = { topicId, numPartitions: replicas.length, replicationFactor };
    return { created, records };
  }

  #checkNewName(name: string, names: TopicNames): void {
    const image = this.#image;
    if (name === METADATA_TOPIC) {
      throw new ProtocolError(
        ErrorCode.INVALID_REQUEST,
        `Creation of internal topic ${METADATA_TOPIC} is prohibited.`,
      );
    }
    checkTopicName(name);
    if (image.topic(name) !== undefined) {
      throw new ProtocolError(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`);
    }
    const other = names.collidingWith(name);
    if (other !== undefined) {
      throw new ProtocolError(
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        `Topic '${name}' collides with existing topic: ${other}`,
      );
    }
  }

  /** Of each partition, its replicas. */
  #replicasOf(topic: NewTopic, partitionsBefore: number): readonly (readonly number[])[] {
    if (topic.assignments.length > 0) {
      const assigned = this.#assigned(topic);
      this.#checkPartitionLimit(partitionsBefore, assigned.length);
      return assigned;
    }
    const { replicationFactor, numPartitions } = topic;
    if (replicationFactor < -1 || replicationFactor === 0) {
      throw new ProtocolError(
        ErrorCode.INVALID_REPLICATION_FACTOR,
        'Replication factor must be larger than 0, or -1 to use the default value.',
      );
    }
    if (numPartitions < -1 || numPartitions === 0) {
      throw new ProtocolError(
        ErrorCode.INVALID_PARTITIONS,
        'Number of partitions was set to an invalid non-positive value.',
      );
    }
    const setting = factorSettings.get(topic.name) ?? 'default.replication.factor';
    const factor = replicationFactor === -1 ? this.#factor(setting) : replicationFactor;
    const count = numPartitions === -1 ? this.#configs.number('num.partitions') : numPartitions;
    // Too few brokers are told of before too many partitions.
    this.#place(1, factor);
    this.#checkPartitionLimit(partitionsBefore, count);
    return this.#place(count, factor);
  }

  #place(partitions: number, factor: number): number[][] {
    // A broker on its way out takes nothing more.
    const brokers = [...this.#image.brokers.values()].filter((b) => !b.inControlledShutdown);
    return placeReplicas(partitions, factor, brokers, this.#options.random);
  }

  #assigned(topic: NewTopic): readonly (readonly number[])[] {
    if (topic.replicationFactor !== -1) {
      throw new ProtocolError(
        ErrorCode.INVALID_REQUEST,
        'A manual partition assignment was specified, but replication factor was not set to -1.',
      );
    }
    if (topic.numPartitions !== -1) {
      throw new ProtocolError(
        ErrorCode.INVALID_REQUEST,
        'A manual partition assignment was specified, but numPartitions was not set to -1.',
      );
    }
    const refuse = (why: string): never => {
      throw new ProtocolError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, why);
    };
    const factor = topic.assignments[0]!.brokerIds.length;
    const byIndex = new Map<number, readonly number[]>();
    for (const { partitionIndex, brokerIds } of topic.assignments) {
      if (byIndex.has(partitionIndex)) {
        refuse(`Found multiple manual partition assignments for partition ${partitionIndex}`);
      }
      this.#checkAssigned(partitionIndex, brokerIds, factor);
      byIndex.set(partitionIndex, brokerIds);
    }
    return Array.from(
      byIndex,
      (_, i) =>
        byIndex.get(i) ?? refuse('partitions should be a consecutive 0-based integer sequence'),
    );
  }

  #checkAssigned(index: number, brokerIds: readonly number[], factor: number): void {
    checkAssignment(brokerIds, factor, this.#image);
    if (brokerIds.some((id) => isActive(this.#image.brokers.get(id)))) return;
    throw new ProtocolError(
      ErrorCode.INVALID_REPLICA_ASSIGNMENT,
      `All brokers specified in the manual partition assignment for partition ${index} are fenced or in controlled shutdown.`,
    );
  }

  #checkPartitionLimit(before: number, more: number): void {
    const limit = this.#configs.number('partitions.max');
    if (before + more <= limit) return;
    throw new ProtocolError(
      ErrorCode.POLICY_VIOLATION,
      more > PARTITIONS_PER_REQUEST_MAX
        ? 'Excessively large number of partitions per request.'
        : `Excessively large number of partitions: there would be ${before + more}, at most ${limit} are allowed.`,
    );
  }

  /** The records that give the topic `count` partitions. Throws ProtocolError. */
  planPartitions(
    name: string,
    count: number,
    assignments: readonly { readonly brokerIds: readonly number[] }[] | null,
  ): MetadataRecord[] {
    const topic = this.#image.topic(name);
    if (topic === undefined) throw new ProtocolError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const have = topic.partitions.length;
    if (count === have) {
      throw new ProtocolError(
        ErrorCode.INVALID_PARTITIONS,
        `Topic already has ${have} partition(s).`,
      );
    }
    if (count < have) {
      throw new ProtocolError(
        ErrorCode.INVALID_PARTITIONS,
        `The topic ${name} currently has ${have} partition(s); ${count} would not be an increase.`,
      );
    }
    const factor = topic.partitions[0]!.replicas.length;
    if (assignments !== null) {
      if (assignments.length !== count - have) {
        throw new ProtocolError(
          ErrorCode.INVALID_REPLICA_ASSIGNMENT,
          `Attempted to add ${count - have} additional partition(s), but only ${assignments.length} assignment(s) were specified.`,
        );
      }
      assignments.forEach(({ brokerIds }, i) => {
        this.#checkAssigned(have + i, brokerIds, factor);
      });
    }
    checkMorePartitions(name, count, this.#configs);
    this.#checkPartitionLimit(this.#image.partitionCount, count - have);
    const replicas =
      assignments?.map(({ brokerIds }) => brokerIds) ?? this.#place(count - have, factor);
    return replicas.map((list, i) => this.#partitionRecord(topic.id, have + i, list));
  }

  /** In sync from the start is who is there. */
  #partitionRecord(
    topicId: string,
    partitionId: number,
    replicas: readonly number[],
  ): MetadataRecord {
    const isr = replicas.filter((id) => isActive(this.#image.brokers.get(id)));
    return {
      type: 'Partition',
      value: {
        topicId,
        partitionId,
        replicas: [...replicas],
        isr,
        leader: isr[0]!,
        leaderEpoch: 0,
        partitionEpoch: 0,
        adding: [],
        removing: [],
        elr: [],
        lastKnownElr: [],
        leaderRecoveryState: 0,
      },
    };
  }
}

function checkedConfigs(
  given: readonly { readonly name: string; readonly value: string | null }[],
  configs: Configs,
): ReadonlyMap<string, string> {
  const empty = given.filter(({ value }) => value === null).map(({ name }) => name);
  if (empty.length > 0) {
    throw new ProtocolError(
      ErrorCode.INVALID_CONFIG,
      `Null value not supported for topic configs: ${empty.join(',')}`,
    );
  }
  const settings = new Map(given.map(({ name, value }) => [name, value as string]));
  checkTopicSettings(settings, configs);
  return settings;
}
