/**
 * What the metadata log says, in memory: brokers, topics, partitions, settings, users, producer ids.
 *
 * Only `apply` changes it, one record after another, so the same log gives the same image on every
 * start and on every broker. Readers use it directly and never keep parts of it across a wait.
 */
import { assert, unreachable } from '../base/assert.ts';
import type { Acl } from '../protocol/acl.ts';
import { features } from './features.ts';
import { MetadataDelta } from './metadata-delta.ts';
import type { MetadataRecord } from './metadata-records.ts';
import { type QuotaImage, QuotaImages } from './quota-images.ts';
import { ResourceSettings, type Settings } from './resource-settings.ts';
import { UserCredentials } from './user-credentials.ts';

/** What can be configured: Kafka's numbers. */
export const ResourceType = {
  topic: 2,
  broker: 4,
  brokerLogger: 8,
  clientMetrics: 16,
  group: 32,
} as const;

/** Nobody: a partition without a leader. */
export const NO_LEADER = -1;

export interface PartitionImage {
  readonly topicId: string;
  readonly index: number;
  /** In the order of preference; with those that are being added and removed. */
  readonly replicas: readonly number[];
  /** Empty while nobody leads; where nobody is eligible, the last one stays. */
  readonly isr: readonly number[];
  /** Being added and being taken away by a reassignment; empty: there is none. */
  readonly adding: readonly number[];
  readonly removing: readonly number[];
  /** Out of sync, and yet certain to have everything committed (KIP-966). */
  readonly elr: readonly number[];
  /** Without a leader: who led last. All replicas, with that one first: it has lost its disk. */
  readonly lastKnownElr: readonly number[];
  /** `NO_LEADER`: none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  /** Goes up with every change. */
  readonly partitionEpoch: number;
  readonly leaderRecoveryState: number;
}

export interface TopicImage {
  readonly name: string;
  readonly id: string;
  /** By index; there are no gaps. */
  readonly partitions: PartitionImage[];
}

export interface EndPoint {
  /** Name of the listener. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly securityProtocol: number;
}

/** Levels of a feature between which a broker can go. */
export interface FeatureRange {
  readonly name: string;
  readonly min: number;
  readonly max: number;
}

export interface BrokerImage {
  readonly id: number;
  /** Offset of its registration; a later start has a greater one. */
  readonly epoch: number;
  readonly incarnationId: string;
  readonly rack: string | null;
  readonly endPoints: readonly EndPoint[];
  /** Ids of its log directories that work; empty: not told. */
  readonly logDirs: readonly string[];
  /** Which features it supports; empty: not told, it is an older program. */
  readonly features: readonly FeatureRange[];
  /** Leads nothing and is in no ISR: it has not caught up, or is not heard of. */
  readonly fenced: boolean;
  readonly inControlledShutdown: boolean;
}

/** A voter of the metadata quorum; one with another directory is another voter (KIP-853). */
export interface Voter {
  readonly id: number;
  readonly directoryId: string;
}

/** A rule of access control, by the id under which it is removed. */
export type AclImage = Acl & { readonly id: string };

/** Ids of removed topics that are remembered, to tell a left-over log from a lost record. */
const REMOVED_TOPICS_MAX = 100_000;

export class MetadataImage {
  readonly users = new UserCredentials();
  readonly #topics = new Map<string, TopicImage>();
  readonly #topicsById = new Map<string, TopicImage>();
  readonly #removed = new Set<string>();
  readonly #brokers = new Map<number, BrokerImage>();
  readonly #settings = new ResourceSettings();
  readonly #featureLevels = new Map<string, number>();
  readonly #acls = new Map<string, AclImage>();
  /** Goes up with every change of the rules. */
  #aclsVersion = 0;
  readonly #quotas = new QuotaImages();
  #partitionCount = 0;
  #nextProducerId = 0;

  get topics(): ReadonlyMap<string, TopicImage> {
    return this.#topics;
  }
  get brokers(): ReadonlyMap<number, BrokerImage> {
    return this.#brokers;
  }
  /** By id. */
  get acls(): ReadonlyMap<string, AclImage> {
    return this.#acls;
  }
  get aclsVersion(): number {
    return this.#aclsVersion;
  }
  /** By `quotaKey`. */
  get quotas(): ReadonlyMap<string, QuotaImage> {
    return this.#quotas.all;
  }
  get quotasVersion(): number {
    return this.#quotas.version;
  }
  get partitionCount(): number {
    return this.#partitionCount;
  }
  /** First producer id that no broker was given. */
  get nextProducerId(): number {
    return this.#nextProducerId;
  }

  /** The level in force; 0 for one that there is not. */
  featureLevel(name: string): number {
    return this.#featureLevels.get(name) ?? features.get(name)?.initial ?? 0;
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
    return this.#settings.of(resourceType, resourceName);
  }
  /** Names of the resources of a type that have settings. */
  configured(resourceType: number): string[] {
    return this.#settings.names(resourceType);
  }

  apply(record: MetadataRecord, delta: MetadataDelta = new MetadataDelta()): void {
    switch (record.type) {
      case 'Topic':
        return this.#addTopic(record.value.name, record.value.topicId, delta);
      case 'Partition':
      case 'PartitionChange':
        return this.#putPartition(record, delta);
      case 'RemoveTopic':
        return this.#removeTopic(record.value.topicId, delta);
      case 'Config': {
        const { resourceType, resourceName, name, value } = record.value;
        this.#settings.set(resourceType, resourceName, name, value);
        if (resourceType === ResourceType.topic) delta.topicSettings.add(resourceName);
        else if (resourceType === ResourceType.broker) delta.brokerSettings.add(resourceName);
        else if (resourceType === ResourceType.group) delta.groupSettings.add(resourceName);
        else delta.clientMetrics.add(resourceName);
        return;
      }
      case 'FeatureLevel':
        this.#featureLevels.set(record.value.name, record.value.featureLevel);
        return;
      case 'ProducerIds':
        this.#nextProducerId = Math.max(this.#nextProducerId, record.value.nextProducerId);
        return;
      case 'RegisterBroker': {
        const { brokerId: id, brokerEpoch: epoch, ...rest } = record.value;
        this.#brokers.set(id, { id, epoch, ...rest });
        delta.brokers.add(id);
        return;
      }
      case 'BrokerChange': {
        const { brokerId: id, fenced, inControlledShutdown, logDirs } = record.value;
        const known = this.#brokers.get(id);
        assert(known !== undefined, `broker ${id} changes before it has registered`);
        this.#brokers.set(id, { ...known, fenced, inControlledShutdown, logDirs });
        delta.brokers.add(id);
        return;
      }
      case 'UnregisterBroker':
        this.#brokers.delete(record.value.brokerId);
        delta.brokers.add(record.value.brokerId);
        return;
      case 'AccessControlEntry':
        this.#acls.set(record.value.id, record.value);
        this.#aclsVersion += 1;
        return;
      case 'RemoveAccessControlEntry':
        assert(this.#acls.delete(record.value.id), `no access control entry ${record.value.id}`);
        this.#aclsVersion += 1;
        return;
      case 'UserScramCredential': {
        const { name, mechanism, ...credential } = record.value;
        return this.users.put(name, mechanism, credential);
      }
      case 'RemoveUserScramCredential':
        return this.users.remove(record.value.name, record.value.mechanism);
      case 'ClientQuota':
        return this.#quotas.put(record.value);
      case 'Voters':
      case 'NoOp':
        // The quorum's own.
        return;
      default:
        unreachable(record);
    }
  }

  /**
   * Becomes what the records make out of an empty image (a snapshot). The delta names everything
   * that is there now, and the topics that are gone.
   */
  replace(records: Iterable<MetadataRecord>, delta: MetadataDelta = new MetadataDelta()): void {
    const topics = [...this.#topics.values()];
    const brokers = [...this.#brokers.keys()];
    const brokerSettings = this.configured(ResourceType.broker);
    const groupSettings = this.configured(ResourceType.group);
    const clientMetrics = this.configured(ResourceType.clientMetrics);
    for (const map of [this.#topics, this.#topicsById, this.#brokers]) map.clear();
    this.#settings.clear();
    this.#featureLevels.clear();
    this.#acls.clear();
    this.#quotas.clear();
    this.#aclsVersion += 1;
    this.#removed.clear();
    this.users.clear();
    this.#partitionCount = 0;
    this.#nextProducerId = 0;
    for (const record of records) this.apply(record, delta);
    for (const topic of topics) {
      if (this.#topicsById.has(topic.id)) delta.topicSettings.add(topic.name);
      else delta.removedTopics.push(topic);
    }
    for (const id of brokers) delta.brokers.add(id);
    for (const name of brokerSettings) delta.brokerSettings.add(name);
    for (const name of groupSettings) delta.groupSettings.add(name);
    for (const name of clientMetrics) delta.clientMetrics.add(name);
  }

  /** Records that make an equal image out of an empty one. */
  *records(): Generator<MetadataRecord> {
    for (const [name, featureLevel] of this.#featureLevels) {
      yield { type: 'FeatureLevel', value: { name, featureLevel } };
    }
    for (const { id: brokerId, epoch: brokerEpoch, ...rest } of this.#brokers.values()) {
      const value = { brokerId, brokerEpoch, ...rest };
      yield {
        type: 'RegisterBroker',
        value: {
          ...value,
          endPoints: [...rest.endPoints],
          logDirs: [...rest.logDirs],
          features: [...rest.features],
        },
      };
    }
    for (const topicId of this.#removed) {
      // A name that no topic may have: it is gone at once, and its id stays known.
      yield { type: 'Topic', value: { name: '', topicId } };
      yield { type: 'RemoveTopic', value: { topicId } };
    }
    for (const { name, id: topicId, partitions } of this.#topics.values()) {
      yield { type: 'Topic', value: { name, topicId } };
      for (const partition of partitions) {
        yield { type: 'Partition', value: partitionValue(partition) };
      }
    }
    yield* this.#settings.records();
    for (const value of this.#acls.values()) yield { type: 'AccessControlEntry', value };
    yield* this.users.records();
    yield* this.#quotas.records();
    if (this.#nextProducerId > 0) {
      const value = { brokerId: -1, brokerEpoch: -1, nextProducerId: this.#nextProducerId };
      yield { type: 'ProducerIds', value };
    }
  }

  #addTopic(name: string, id: string, delta: MetadataDelta): void {
    assert(!this.#topics.has(name), `topic ${name} exists already`);
    const topic: TopicImage = { name, id, partitions: [] };
    this.#topics.set(name, topic);
    this.#topicsById.set(id, topic);
    delta.createdTopics.add(id);
  }

  #putPartition(
    record: MetadataRecord & { type: 'Partition' | 'PartitionChange' },
    delta: MetadataDelta,
  ): void {
    const { topicId, partitionId: index, ...state } = record.value;
    const topic = this.#topicsById.get(topicId);
    assert(topic !== undefined, `partition ${index} of a topic ${topicId} that does not exist`);
    const known = topic.partitions[index];
    assert(
      known !== undefined || record.type === 'Partition',
      `partition ${topic.name}-${index} changes before it exists`,
    );
    assert(index <= topic.partitions.length, `gap before partition ${topic.name}-${index}`);
    if (known === undefined) this.#partitionCount += 1;
    const replicas =
      state.replicas.length === 0 && known !== undefined ? known.replicas : state.replicas;
    topic.partitions[index] = { topicId, index, ...state, replicas };
    delta.partition(topicId, index);
  }

  #removeTopic(id: string, delta: MetadataDelta): void {
    const topic = this.#topicsById.get(id);
    assert(topic !== undefined, `removal of a topic ${id} that does not exist`);
    this.#topics.delete(topic.name);
    this.#topicsById.delete(id);
    this.#settings.forget(ResourceType.topic, topic.name);
    this.#partitionCount -= topic.partitions.length;
    delta.partitions.delete(id);
    delta.createdTopics.delete(id);
    delta.topicSettings.delete(topic.name);
    if (topic.partitions.length > 0) delta.removedTopics.push(topic);
    this.#removed.add(id);
    if (this.#removed.size > REMOVED_TOPICS_MAX) {
      for (const oldest of this.#removed) {
        this.#removed.delete(oldest);
        break;
      }
    }
  }
}

/** The whole state of a partition as its records carry it. */
export function partitionValue(partition: PartitionImage): (MetadataRecord & {
  type: 'Partition';
})['value'] {
  const {
    index: partitionId,
    replicas,
    isr,
    adding,
    removing,
    elr,
    lastKnownElr,
    ...rest
  } = partition;
  return {
    ...rest,
    partitionId,
    replicas: [...replicas],
    isr: [...isr],
    adding: [...adding],
    removing: [...removing],
    elr: [...elr],
    lastKnownElr: [...lastKnownElr],
  };
}
