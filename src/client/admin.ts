/**
 * What administrators do: topics, configurations, groups and their offsets.
 *
 * Methods that act on several things resolve to one result for each, with its error; those that ask
 * reject with ProtocolError. Errors that pass by themselves (a leader or coordinator that moves) are
 * retried within the client's request timeout.
 */
import { ZERO_UUID } from '../base/bytes.ts';
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import { type Call, calls } from './call.ts';
import type { Client } from './client.ts';
import { Coordinator } from './coordinator.ts';
import {
  type CommittedOffset,
  commitOffsets,
  fetchOffsets,
  type OffsetToCommit,
  OUTSIDER,
} from './group-offsets.ts';
import {
  byTopic,
  type KnownOffsets,
  knownOffsets,
  type ListedOffset,
  listOffsets,
  type OffsetSpec,
  partitionKey,
  requireLeaders,
  type TopicPartition,
} from './list-offsets.ts';
import { type TopicInfo, topicInfo } from './metadata-cache.ts';
import { decodeAssignment } from './range-assignor.ts';
import { retried } from './retried.ts';

export interface NewTopic {
  readonly name: string;
  /** Default: the broker's (`num.partitions`). */
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly configs?: Readonly<Record<string, string>>;
}

/** What became of one of several things. */
export interface Result {
  readonly name: string;
  readonly error: ProtocolError | null;
}

export interface CreatedTopic extends Result {
  readonly topicId: string;
  /** -1: the broker does not tell. */
  readonly partitions: number;
  readonly replicationFactor: number;
}

export interface GroupListing {
  readonly groupId: string;
  readonly protocolType: string;
  /** Empty where the broker does not tell. */
  readonly state: string;
  readonly type: string;
}

export interface GroupMemberDescription {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly host: string;
  readonly assignment: readonly TopicPartition[];
}

export interface GroupDescription {
  readonly groupId: string;
  /** Kafka's word: Stable, Empty, PreparingRebalance, CompletingRebalance, Dead. */
  readonly state: string;
  readonly protocolType: string;
  readonly protocol: string;
  readonly members: readonly GroupMemberDescription[];
}

export type ResourceType = 'topic' | 'broker';
const RESOURCE_TYPES = { topic: 2, broker: 4 } as const;

export interface ConfigEntry {
  readonly name: string;
  /** Null: secret. */
  readonly value: string | null;
  readonly source: string;
  readonly isReadOnly: boolean;
  readonly isSensitive: boolean;
}

const CONFIG_SOURCES: Readonly<Record<number, string>> = {
  1: 'DYNAMIC_TOPIC_CONFIG',
  2: 'DYNAMIC_BROKER_CONFIG',
  3: 'DYNAMIC_DEFAULT_BROKER_CONFIG',
  4: 'STATIC_BROKER_CONFIG',
  5: 'DEFAULT_CONFIG',
  6: 'DYNAMIC_BROKER_LOGGER_CONFIG',
};

export interface ClusterDescription {
  readonly clusterId: string | null;
  readonly controllerId: number;
  readonly brokers: readonly { id: number; host: string; port: number; rack: string | null }[];
}

const OPERATION_SET = 0;
const OPERATION_DELETE = 1;

export class Admin {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async createTopics(
    topics: readonly NewTopic[],
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<CreatedTopic[]> {
    const body = {
      topics: topics.map((topic) => ({
        name: topic.name,
        numPartitions: topic.partitions ?? -1,
        replicationFactor: topic.replicationFactor ?? -1,
        assignments: [],
        configs: Object.entries(topic.configs ?? {}).map(([name, value]) => ({ name, value })),
      })),
      timeoutMs: this.#client.requestTimeoutMs,
      validateOnly: options.validateOnly ?? false,
    };
    const answer = await this.#controller(calls.createTopics, body, (r) => codesOf(r.topics));
    return answer.topics.map((topic) => ({
      ...result(topic.name, topic.errorCode, topic.errorMessage),
      topicId: topic.topicId,
      partitions: topic.numPartitions,
      replicationFactor: topic.replicationFactor,
    }));
  }

  async deleteTopics(names: readonly string[]): Promise<Result[]> {
    const body = {
      topics: names.map((name) => ({ name, topicId: ZERO_UUID })),
      topicNames: [...names],
      timeoutMs: this.#client.requestTimeoutMs,
    };
    const answer = await this.#controller(calls.deleteTopics, body, (r) => codesOf(r.responses));
    return answer.responses.map((r) => result(r.name ?? '', r.errorCode, r.errorMessage));
  }

  /** `count` is the new total. */
  async createPartitions(topics: readonly { name: string; count: number }[]): Promise<Result[]> {
    const body = {
      topics: topics.map(({ name, count }) => ({ name, count, assignments: null })),
      timeoutMs: this.#client.requestTimeoutMs,
      validateOnly: false,
    };
    const answer = await this.#controller(calls.createPartitions, body, (r) => codesOf(r.results));
    return answer.results.map((r) => result(r.name, r.errorCode, r.errorMessage));
  }

  /** Every topic, sorted by name; internal ones too. */
  async listTopics(): Promise<TopicInfo[]> {
    const topics = await this.#topics(null);
    return topics.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** In the order asked for; rejects with UNKNOWN_TOPIC_OR_PARTITION when one is missing. */
  async describeTopics(names: readonly string[]): Promise<TopicInfo[]> {
    const topics = new Map((await this.#topics(names)).map((topic) => [topic.name, topic]));
    return names.map((name) => {
      const topic = topics.get(name);
      const code = topic?.errorCode ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      // A partition without a leader is a fact to show, not a failure.
      if (topic === undefined || (code !== ErrorCode.NONE && topic.partitions.length === 0)) {
        const isMissing = code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
        const what = isMissing ? `topic '${name}' does not exist` : `topic '${name}'`;
        throw new ProtocolError(code, `${what} (${errorName(code)})`);
      }
      return topic;
    });
  }

  listOffsets(partitions: readonly TopicPartition[], spec: OffsetSpec): Promise<ListedOffset[]> {
    return listOffsets(this.#client, partitions, spec);
  }

  /** What leaders tell in time of where logs start and end; see there. */
  knownOffsets(topics: readonly TopicInfo[], withinMs: number): Promise<KnownOffsets> {
    return knownOffsets(this.#client, topics, withinMs);
  }

  /** Deletes what lies before the offsets (-1: everything readable); resolves to the new starts. */
  async deleteRecords(
    before: readonly (TopicPartition & { readonly offset: number })[],
  ): Promise<{ topic: string; partition: number; lowWatermark: number }[]> {
    const { metadata } = this.#client;
    await requireLeaders(this.#client, before);
    const done: { topic: string; partition: number; lowWatermark: number }[] = [];
    for (const { topic, partition, offset } of before) {
      const partitions = [{ partitionIndex: partition, offset }];
      const { requestTimeoutMs: timeoutMs } = this.#client;
      const body = { topics: [{ name: topic, partitions }], timeoutMs };
      const answer = await retried(
        this.#client,
        () => this.#client.request(metadata.leader(topic, partition), calls.deleteRecords, body),
        (r) => r.topics.flatMap((answered) => codesOf(answered.partitions)),
      );
      const { lowWatermark, errorCode } = answer.topics[0]!.partitions[0]!;
      check(errorCode, partitionKey({ topic, partition }));
      done.push({ topic, partition, lowWatermark });
    }
    return done;
  }

  /** Groups of all brokers, sorted by id. */
  async listGroups(): Promise<GroupListing[]> {
    await this.#client.metadata.refresh();
    const groups = new Map<string, GroupListing>();
    for (const broker of this.#client.metadata.brokers.keys()) {
      const answer = await retried(
        this.#client,
        () => this.#client.request(broker, calls.listGroups, { statesFilter: [], typesFilter: [] }),
        (r) => [r.errorCode],
      );
      check(answer.errorCode, `groups of broker ${broker}`);
      for (const { groupId, protocolType, groupState, groupType } of answer.groups) {
        groups.set(groupId, { groupId, protocolType, state: groupState, type: groupType });
      }
    }
    return [...groups.values()].sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
  }

  /** A group that does not exist is described as `Dead`. */
  async describeGroups(groupIds: readonly string[]): Promise<GroupDescription[]> {
    const descriptions: GroupDescription[] = [];
    for (const groupId of groupIds) {
      const answer = await new Coordinator(this.#client, groupId).request(
        calls.describeGroups,
        { groups: [groupId], includeAuthorizedOperations: false },
        (r) => r.groups[0]?.errorCode ?? 0,
      );
      const group = answer.groups[0]!;
      if (group.errorCode !== ErrorCode.GROUP_ID_NOT_FOUND) {
        check(group.errorCode, `group '${groupId}'`);
      }
      descriptions.push({
        groupId,
        state: group.groupState,
        protocolType: group.protocolType,
        protocol: group.protocolData,
        members: group.members.map((member) => ({
          memberId: member.memberId,
          groupInstanceId: member.groupInstanceId,
          clientId: member.clientId,
          host: member.clientHost,
          assignment: assignmentOf(group.protocolType, member.memberAssignment),
        })),
      });
    }
    return descriptions;
  }

  /** Committed offsets; without `partitions` all that the group has. */
  async groupOffsets(
    groupId: string,
    partitions: readonly TopicPartition[] | null = null,
  ): Promise<CommittedOffset[]> {
    const found = await fetchOffsets(
      this.#client,
      new Coordinator(this.#client, groupId),
      partitions,
    );
    return found.sort((a, b) =>
      a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
    );
  }

  /** Rejects with UNKNOWN_MEMBER_ID while the group has members. */
  alterGroupOffsets(groupId: string, offsets: readonly OffsetToCommit[]): Promise<void> {
    return commitOffsets(new Coordinator(this.#client, groupId), OUTSIDER, offsets);
  }

  async deleteGroupOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<void> {
    const answer = await new Coordinator(this.#client, groupId).request(
      calls.offsetDelete,
      { groupId, topics: byTopic(partitions, (p) => ({ partitionIndex: p.partition })) },
      (r) => r.errorCode,
    );
    check(answer.errorCode, `group '${groupId}'`);
    for (const topic of answer.topics) {
      for (const { partitionIndex, errorCode } of topic.partitions) {
        check(errorCode, `offset of '${groupId}' in ${topic.name}-${partitionIndex}`);
      }
    }
  }

  async deleteGroups(groupIds: readonly string[]): Promise<Result[]> {
    const results: Result[] = [];
    for (const groupId of groupIds) {
      const answer = await new Coordinator(this.#client, groupId).request(
        calls.deleteGroups,
        { groupsNames: [groupId] },
        (r) => r.results[0]?.errorCode ?? 0,
      );
      results.push(result(groupId, answer.results[0]?.errorCode ?? 0, null));
    }
    return results;
  }

  /** Effective values, sorted by name. Broker `''` is the default of all brokers. */
  async describeConfigs(
    type: ResourceType,
    name: string,
    keys: readonly string[] | null = null,
  ): Promise<ConfigEntry[]> {
    const resource = {
      resourceType: RESOURCE_TYPES[type],
      resourceName: name,
      configurationKeys: keys === null ? null : [...keys],
    };
    const body = { resources: [resource], includeSynonyms: false, includeDocumentation: false };
    const answer = await retried(
      this.#client,
      () => this.#client.request(this.#brokerFor(type, name), calls.describeConfigs, body),
      (r) => codesOf(r.results),
    );
    const described = answer.results[0]!;
    check(described.errorCode, `${type} '${name}'`, described.errorMessage);
    return described.configs
      .map((config) => ({
        name: config.name,
        value: config.value,
        source: CONFIG_SOURCES[config.configSource] ?? 'UNKNOWN',
        isReadOnly: config.readOnly,
        isSensitive: config.isSensitive,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Sets values; null takes a setting back to its default. */
  async alterConfigs(
    type: ResourceType,
    name: string,
    changes: Readonly<Record<string, string | null>>,
  ): Promise<void> {
    const body = {
      resources: [
        {
          resourceType: RESOURCE_TYPES[type],
          resourceName: name,
          configs: Object.entries(changes).map(([key, value]) => ({
            name: key,
            configOperation: value === null ? OPERATION_DELETE : OPERATION_SET,
            value,
          })),
        },
      ],
      validateOnly: false,
    };
    const call = calls.incrementalAlterConfigs;
    const broker = this.#brokerFor(type, name);
    const answer =
      broker === 'any'
        ? await this.#controller(call, body, (r) => codesOf(r.responses))
        : await this.#client.request(broker, call, body);
    const altered = answer.responses[0]!;
    check(altered.errorCode, `${type} '${name}'`, altered.errorMessage);
  }

  async describeCluster(): Promise<ClusterDescription> {
    const { metadata } = this.#client;
    await metadata.refresh();
    const brokers = [...metadata.brokers.values()].sort((a, b) => a.id - b.id);
    return { clusterId: metadata.clusterId, controllerId: metadata.controllerId, brokers };
  }

  /** A broker's own configuration is known to that broker. */
  #brokerFor(type: ResourceType, name: string): number | 'any' {
    return type === 'broker' && name !== '' ? Number(name) : 'any';
  }

  async #topics(names: readonly string[] | null): Promise<TopicInfo[]> {
    const body = {
      topics: names === null ? null : names.map((name) => ({ topicId: ZERO_UUID, name })),
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    };
    const answer = await retried(
      this.#client,
      () => this.#client.request('any', calls.metadata, body),
      (r) => [r.errorCode],
    );
    return answer.topics.map((topic) => topicInfo(topic.name ?? '', topic));
  }

  /** To the controller where there is one among the brokers; any broker hands it on otherwise. */
  #controller<Q, R>(call: Call<Q, R>, body: Q, codes: (response: R) => number[]): Promise<R> {
    const { metadata } = this.#client;
    const send = async (attempt: number): Promise<R> => {
      if (metadata.controllerId < 0) await metadata.refresh();
      const isKnown = attempt === 1 && metadata.controllerId >= 0;
      return this.#client.request(isKnown ? metadata.controllerId : 'next', call, body);
    };
    return retried(this.#client, send, codes);
  }
}

const codesOf = (items: readonly { errorCode: number }[]): number[] =>
  items.map((item) => item.errorCode);

const result = (name: string, code: number, message: string | null): Result => ({
  name,
  error: code === ErrorCode.NONE ? null : failure(code, name, message),
});

const failure = (code: number, what: string, message: string | null): ProtocolError =>
  new ProtocolError(code, `${what}: ${message ?? errorName(code)}`);

function check(code: number, what: string, message: string | null = null): void {
  if (code !== ErrorCode.NONE) throw failure(code, what, message);
}

/** Members of other protocols (Connect's workers) keep something else there. */
function assignmentOf(protocolType: string, bytes: Buffer): TopicPartition[] {
  if (protocolType !== 'consumer') return [];
  return [...decodeAssignment(bytes)].flatMap(([topic, partitions]) =>
    partitions.map((partition) => ({ topic, partition })),
  );
}
