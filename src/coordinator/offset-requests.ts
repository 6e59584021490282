/**
 * OffsetCommit, OffsetFetch and OffsetDelete: checks topics and versions, and leaves the rest to the
 * shard that holds the group.
 */
import { ZERO_UUID } from '../base/bytes.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { offsetCommitResponse } from '../protocol/messages/08-offset-commit.ts';
import type {
  offsetFetchRequest,
  offsetFetchResponse,
} from '../protocol/messages/09-offset-fetch.ts';
import type {
  offsetDeleteRequest,
  offsetDeleteResponse,
} from '../protocol/messages/47-offset-delete.ts';
import type { Infer } from '../protocol/schema.ts';
import { checkConsumerFetch } from './consumer/offset-checks.ts';
import type {
  CommitRequest,
  CommitTopicRequest,
  CommitTopicResponse,
  DeleteTopicRequest,
  FetchGroupRequest,
  FetchGroupResponse,
} from './offsets.ts';
import { checkCommit, fetchedPartition } from './offsets.ts';
import type { RequestContext } from './request-context.ts';
import type { Shards } from './shards.ts';
import type { TopicDirectory } from './topic-directory.ts';

/** From here on, a group that is missing is said to be. */
const COMMIT_NO_GROUP_VERSION = 9;
/** From here on, topics go by their ids. */
const TOPIC_ID_VERSION = 10;
/** From here on, an error of the whole group has a place. */
const FETCH_GROUP_ERROR_VERSION = 2;
/** From here on, one request asks about several groups (KIP-709). */
const FETCH_SEVERAL_VERSION = 8;

type FetchTopics = FetchGroupResponse['topics'];

export class OffsetRequests {
  readonly #shards: Shards;
  readonly #topics: TopicDirectory;
  readonly #mayAnswer: () => boolean;

  constructor(shards: Shards, topics: TopicDirectory, mayAnswer: () => boolean) {
    this.#shards = shards;
    this.#topics = topics;
    this.#mayAnswer = mayAnswer;
  }

  async commit(
    request: CommitRequest,
    context: RequestContext,
  ): Promise<Infer<typeof offsetCommitResponse>> {
    const { known, refused } = this.#splitTopics(request, context.apiVersion);
    const stored = known.length === 0 ? [] : await this.#store(request, known, context.apiVersion);
    return { throttleTimeMs: 0, topics: mergeTopics(refused, stored) };
  }

  async #store(
    request: CommitRequest,
    topics: readonly CommitTopicRequest[],
    apiVersion: number,
  ): Promise<CommitTopicResponse[]> {
    const failed = (code: number) => topics.map((topic) => failedTopic(topic, code));
    const shard = this.#shards.route(request.groupId);
    if (typeof shard === 'number') return failed(shard);
    let group = shard.groups.get(request.groupId);
    if (group === undefined) {
      if (request.generationIdOrMemberEpoch >= 0) {
        const isNew = apiVersion >= COMMIT_NO_GROUP_VERSION;
        return failed(isNew ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.ILLEGAL_GENERATION);
      }
      if (this.#shards.refusesNewGroup()) return failed(ErrorCode.COORDINATOR_NOT_AVAILABLE);
      group = shard.create(request.groupId);
    }
    const code = checkCommit(group, request, topics, apiVersion);
    if (code !== ErrorCode.NONE) {
      shard.tidy(group);
      return failed(code);
    }
    if (group.type === 'classic') shard.membership.committed(group, request.memberId);
    const results = await shard.offsets.commit(group, request, topics);
    shard.tidy(group);
    return results;
  }

  /** Topics with the partitions that exist, name and id filled in; and the rest, with errors. */
  #splitTopics(
    request: CommitRequest,
    apiVersion: number,
  ): { known: CommitTopicRequest[]; refused: CommitTopicResponse[] } {
    const topics = this.#topics;
    const known: CommitTopicRequest[] = [];
    const refused: CommitTopicResponse[] = [];
    const byId = apiVersion >= TOPIC_ID_VERSION;
    for (const topic of request.topics) {
      const name = byId ? topics.topicName(topic.topicId) : topic.name;
      const topicId = byId ? topic.topicId : topics.topicId(topic.name);
      if (name === undefined) refused.push(failedTopic(topic, ErrorCode.UNKNOWN_TOPIC_ID));
      else if (topicId === undefined) {
        refused.push(failedTopic(topic, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION));
      } else {
        const exists = (p: { partitionIndex: number }) =>
          topics.hasPartition(name, p.partitionIndex);
        const present = topic.partitions.filter(exists);
        const absent = topic.partitions.filter((p) => !exists(p));
        const whole = { ...topic, name, topicId };
        if (present.length > 0) known.push({ ...whole, partitions: present });
        if (absent.length > 0) {
          const partitions = absent;
          refused.push(failedTopic({ ...whole, partitions }, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION));
        }
      }
    }
    return { known, refused };
  }

  async fetch(
    request: Infer<typeof offsetFetchRequest>,
    context: RequestContext,
  ): Promise<Infer<typeof offsetFetchResponse>> {
    const { apiVersion } = context;
    const none = { throttleTimeMs: 0, topics: [], errorCode: ErrorCode.NONE, groups: [] };
    const fetch = (group: FetchGroupRequest) =>
      this.#fetchGroup(group, request.requireStable, apiVersion);
    if (apiVersion >= FETCH_SEVERAL_VERSION) {
      return { ...none, groups: await Promise.all(request.groups.map(fetch)) };
    }
    const asked = request.topics?.map((topic) => ({ ...topic, topicId: ZERO_UUID })) ?? null;
    const { groupId } = request;
    const group = await fetch({ groupId, memberId: null, memberEpoch: -1, topics: asked });
    return { ...none, topics: group.topics, errorCode: group.errorCode };
  }

  async #fetchGroup(
    request: FetchGroupRequest,
    requireStable: boolean,
    apiVersion: number,
  ): Promise<FetchGroupResponse> {
    const { groupId } = request;
    const shard = this.#shards.route(groupId);
    if (typeof shard === 'number') return failedFetch(request, shard, apiVersion);
    // Nobody may go on from an offset that another is just about to replace.
    if (requireStable) {
      await shard.offsets.settled();
      // One that was given up meanwhile has forgotten everything: its successor is asked.
      if (this.#shards.route(groupId) !== shard) {
        return this.#fetchGroup(request, requireStable, apiVersion);
      }
    }
    if (!this.#mayAnswer()) return failedFetch(request, ErrorCode.NOT_COORDINATOR, apiVersion);
    const group = shard.groups.get(groupId);
    if (group?.type === 'consumer') {
      const code = checkConsumerFetch(group, request);
      if (code !== ErrorCode.NONE) return failedFetch(request, code, apiVersion);
    }
    const fetch = (topics: FetchGroupRequest['topics']): FetchTopics =>
      shard.offsets.fetch(groupId, group, topics, requireStable);
    if (apiVersion < TOPIC_ID_VERSION) {
      const asked = request.topics === null ? null : this.#identified(request.topics);
      return { groupId, topics: fetch(asked), errorCode: ErrorCode.NONE };
    }
    const topics =
      request.topics === null ? this.#withIds(fetch(null)) : this.#fetchById(request.topics, fetch);
    return { groupId, topics, errorCode: ErrorCode.NONE };
  }

  /**
   * Who asks by name means the topic that has it now: offsets of one that was deleted may be there
   * still, where they could not be removed. (Kafka shows them, and records are left out then.)
   */
  #identified(topics: NonNullable<FetchGroupRequest['topics']>): FetchGroupRequest['topics'] {
    return topics.map((topic) => {
      const topicId = this.#topics.topicId(topic.name) ?? ZERO_UUID;
      return { ...topic, topicId };
    });
  }

  /** What has no id any more can't be shown. */
  #withIds(topics: FetchTopics): FetchTopics {
    return topics.flatMap((topic) => {
      const topicId = this.#topics.topicId(topic.name);
      return topicId === undefined ? [] : [{ ...topic, topicId }];
    });
  }

  #fetchById(
    asked: NonNullable<FetchGroupRequest['topics']>,
    fetch: (topics: FetchGroupRequest['topics']) => FetchTopics,
  ): FetchTopics {
    return asked.flatMap((topic) => {
      const name = this.#topics.topicName(topic.topicId);
      if (name !== undefined) return fetch([{ ...topic, name }]);
      const partitions = topic.partitionIndexes.map((index) =>
        fetchedPartition(index, null, ErrorCode.UNKNOWN_TOPIC_ID),
      );
      return [{ name: '', topicId: topic.topicId, partitions }];
    });
  }

  async delete(
    request: Infer<typeof offsetDeleteRequest>,
  ): Promise<Infer<typeof offsetDeleteResponse>> {
    const answer = (errorCode: number, topics: Infer<typeof offsetDeleteResponse>['topics']) => ({
      errorCode,
      throttleTimeMs: 0,
      topics,
    });
    const shard = this.#shards.routeMember(request.groupId);
    if (typeof shard === 'number') return answer(shard, []);
    const group = shard.groups.get(request.groupId);
    if (group === undefined) return answer(ErrorCode.GROUP_ID_NOT_FOUND, []);
    const exists = (topic: DeleteTopicRequest, p: { partitionIndex: number }): boolean =>
      this.#topics.hasPartition(topic.name, p.partitionIndex);
    const known = request.topics.map((topic) => ({
      ...topic,
      partitions: topic.partitions.filter((p) => exists(topic, p)),
    }));
    const { code, topics } = await shard.offsets.delete(group, known);
    if (code !== ErrorCode.NONE) return answer(code, []);
    const refused = request.topics.map((topic) => ({
      name: topic.name,
      partitions: topic.partitions
        .filter((p) => !exists(topic, p))
        .map(({ partitionIndex }) => ({
          partitionIndex,
          errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        })),
    }));
    return answer(
      ErrorCode.NONE,
      topics.map((topic, i) => ({
        ...topic,
        partitions: [...topic.partitions, ...(refused[i]?.partitions ?? [])],
      })),
    );
  }
}

const failedTopic = (topic: CommitTopicRequest, errorCode: number): CommitTopicResponse => ({
  name: topic.name,
  topicId: topic.topicId,
  partitions: topic.partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
});

/** Each topic once, though one part of its partitions was refused and the other stored. */
function mergeTopics(
  refused: readonly CommitTopicResponse[],
  stored: readonly CommitTopicResponse[],
): CommitTopicResponse[] {
  const keyOf = ({ topicId, name }: CommitTopicResponse): string => `${topicId} ${name}`;
  return [...Map.groupBy([...stored, ...refused], keyOf).values()].map((parts) => ({
    ...parts[0]!,
    partitions: parts.flatMap(({ partitions }) => partitions),
  }));
}

/** Version 1 has no place for an error of the whole group: there every partition carries it. */
function failedFetch(
  request: FetchGroupRequest,
  errorCode: number,
  apiVersion: number,
): FetchGroupResponse {
  const { groupId } = request;
  if (apiVersion >= FETCH_GROUP_ERROR_VERSION) return { groupId, topics: [], errorCode };
  const topics = (request.topics ?? []).map((topic) => ({
    name: topic.name,
    topicId: topic.topicId,
    partitions: topic.partitionIndexes.map((index) => fetchedPartition(index, null, errorCode)),
  }));
  return { groupId, topics, errorCode };
}
