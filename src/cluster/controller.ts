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
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { checkBrokerConfig, checkTopicConfig } from './config-rules.ts';
import type { Configs } from './configs.ts';
import {
  type MetadataImage,
  partitionValue,
  ResourceType,
  type TopicImage,
} from './metadata-image.ts';
import type { MetadataLog } from './metadata-log.ts';
import type { MetadataRecord } from './metadata-records.ts';
import type { Partitions } from './partitions.ts';
import type { ProducerIdBlock } from './producer-ids.ts';
import { type CreatedTopic, type NewTopic, TopicPlanner } from './topic-planner.ts';
import { randomUuid } from './uuid.ts';

const PRODUCER_ID_BLOCK = 1000;

/** Topics that clients' metadata requests are about to create; more are not begun. */
const AUTO_CREATE_PENDING_MAX = 1000;

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
  readonly #planner: TopicPlanner;
  readonly #creating = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();
  #brokerEpoch = 0;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { nodeId, image, configs, random } = options;
    this.#planner = new TopicPlanner(nodeId, image, configs, random);
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
            endPoints: endPoints.map((endPoint) => ({ ...endPoint, securityProtocol: 0 })),
            logDirs: [],
            fenced: false,
            inControlledShutdown: false,
          },
        },
      ];
      const terms: MetadataRecord[] = [];
      for (const topic of image.topics.values()) {
        for (const p of topic.partitions) {
          terms.push({
            type: 'PartitionChange',
            value: {
              ...partitionValue(p),
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
          const created = this.#planner.planTopic(topic, planned, partitions, records);
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
          records.push(...this.#planner.planPartitions(name, count, assignments));
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
      begun.map((name) => this.#planner.automatic(name)),
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
