/**
 * What the metadata log says, in memory: brokers, topics, partitions, settings, producer ids.
 *
 * Only `apply` changes it, one record after another, so the same log gives the same image on every
 * start. Readers use it directly and never keep parts of it across a wait.
 */
import { assert, unreachable } from '../base/assert.ts';
import type { MetadataRecord } from './metadata-records.ts';

export const ResourceType = { topic: 2, broker: 4, brokerLogger: 8, group: 32 } as const;

export interface PartitionImage {
  readonly topicId: string;
  readonly index: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  /** -1: none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
}

export interface TopicImage {
  readonly name: string;
  readonly id: string;
  /** By index; there are no gaps. */
  readonly partitions: PartitionImage[];
}

export interface BrokerImage {
  readonly id: number;
  readonly epoch: number;
  readonly rack: string | null;
  readonly fenced: boolean;
}

type Settings = ReadonlyMap<string, string>;
const NO_SETTINGS: Settings = new Map();

/** Ids of removed topics that are remembered, to tell a left-over log from a lost record. */
const REMOVED_TOPICS_MAX = 100_000;

export class MetadataImage {
  readonly #topics = new Map<string, TopicImage>();
  readonly #topicsById = new Map<string, TopicImage>();
  readonly #removed = new Set<string>();
  readonly #brokers = new Map<number, BrokerImage>();
  readonly #settings = new Map<string, Map<string, string>>();
  #partitionCount = 0;
  #nextProducerId = 0;

  get topics(): ReadonlyMap<string, TopicImage> {
    return this.#topics;
  }
  get brokers(): ReadonlyMap<number, BrokerImage> {
    return this.#brokers;
  }
  get partitionCount(): number {
    return this.#partitionCount;
  }
  /** First producer id that no broker was given. */
  get nextProducerId(): number {
    return this.#nextProducerId;
  }

  topic(name: string): TopicImage | undefined {
    return this.#topics.get(name);
  }
  topicById(id: string): TopicImage | undefined {
    return this.#topicsById.get(id);
  }
  /** Whether a topic of that id existed and was deleted. */
  wasRemoved(topicId: string): boolean {
    return this.#removed.has(topicId);
  }
  /** What was set on the resource, by name; `''` as a broker's name means all brokers. */
  settings(resourceType: number, resourceName: string): Settings {
    return this.#settings.get(`${resourceType}/${resourceName}`) ?? NO_SETTINGS;
  }
  /** Names of the resources of a type that have settings. */
  configured(resourceType: number): string[] {
    const prefix = `${resourceType}/`;
    return [...this.#settings.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length));
  }

  apply(record: MetadataRecord): void {
    switch (record.type) {
      case 'Topic':
        return this.#addTopic(record.value.name, record.value.topicId);
      case 'Partition':
      case 'PartitionChange':
        return this.#putPartition(record);
      case 'RemoveTopic':
        return this.#removeTopic(record.value.topicId);
      case 'Config': {
        const { resourceType, resourceName, name, value } = record.value;
        return this.#set(`${resourceType}/${resourceName}`, name, value);
      }
      case 'ProducerIds':
        this.#nextProducerId = Math.max(this.#nextProducerId, record.value.nextProducerId);
        return;
      case 'RegisterBroker': {
        const { brokerId: id, brokerEpoch: epoch, rack, fenced } = record.value;
        this.#brokers.set(id, { id, epoch, rack, fenced });
        return;
      }
      default:
        unreachable(record);
    }
  }

  #addTopic(name: string, id: string): void {
    assert(!this.#topics.has(name), `topic ${name} exists already`);
    const topic: TopicImage = { name, id, partitions: [] };
    this.#topics.set(name, topic);
    this.#topicsById.set(id, topic);
  }

  #putPartition(record: MetadataRecord & { type: 'Partition' | 'PartitionChange' }): void {
    const { topicId, partitionId: index, isr, leader, leaderEpoch, partitionEpoch } = record.value;
    const topic = this.#topicsById.get(topicId);
    assert(topic !== undefined, `partition ${index} of a topic ${topicId} that does not exist`);
    const known = topic.partitions[index];
    const replicas = record.type === 'Partition' ? record.value.replicas : known?.replicas;
    assert(replicas !== undefined, `partition ${topic.name}-${index} changes before it exists`);
    assert(index <= topic.partitions.length, `gap before partition ${topic.name}-${index}`);
    if (known === undefined) this.#partitionCount += 1;
    topic.partitions[index] = {
      topicId,
      index,
      replicas,
      isr,
      leader,
      leaderEpoch,
      partitionEpoch,
    };
  }

  #removeTopic(id: string): void {
    const topic = this.#topicsById.get(id);
    assert(topic !== undefined, `removal of a topic ${id} that does not exist`);
    this.#topics.delete(topic.name);
    this.#topicsById.delete(id);
    this.#settings.delete(`${ResourceType.topic}/${topic.name}`);
    this.#partitionCount -= topic.partitions.length;
    this.#removed.add(id);
    if (this.#removed.size > REMOVED_TOPICS_MAX) {
      for (const oldest of this.#removed) {
        this.#removed.delete(oldest);
        break;
      }
    }
  }

  #set(resource: string, name: string, value: string | null): void {
    let settings = this.#settings.get(resource);
    if (value === null) {
      settings?.delete(name);
      if (settings?.size === 0) this.#settings.delete(resource);
      return;
    }
    if (settings === undefined) this.#settings.set(resource, (settings = new Map()));
    settings.set(name, value);
  }
}
