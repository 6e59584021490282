/**
 * Changes to the cluster: each is checked against the image, appended to the metadata log, and only
 * when it is on the device applied and acted upon.
 *
 * One change at a time: every check sees what all changes before it have done. A crash between the
 * append and the action leaves a topic without folders, or folders without a topic; both are put
 * right when the broker starts.
 */
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { topicKeys } from '../config/topic-keys.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { checkBrokerConfig, checkTopicConfig } from './config-rules.ts';
import type { Configs } from './configs.ts';
import { type MetadataImage, ResourceType, type TopicImage } from './metadata-image.ts';
import type { MetadataLog } from './metadata-log.ts';
import type { MetadataRecord } from './metadata-records.ts';
import type { Partitions } from './partitions.ts';
import type { ProducerIdBlock } from './producer-ids.ts';
import { checkTopicName, collisionKey, METADATA_TOPIC, OFFSETS_TOPIC } from './topic-names.ts';
import { randomUuid } from './uuid.ts';

const PRODUCER_ID_BLOCK = 1000;

/** Topics that clients' metadata requests are about to create; more are not begun. */
const AUTO_CREATE_PENDING_MAX = 1000;

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

/** One change of a setting; null takes it away. */
export interface ConfigChange {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly name: string;
  readonly value: string | null;
}

/** What became of one item of a request. */
export type Outcome<T> = { readonly value: T } | { readonly error: ProtocolError };

/** Told after a change is in force. */
export interface ControllerEvents {
  /** The topic has come to be, or has got more partitions: those from `first` on. */
  topicGrew(topic: TopicImage, first: number): void;
  topicDeleted(topic: TopicImage): void;
  brokerConfigChanged(): void;
}

export interface ControllerOptions {
  readonly events: ControllerEvents;
  readonly nodeId: number;
  readonly image: MetadataImage;
  readonly log: MetadataLog;
  readonly configs: Configs;
  readonly partitions: Partitions;
  readonly random: Random;
  readonly logger: Logger;
}

export class Controller {
  readonly #options: ControllerOptions;
  readonly #creating = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();
  #brokerEpoch = 0;

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  /**
   * At start: registers this broker, and begins a new term of every partition, so that what clients
   * learnt from the broker before its restart is told apart.
   */
  register(rack: string | null, endPoints: { name: string; host: string; port: number }[]) {
    return this.#exclusively(async () => {
      const { image, log, nodeId, random } = this.#options;
      this.#brokerEpoch = log.lastOffset + 1;
      const records: MetadataRecord[] = [
        {
          type: 'RegisterBroker',
          value: {
            brokerId: nodeId,
            brokerEpoch: this.#brokerEpoch,
            incarnationId: randomUuid(random),
            rack,
            endPoints,
            logDirs: [],
            fenced: false,
          },
        },
      ];
      const terms: MetadataRecord[] = [];
      for (const topic of image.topics.values()) {
        for (const p of topic.partitions) {
          terms.push({
            type: 'PartitionChange',
            value: {
              topicId: topic.id,
              partitionId: p.index,
              isr: [nodeId],
              leader: nodeId,
              leaderEpoch: p.leaderEpoch + 1,
              partitionEpoch: p.partitionEpoch + 1,
            },
          });
        }
      }
      try {
        await this.#commit([...records, ...terms]);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        // A full disk must not keep what is stored from being read: the old terms go on.
        this.#options.logger.error('the start of this broker could not be written down', {
          'error.message': error.message,
        });
        for (const record of records) image.apply(record);
      }
    });
  }

  createTopics(
    topics: readonly NewTopic[],
    validateOnly: boolean,
  ): Promise<Outcome<CreatedTopic>[]> {
    return this.#exclusively(async () => {
      const records: MetadataRecord[] = [];
      const planned = new Set<string>();
      let partitions = this.#options.image.partitionCount;
      const outcomes = topics.map((topic) =>
        outcomeOf(() => {
          const created = this.#planTopic(topic, planned, partitions, records);
          partitions += created.numPartitions;
          return created;
        }),
      );
      if (!validateOnly) {
        await this.#commit(records);
        for (const topic of topics) this.#follow(topic.name);
      }
      return outcomes;
    });
  }

  /** Deletes by id; the outcomes are in the order of the ids. */
  deleteTopics(ids: readonly string[]): Promise<Outcome<TopicImage>[]> {
    return this.#exclusively(async () => {
      const { image, configs, partitions, events } = this.#options;
      const records: MetadataRecord[] = [];
      const outcomes = ids.map((topicId) =>
        outcomeOf(() => {
          if (!configs.boolean('delete.topic.enable')) {
            throw new ProtocolError(
              ErrorCode.TOPIC_DELETION_DISABLED,
              'Topic deletion is disabled.',
            );
          }
          const topic = image.topicById(topicId);
          if (topic === undefined) {
            throw new ProtocolError(
              ErrorCode.UNKNOWN_TOPIC_ID,
              'This server does not host this topic ID.',
            );
          }
          records.push({ type: 'RemoveTopic', value: { topicId } });
          return topic;
        }),
      );
      await this.#commit(records);
      for (const outcome of outcomes) {
        if (!('value' in outcome)) continue;
        partitions.remove(outcome.value.name);
        events.topicDeleted(outcome.value);
      }
      return outcomes;
    });
  }

  createPartitions(
    requests: readonly {
      readonly name: string;
      readonly count: number;
      readonly assignments: readonly { readonly brokerIds: readonly number[] }[] | null;
    }[],
    validateOnly: boolean,
  ): Promise<Outcome<null>[]> {
    return this.#exclusively(async () => {
      const records: MetadataRecord[] = [];
      const outcomes = requests.map(({ name, count, assignments }) =>
        outcomeOf(() => {
          records.push(...this.#planPartitions(name, count, assignments));
          return null;
        }),
      );
      if (!validateOnly) {
        await this.#commit(records);
        for (const { name } of requests) this.#follow(name);
      }
      return outcomes;
    });
  }

  /** All changes of one resource, or none. Throws ProtocolError on a value that is refused. */
  alterConfigs(changesOf: () => readonly ConfigChange[], validateOnly: boolean): Promise<void> {
    return this.#exclusively(async () => {
      const changes = changesOf();
      for (const { resourceType, name, value } of changes) {
        if (value === null) continue;
        if (resourceType === ResourceType.topic) checkTopicConfig(name, value);
        else checkBrokerConfig(name, value);
      }
      if (validateOnly || changes.length === 0) return;
      await this.#commit(changes.map((value) => ({ type: 'Config', value })));
      const touched = new Set(
        changes.map((change) =>
          change.resourceType === ResourceType.topic ? change.resourceName : null,
        ),
      );
      if (touched.has(null)) this.#options.events.brokerConfigChanged();
      for (const topic of touched) this.#options.partitions.reconfigure(topic);
    });
  }

  allocateProducerIds(): Promise<ProducerIdBlock> {
    return this.#exclusively(async () => {
      const { image, nodeId } = this.#options;
      const first = image.nextProducerId;
      const value = {
        brokerId: nodeId,
        brokerEpoch: this.#brokerEpoch,
        nextProducerId: first + PRODUCER_ID_BLOCK,
      };
      await this.#commit([{ type: 'ProducerIds', value }]);
      return { first, count: PRODUCER_ID_BLOCK };
    });
  }

  /**
   * Begins to create topics that a client asked for by name, if they are not being created already.
   * Does not wait: the client is told to ask again.
   */
  autoCreate(names: readonly string[]): void {
    const fresh = names.filter((name) => !this.#creating.has(name));
    const room = AUTO_CREATE_PENDING_MAX - this.#creating.size;
    const begun = fresh.slice(0, Math.max(room, 0));
    if (begun.length === 0) return;
    for (const name of begun) this.#creating.add(name);
    this.createTopics(
      begun.map((name) => this.#automatic(name)),
      false,
    )
      .then((outcomes) => {
        outcomes.forEach((outcome, i) => {
          if ('value' in outcome) return;
          this.#options.logger.warn('a topic could not be created automatically', {
            'kafka.topic': begun[i],
            'error.message': outcome.error.message,
          });
        });
      })
      .catch((error: unknown) => {
        this.#options.logger.error('topics could not be created automatically', {
          'error.message': String(error),
        });
      })
      .finally(() => {
        for (const name of begun) this.#creating.delete(name);
      });
  }

  #automatic(name: string): NewTopic {
    const { configs } = this.#options;
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

  #planTopic(
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
    const topicId = randomUuid(this.#options.random);
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
    const { image } = this.#options;
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
    const { configs } = this.#options;
    if (topic.assignments.length > 0) return this.#assignedShape(topic);
    const { replicationFactor, numPartitions } = topic;
    if (numPartitions < -1 || numPartitions === 0) {
      throw new ProtocolError(
        ErrorCode.INVALID_PARTITIONS,
        'Number of partitions was set to an invalid non-positive value.',
      );
    }
    if (replicationFactor < -1 || replicationFactor === 0) {
      throw new ProtocolError(
        ErrorCode.INVALID_REPLICATION_FACTOR,
        'Replication factor must be larger than 0, or -1 to use the default value.',
      );
    }
    const brokers = this.#options.image.brokers.size;
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
    const unknown = brokerIds.find((id) => !this.#options.image.brokers.has(id));
    if (unknown !== undefined) {
      throw new ProtocolError(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        `The manual partition assignment includes broker ${unknown}, but no such broker is registered.`,
      );
    }
  }

  #checkPartitionLimit(count: number): void {
    const limit = this.#options.configs.number('partitions.max');
    if (count > limit) {
      throw new ProtocolError(
        ErrorCode.POLICY_VIOLATION,
        `Excessively large number of partitions: there would be ${count}, at most ${limit} are allowed.`,
      );
    }
  }

  #planPartitions(
    name: string,
    count: number,
    assignments: readonly { readonly brokerIds: readonly number[] }[] | null,
  ): MetadataRecord[] {
    const topic = this.#options.image.topic(name);
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
    this.#checkPartitionLimit(this.#options.image.partitionCount + count - have);
    return this.#partitionRecords(topic.id, have, count);
  }

  /** With one broker there is one place for every replica. */
  #partitionRecords(topicId: string, from: number, to: number): MetadataRecord[] {
    const { nodeId } = this.#options;
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
        },
      });
    }
    return records;
  }

  #follow(name: string): void {
    const { image, partitions, events } = this.#options;
    const topic = image.topic(name);
    if (topic === undefined) return;
    const first = partitions.topic(name)?.partitions.length ?? 0;
    if (first === topic.partitions.length) return;
    partitions.put(topic);
    events.topicGrew(topic, first);
  }

  async #commit(records: readonly MetadataRecord[]): Promise<void> {
    if (records.length === 0) return;
    await this.#options.log.append(records);
    for (const record of records) this.#options.image.apply(record);
  }

  #exclusively<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#last.then(change);
    // The caller sees how it went; the next change does not depend on it.
    this.#last = done.catch(() => {});
    return done;
  }
}

function outcomeOf<T>(plan: () => T): Outcome<T> {
  try {
    return { value: plan() };
  } catch (error) {
    if (error instanceof ProtocolError) return { error };
    throw error;
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

/** For answers that list the settings of a topic: all names, in order. */
export const topicConfigNames: readonly string[] = [...topicKeys.keys()].sort();
