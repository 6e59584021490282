/**
 * Which topics and partitions may be made, and the records that make them: Kafka's rules, refused
 * in Kafka's words and in its order (name, replicas, partitions, assignment, settings).
 */
import type { Random } from '../base/random.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { checkTopicConfig } from './config-rules.ts';
import type { Configs } from './configs.ts';
import { type MetadataImage, ResourceType } from './metadata-image.ts';
import type { MetadataRecord } from './metadata-records.ts';
import { checkTopicName, collisionKey, METADATA_TOPIC, OFFSETS_TOPIC } from './topic-names.ts';
import { randomUuid } from './uuid.ts';

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

export class TopicPlanner {
  readonly #nodeId: number;
  readonly #image: MetadataImage;
  readonly #configs: Configs;
  readonly #random: Random;

  constructor(nodeId: number, image: MetadataImage, configs: Configs, random: Random) {
    this.#nodeId = nodeId;
    this.#image = image;
    this.#configs = configs;
    this.#random = random;
  }

  /** A topic that a client asked for by name, or that the broker needs itself. */
  automatic(name: string): NewTopic {
    const configs = this.#configs;
    if (name !== OFFSETS_TOPIC) {
      return { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] };
    }
    return {
      name,
      numPartitions: configs.number('offsets.topic.num.partitions'),
      replicationFactor: 1,
      assignments: [],
      configs: [
        { name: 'cleanup.policy', value: 'compact' },
        { name: 'compression.type', value: 'producer' },
        {
          name: 'segment.bytes',
          value: String(Math.max(configs.number('offsets.topic.segment.bytes'), 1024 * 1024)),
        },
      ],
    };
  }

  /**
   * Adds the records that make the topic to `records`, and its name to `planned`. Throws
   * ProtocolError on a topic that may not be.
   */
  planTopic(
    topic: NewTopic,
    planned: Set<string>,
    partitionsBefore: number,
    records: MetadataRecord[],
  ): CreatedTopic {
    const { name } = topic;
    this.#checkNewName(name, planned);
    const { count, factor } = this.#shape(topic);
    this.#checkPartitionLimit(partitionsBefore + count);
    const configs = checkedConfigs(topic.configs);
    const topicId = randomUuid(this.#random);
    records.push({ type: 'Topic', value: { name, topicId } });
    records.push(...this.#partitionRecords(topicId, 0, count));
    for (const [key, value] of configs) {
      records.push({
        type: 'Config',
        value: { resourceType: ResourceType.topic, resourceName: name, name: key, value },
      });
    }
    planned.add(collisionKey(name));
    return { topicId, numPartitions: count, replicationFactor: factor };
  }

  #checkNewName(name: string, planned: ReadonlySet<string>): void {
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
    const key = collisionKey(name);
    let other = planned.has(key) ? key : undefined;
    if (other === undefined && (name.includes('.') || name.includes('_'))) {
      other = [...image.topics.keys()].find((known) => collisionKey(known) === key);
    }
    if (other !== undefined) {
      throw new ProtocolError(
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        `Topic '${name}' collides with existing topic: ${other}`,
      );
    }
  }

  #shape(topic: NewTopic): { count: number; factor: number } {
    const configs = this.#configs;
    if (topic.assignments.length > 0) return this.#assignedShape(topic);
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
    const brokers = this.#image.brokers.size;
    const factor =
      replicationFactor === -1
        ? Math.min(configs.number('default.replication.factor'), brokers)
        : replicationFactor;
    if (factor > brokers) {
      throw new ProtocolError(
        ErrorCode.INVALID_REPLICATION_FACTOR,
        `Unable to replicate the partition ${factor} time(s): The target replication factor of ${factor} cannot be reached because only ${brokers} broker(s) are registered.`,
      );
    }
    const count = numPartitions === -1 ? configs.number('num.partitions') : numPartitions;
    return { count, factor };
  }

  #assignedShape(topic: NewTopic): { count: number; factor: number } {
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
    const indexes = topic.assignments.map((a) => a.partitionIndex).sort((a, b) => a - b);
    indexes.forEach((index, i) => {
      if (index !== i) {
        throw new ProtocolError(
          ErrorCode.INVALID_REPLICA_ASSIGNMENT,
          'partitions should be a consecutive 0-based integer sequence',
        );
      }
    });
    for (const assignment of topic.assignments) this.#checkReplicas(assignment.brokerIds);
    return { count: topic.assignments.length, factor: topic.assignments[0]?.brokerIds.length ?? 1 };
  }

  #checkReplicas(brokerIds: readonly number[]): void {
    if (brokerIds.length === 0) {
      throw new ProtocolError(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        'The manual partition assignment includes an empty replica list.',
      );
    }
    if (new Set(brokerIds).size !== brokerIds.length) {
      throw new ProtocolError(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        'The manual partition assignment includes a broker more than once.',
      );
    }
    const unknown = brokerIds.find((id) => !this.#image.brokers.has(id));
    if (unknown !== undefined) {
      throw new ProtocolError(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        `The manual partition assignment includes broker ${unknown}, but no such broker is registered.`,
      );
    }
  }

  #checkPartitionLimit(count: number): void {
    const limit = this.#configs.number('partitions.max');
    if (count > limit) {
      throw new ProtocolError(
        ErrorCode.POLICY_VIOLATION,
        `Excessively large number of partitions: there would be ${count}, at most ${limit} are allowed.`,
      );
    }
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
    if (assignments !== null) {
      if (assignments.length !== count - have) {
        throw new ProtocolError(
          ErrorCode.INVALID_REPLICA_ASSIGNMENT,
          `Attempted to add ${count - have} additional partition(s), but only ${assignments.length} assignment(s) were specified.`,
        );
      }
      for (const { brokerIds } of assignments) this.#checkReplicas(brokerIds);
    }
    this.#checkPartitionLimit(this.#image.partitionCount + count - have);
    return this.#partitionRecords(topic.id, have, count);
  }

  /** With one broker there is one place for every replica. */
  #partitionRecords(topicId: string, from: number, to: number): MetadataRecord[] {
    const nodeId = this.#nodeId;
    const records: MetadataRecord[] = [];
    for (let partitionId = from; partitionId < to; partitionId++) {
      records.push({
        type: 'Partition',
        value: {
          topicId,
          partitionId,
          replicas: [nodeId],
          isr: [nodeId],
          leader: nodeId,
          leaderEpoch: 0,
          partitionEpoch: 0,
          adding: [],
          removing: [],
          elr: [],
          lastKnownElr: [],
          leaderRecoveryState: 0,
        },
      });
    }
    return records;
  }
}

function checkedConfigs(
  configs: readonly { readonly name: string; readonly value: string | null }[],
): Map<string, string> {
  const checked = new Map<string, string>();
  const empty = configs.filter(({ value }) => value === null).map(({ name }) => name);
  if (empty.length > 0) {
    throw new ProtocolError(
      ErrorCode.INVALID_CONFIG,
      `Null value not supported for topic configs: ${empty.join(',')}`,
    );
  }
  for (const { name, value } of configs) {
    checkTopicConfig(name, value as string);
    checked.set(name, value as string);
  }
  return checked;
}
