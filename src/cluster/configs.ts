/**
 * The value of every setting, and where it comes from. A topic's setting is its own, else the
 * broker's by the first synonym that somebody set, else the default; a broker's setting is the one
 * changed at run time (for it, then for all brokers), else that of the configuration file, else the
 * default.
 */

import { BugError } from '../base/errors.ts';
import { runtimeKey } from '../config/broker-keys.ts';
import { clientMetricsKeys } from '../config/client-metrics-keys.ts';
import { type Bound, type GroupKey, groupKeys } from '../config/group-keys.ts';
import { bareName } from '../config/security-keys.ts';
import { formatValue, type Key, type KeyValue, LONG_MAX, parseValue } from '../config/table.ts';
import { type TopicKey, topicKeys } from '../config/topic-keys.ts';
import type { LogConfig } from '../log/log-config.ts';
import { ELR_VERSION } from './features.ts';
import { type MetadataImage, ResourceType } from './metadata-image.ts';
import { METADATA_TOPIC } from './topic-names.ts';

/** Kafka's numbers, as DescribeConfigs has them. */
export const ConfigSource = {
  topic: 1,
  dynamicBroker: 2,
  dynamicDefaultBroker: 3,
  staticBroker: 4,
  default: 5,
  brokerLogger: 6,
  clientMetrics: 7,
  group: 8,
} as const;

/** One place that gives a value; the first of a chain is in force. */
export interface ConfigEntry {
  readonly name: string;
  readonly value: KeyValue;
  readonly source: number;
}

/** Values given in the configuration file, by Kafka's names. */
export type GivenConfig = Readonly<Record<string, KeyValue>>;

export class Configs {
  readonly #given: GivenConfig;
  readonly #image: MetadataImage;
  readonly #nodeId: number;

  constructor(given: GivenConfig, image: MetadataImage, nodeId: number) {
    this.#given = given;
    this.#image = image;
    this.#nodeId = nodeId;
  }

  /** All places that give the broker's setting a value, the one in force first. */
  brokerChain(name: string): ConfigEntry[] {
    const key = runtimeKey(name);
    if (key === undefined) throw new BugError(`no broker setting ${name}`);
    const chain: ConfigEntry[] = [];
    const dynamic = [
      [String(this.#nodeId), ConfigSource.dynamicBroker],
      ['', ConfigSource.dynamicDefaultBroker],
    ] as const;
    for (const [resource, source] of dynamic) {
      const text = this.#image.settings(ResourceType.broker, resource).get(name);
      const value = text === undefined ? null : parsed(key, text);
      if (value !== null) chain.push({ name, value, source });
    }
    const given = this.#given[name];
    if (given !== undefined && given !== null) {
      chain.push({ name, value: given, source: ConfigSource.staticBroker });
    }
    if (key.default !== null) {
      chain.push({ name, value: key.default, source: ConfigSource.default });
    }
    return chain;
  }

  /**
   * The places as DescribeConfigs names them: together with those of the broker's settings that mean
   * the same, by source; from the first one on that bears the name itself, as Kafka has it.
   */
  describedChain(name: string): ConfigEntry[] {
    const bare = bareName(name);
    const chain = bySource(
      bare === name
        ? synonymsOf(name).flatMap((synonym) => this.brokerChain(synonym))
        : [...this.brokerChain(name).filter(isSet), ...this.brokerChain(bare)],
    );
    const first = chain.findIndex((entry) => entry.name === name);
    return first < 0 ? [] : chain.slice(first);
  }

  /** The broker's setting in force; null when nobody gave one. */
  broker(name: string): KeyValue {
    return this.brokerChain(name)[0]?.value ?? null;
  }
  /** Whether replicas out of the ISR that are certain to have everything may lead (KIP-966). */
  get electsEligible(): boolean {
    return this.#image.featureLevel(ELR_VERSION) > 0;
  }
  number(name: string): number {
    return Number(this.broker(name));
  }
  boolean(name: string): boolean {
    return this.broker(name) === true;
  }
  list(name: string): readonly string[] {
    const value = this.broker(name);
    return Array.isArray(value) ? (value as readonly string[]) : [];
  }

  /**
   * A listener's setting in force: its own for the SASL mechanism, its own, or the broker's
   * (`listener.name.NAME.MECHANISM.KEY`, `listener.name.NAME.KEY`, `KEY`).
   */
  listener(listener: string, name: string, mechanism: string | null = null): KeyValue {
    const prefix = `listener.name.${listener.toLowerCase()}.`;
    const own = [`${prefix}${name}`];
    if (mechanism !== null) own.unshift(`${prefix}${mechanism.toLowerCase()}.${name}`);
    for (const candidate of own) {
      const [first] = this.brokerChain(candidate);
      if (first !== undefined && first.source !== ConfigSource.default) return first.value;
    }
    return this.broker(name);
  }

  /**
   * All places that give the topic's setting a value, the one in force first. Values of the broker
   * stand as the broker has them, under its names.
   */
  topicChain(topic: string, key: TopicKey): ConfigEntry[] {
    const chain: ConfigEntry[] = [];
    const text = this.#image.settings(ResourceType.topic, topic).get(key.name);
    const own = text === undefined ? null : parsed(key, text);
    if (own !== null) chain.push({ name: key.name, value: own, source: ConfigSource.topic });
    const broker = key.brokerKeys.flatMap(({ name }) => this.brokerChain(name));
    return [...chain, ...bySource(broker)];
  }

  /** The topic's setting in force, in the topic's units. */
  topic(topic: string, name: string): KeyValue {
    const key = topicKeys.get(name);
    if (key === undefined) throw new BugError(`no topic setting ${name}`);
    return this.valueIn(key, this.topicChain(topic, key)[0]);
  }

  /** What a topic has that sets nothing itself. */
  topicDefault(name: string): KeyValue {
    // No topic is called that, so none has settings under that name.
    return this.topic('', name);
  }

  /** What an entry of a topic's chain means in the topic's units. */
  valueIn(key: TopicKey, entry: ConfigEntry | undefined): KeyValue {
    if (entry === undefined) return key.default;
    if (entry.source === ConfigSource.topic) return entry.value;
    const times = key.brokerKeys.find(({ name }) => name === entry.name)?.times ?? 1;
    return typeof entry.value === 'number' && entry.value >= 0 ? entry.value * times : entry.value;
  }

  /** All places that give the group's setting a value, the one in force first. */
  groupChain(groupId: string, key: GroupKey): ConfigEntry[] {
    const { name, brokerKey } = key;
    const text = this.#image.settings(ResourceType.group, groupId).get(name);
    const own = text === undefined ? null : parsed(key, text);
    const chain: ConfigEntry[] =
      own === null ? [] : [{ name, value: this.#bounded(key, own), source: ConfigSource.group }];
    if (brokerKey !== undefined) chain.push(...this.brokerChain(brokerKey));
    else if (key.default !== null) {
      chain.push({ name, value: key.default, source: ConfigSource.default });
    }
    return chain;
  }

  /** The broker's bounds may have moved since the group's value was set. */
  #bounded({ atLeast, atMost }: GroupKey, value: KeyValue): KeyValue {
    if (typeof value !== 'number') return value;
    const least = atLeast === undefined ? value : this.bound(atLeast);
    const most = atMost === undefined ? value : this.bound(atMost);
    return Math.min(Math.max(value, least), most);
  }

  bound({ setting, fixed }: Bound): number {
    return fixed ?? this.number(setting);
  }

  /** What the subscription to metrics of clients sets; empty: nothing, the default holds. */
  clientMetricsChain(subscription: string, key: Key): ConfigEntry[] {
    const { name } = key;
    const text = this.#image.settings(ResourceType.clientMetrics, subscription).get(name);
    const own = text === undefined ? null : parsed(key, text);
    return own === null ? [] : [{ name, value: own, source: ConfigSource.clientMetrics }];
  }

  clientMetrics(subscription: string, name: string): KeyValue {
    const key = clientMetricsKeys.get(name);
    if (key === undefined) throw new BugError(`no setting ${name} of metrics of clients`);
    return this.clientMetricsChain(subscription, key)[0]?.value ?? key.default;
  }

  /**
   * The group's setting in force: its own, else the broker's, else the default; where the broker has
   * bounds, the nearest value within them. A running broker may be told one outside.
   */
  group(groupId: string, name: string): KeyValue {
    const key = groupKeys.get(name);
    if (key === undefined) throw new BugError(`no group setting ${name}`);
    const value = this.groupChain(groupId, key)[0]?.value ?? null;
    return this.#bounded(key, value);
  }

  /** Undefined: the codec's default, or it has no levels here. */
  #compressionLevel(topic: string): number | undefined {
    const codec = this.topic(topic, 'compression.type');
    if (codec !== 'gzip' && codec !== 'zstd') return undefined;
    const level = Number(this.topic(topic, `compression.${codec}.level`));
    // Kafka's word for the default of gzip.
    return codec === 'gzip' && level === -1 ? undefined : level;
  }

  /** Everything that the topic's logs need to know. */
  logConfig(topic: string): LogConfig {
    const number = (name: string): number => Number(this.topic(topic, name));
    const limit = (name: string): number => {
      const value = number(name);
      return value >= LONG_MAX ? Number.POSITIVE_INFINITY : value;
    };
    const keepForEver = topic === METADATA_TOPIC;
    return {
      segmentBytes: number('segment.bytes'),
      segmentMs: limit('segment.ms'),
      segmentJitterMs: number('segment.jitter.ms'),
      segmentIndexBytes: number('segment.index.bytes'),
      indexIntervalBytes: number('index.interval.bytes'),
      retentionMs: keepForEver ? -1 : number('retention.ms'),
      retentionBytes: keepForEver ? -1 : number('retention.bytes'),
      // A step of the metadata is one batch, however many records it takes.
      maxMessageBytes: keepForEver ? Number.POSITIVE_INFINITY : number('max.message.bytes'),
      flushMessages: limit('flush.messages'),
      flushMs: limit('flush.ms'),
      fileDeleteDelayMs: number('file.delete.delay.ms'),
      messageTimestampType: this.topic(
        topic,
        'message.timestamp.type',
      ) as LogConfig['messageTimestampType'],
      messageTimestampBeforeMaxMs: limit('message.timestamp.before.max.ms'),
      messageTimestampAfterMaxMs: limit('message.timestamp.after.max.ms'),
      cleanupPolicy: this.topic(topic, 'cleanup.policy') as LogConfig['cleanupPolicy'],
      minCleanableDirtyRatio: number('min.cleanable.dirty.ratio'),
      minCompactionLagMs: number('min.compaction.lag.ms'),
      maxCompactionLagMs: limit('max.compaction.lag.ms'),
      deleteRetentionMs: number('delete.retention.ms'),
      compressionType: this.topic(topic, 'compression.type') as LogConfig['compressionType'],
      compressionLevel: this.#compressionLevel(topic),
      minInsyncReplicas: number('min.insync.replicas'),
      preallocate: this.topic(topic, 'preallocate') === true,
    };
  }
}

/** A listener's setting has no default of its own. */
const isSet = ({ source }: ConfigEntry): boolean => source !== ConfigSource.default;

/** By source before by name: what was set for hours beats the default of milliseconds. */
const bySource = (chain: readonly ConfigEntry[]): ConfigEntry[] =>
  chain.toSorted((a, b) => a.source - b.source);

/** Settings of the broker that mean the same in other units, the finest first. */
const units: readonly (readonly string[])[] = [...topicKeys.values()]
  .map(({ brokerKeys: same }) => same.map(({ name }) => name))
  .filter((names) => names.length > 1);

function synonymsOf(name: string): readonly string[] {
  // Nobody sets how often the scheduler flushes to have a default of something else.
  if (name === 'log.flush.scheduler.interval.ms') return [name];
  return units.find((names) => names.includes(name)) ?? [name];
}

/** A value that stands in the metadata log was checked when it was set; a later table may differ. */
function parsed(key: Key, text: string): KeyValue {
  const result = parseValue(key, text);
  return 'value' in result ? result.value : null;
}

/** Null for a secret: it is never told. */
export const describedValue = (key: Key, value: KeyValue): string | null =>
  key.secret === true || key.type === 'password' || value === null ? null : formatValue(value);
