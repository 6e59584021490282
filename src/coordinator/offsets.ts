/**
 * Commits, fetches, deletes and expires the offsets of the groups of one partition.
 *
 * A group without members may commit, too; it is a "simple" group then, Empty and without a protocol.
 */

import { ZERO_UUID } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import type { Verification } from '../log/verification.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type {
  offsetCommitRequest,
  offsetCommitResponse,
} from '../protocol/messages/08-offset-commit.ts';
import type {
  offsetFetchRequest,
  offsetFetchResponse,
} from '../protocol/messages/09-offset-fetch.ts';
import type {
  offsetDeleteRequest,
  offsetDeleteResponse,
} from '../protocol/messages/47-offset-delete.ts';
import type { Infer } from '../protocol/schema.ts';
import type { AnyGroup } from './any-group.ts';
import { changeRecord } from './consumer/changes.ts';
import { checkConsumerCommit } from './consumer/offset-checks.ts';
import type { Group } from './group.ts';
import type { CommittedOffset, GroupOffsets } from './group-offsets.ts';
import type { GroupProbe } from './group-probe.ts';
import { groupTombstone, offsetRecord, offsetTombstone } from './group-records.ts';
import type { GroupSettings } from './group-settings.ts';
import type { ShardLog, StoredRecord } from './shard-log.ts';
import type { TxnCommitRequest } from './transactional-commits.ts';
import type { TransactionalOffset, TransactionalOffsets } from './transactional-offsets.ts';

export type CommitRequest = Infer<typeof offsetCommitRequest>;
export type CommitTopicRequest = CommitRequest['topics'][number];
export type CommitTopicResponse = Infer<typeof offsetCommitResponse>['topics'][number];
type CommitPartition = CommitTopicRequest['partitions'][number];
export type FetchGroupRequest = Infer<typeof offsetFetchRequest>['groups'][number];
export type FetchGroupResponse = Infer<typeof offsetFetchResponse>['groups'][number];
type FetchTopicResponse = FetchGroupResponse['topics'][number];
type FetchPartition = FetchTopicResponse['partitions'][number];
export type DeleteTopicRequest = Infer<typeof offsetDeleteRequest>['topics'][number];
type DeleteTopicResponse = Infer<typeof offsetDeleteResponse>['topics'][number];

export interface OffsetsParts {
  readonly store: ShardLog;
  readonly transactional: TransactionalOffsets;
  readonly settings: GroupSettings;
  readonly clock: Clock;
  readonly probe: GroupProbe;
}

/** Null members become what the wire has for "nothing stored". */
export const fetchedPartition = (
  partitionIndex: number,
  committed: CommittedOffset | null,
  errorCode: number = ErrorCode.NONE,
): FetchPartition => ({
  partitionIndex,
  committedOffset: committed?.offset ?? -1,
  committedLeaderEpoch: committed?.leaderEpoch ?? -1,
  metadata: committed?.metadata ?? '',
  errorCode,
});

/** Whether the committer may write to the group, as an error code. */
export const checkCommit = (
  group: AnyGroup,
  request: CommitRequest,
  topics: readonly CommitTopicRequest[],
  apiVersion: number,
): number =>
  group.type === 'consumer'
    ? checkConsumerCommit(group, request, topics, apiVersion)
    : checkClassicCommit(group, request);

function checkClassicCommit(group: Group, request: CommitRequest): number {
  const { generationIdOrMemberEpoch: generation, memberId, groupInstanceId } = request;
  if (generation < 0 && group.state === 'Empty') return ErrorCode.NONE;
  if (generation >= 0 || memberId !== '' || groupInstanceId !== null) {
    const code = group.checkMember(memberId, groupInstanceId);
    if (code !== ErrorCode.NONE) return code;
    if (generation !== group.generation) return ErrorCode.ILLEGAL_GENERATION;
  } else if (group.state !== 'Empty') return ErrorCode.UNKNOWN_MEMBER_ID;
  // Its generation is right, so it has seen the join; it shall sync before it goes on.
  return group.state === 'CompletingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
}

export class Offsets {
  readonly #store: ShardLog;
  readonly #transactional: TransactionalOffsets;
  readonly #settings: GroupSettings;
  readonly #clock: Clock;
  readonly #probe: GroupProbe;

  constructor(parts: OffsetsParts) {
    this.#store = parts.store;
    this.#transactional = parts.transactional;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
    this.#probe = parts.probe;
  }

  /** Stores what the request commits of `topics`, whose names and ids are known. */
  commit(
    group: AnyGroup,
    request: CommitRequest,
    topics: readonly CommitTopicRequest[],
  ): Promise<CommitTopicResponse[]> {
    const now = this.#clock.now();
    const { retentionTimeMs } = request;
    const expireTimestamp =
      retentionTimeMs === -1 ? -1 : Math.min(now + retentionTimeMs, Number.MAX_SAFE_INTEGER);
    const pending: { topic: string; partition: number; committed: CommittedOffset }[] = [];
    const records: StoredRecord[] = [];
    const take = (topic: CommitTopicRequest, p: CommitPartition): number => {
      const metadata = p.committedMetadata ?? '';
      if (metadata.length > this.#settings.offsetMetadataMaxBytes) {
        this.#probe.refusedMetadata++;
        return ErrorCode.OFFSET_METADATA_TOO_LARGE;
      }
      const committed = {
        offset: p.committedOffset,
        leaderEpoch: p.committedLeaderEpoch,
        metadata,
        commitTimestamp: now,
        expireTimestamp,
        topicId: topic.topicId,
        order: this.#store.nextOrder(),
      };
      pending.push({ topic: topic.name, partition: p.partitionIndex, committed });
      records.push(offsetRecord(group.id, topic.name, p.partitionIndex, committed));
      group.offsets.begin(topic.name, p.partitionIndex);
      return ErrorCode.NONE;
    };
    const results = topics.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitions: topic.partitions.map((p) => ({
        partitionIndex: p.partitionIndex,
        errorCode: take(topic, p),
      })),
    }));
    return new Promise((resolve) => {
      this.#store.write(records, (code) => {
        const isStored = code === ErrorCode.NONE;
        if (isStored) this.#probe.commits += pending.length;
        for (const { topic, partition, committed } of pending) {
          group.offsets.finish(topic, partition, isStored ? committed : null);
        }
        resolve(isStored ? results : failCommits(results, code));
      });
    });
  }

  /**
   * Stores offsets that count once the producer's transaction is committed; resolves to a code for
   * each `partition topic`.
   */
  commitInTransaction(
    group: AnyGroup,
    request: TxnCommitRequest,
    known: {
      readonly verification: Verification | null;
      readonly topicId: (topic: string) => string;
    },
  ): Promise<ReadonlyMap<string, number>> {
    const { producerId, producerEpoch } = request;
    const codes = new Map<string, number>();
    const taken: TransactionalOffset[] = [];
    for (const { name, partitions } of request.topics) {
      for (const p of partitions) {
        const metadata = p.committedMetadata ?? '';
        const isTooLong = metadata.length > this.#settings.offsetMetadataMaxBytes;
        if (isTooLong) this.#probe.refusedMetadata++;
        const code = isTooLong ? ErrorCode.OFFSET_METADATA_TOO_LARGE : ErrorCode.NONE;
        codes.set(`${p.partitionIndex} ${name}`, code);
        if (isTooLong) continue;
        const committed = {
          offset: p.committedOffset,
          leaderEpoch: p.committedLeaderEpoch,
          metadata,
          commitTimestamp: this.#clock.now(),
          expireTimestamp: -1,
          topicId: known.topicId(name),
          order: this.#store.nextOrder(),
        };
        taken.push({ groupId: group.id, topic: name, partition: p.partitionIndex, committed });
      }
    }
    // From now on, so that nobody who wants stable offsets is given the old ones meanwhile.
    for (const offset of taken) this.#transactional.add(producerId, offset);
    const records = taken.map((o) => offsetRecord(group.id, o.topic, o.partition, o.committed));
    const producer = { producerId, producerEpoch, verification: known.verification };
    return new Promise((resolve) => {
      const stored = (code: number): void => {
        if (code === ErrorCode.NONE) this.#probe.commits += taken.length;
        else this.#transactional.takeBack(taken.map((offset) => ({ producerId, offset })));
        const isStored = (known: number): boolean => known === ErrorCode.NONE;
        for (const [key, was] of codes) if (isStored(was)) codes.set(key, code);
        resolve(codes);
      };
      if (records.length === 0) stored(ErrorCode.NONE);
      else this.#store.write(records, stored, { producer });
    });
  }

  /** What the group has committed; `topics` null: everything. */
  fetch(
    groupId: string,
    group: AnyGroup | undefined,
    topics: FetchGroupRequest['topics'],
    requireStable: boolean,
  ): FetchTopicResponse[] {
    const isUnstable = (topic: string, partition: number): boolean =>
      requireStable && this.#transactional.isOpen(groupId, topic, partition);
    return this.#fetch(group, topics).map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((p) =>
        isUnstable(topic.name, p.partitionIndex)
          ? fetchedPartition(p.partitionIndex, null, ErrorCode.UNSTABLE_OFFSET_COMMIT)
          : p,
      ),
    }));
  }

  #fetch(group: AnyGroup | undefined, topics: FetchGroupRequest['topics']): FetchTopicResponse[] {
    if (topics === null) return group === undefined ? [] : fetchAll(group.offsets);
    return topics.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitions: topic.partitionIndexes.map((index) => {
        const committed = group?.offsets.get(topic.name, index) ?? null;
        const isOther = committed !== null && isOtherTopic(committed.topicId, topic.topicId);
        return fetchedPartition(index, isOther ? null : committed);
      }),
    }));
  }

  /** Resolves when everything that was committed before is in the log, or failed. */
  settled(): Promise<void> {
    return new Promise((resolve) => this.#store.write([], () => resolve()));
  }

  /** Forgets single offsets (KIP-496), except of topics that a member reads. */
  async delete(
    group: AnyGroup,
    topics: readonly DeleteTopicRequest[],
  ): Promise<{ code: number; topics: DeleteTopicResponse[] }> {
    const isInUse = group.state !== 'Empty';
    const readsTopics = group.type === 'consumer' || group.isConsumerGroup;
    if (isInUse && !readsTopics) return { code: ErrorCode.NON_EMPTY_GROUP, topics: [] };
    const isSubscribed = (topic: string): boolean => isInUse && group.isSubscribedTo(topic);
    const doomed: [topic: string, partition: number][] = [];
    const known = new Set([...group.offsets.entries()].map((e) => `${e.partition} ${e.topic}`));
    for (const [topic, partition] of this.#transactional.openOf(group.id)) {
      known.add(`${partition} ${topic}`);
    }
    const results = topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => {
        const errorCode = isSubscribed(name) ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE;
        if (errorCode === ErrorCode.NONE && known.has(`${partitionIndex} ${name}`)) {
          doomed.push([name, partitionIndex]);
        }
        return { partitionIndex, errorCode };
      }),
    }));
    const code = await this.#forget(group, doomed);
    this.#probe.deletedOffsets += code === ErrorCode.NONE ? doomed.length : 0;
    return { code, topics: code === ErrorCode.NONE ? results : [] };
  }

  /** Forgets the offsets of a topic that is no more, and those that open transactions would commit. */
  topicDeleted(groups: Iterable<AnyGroup>, name: string, topicId: string): Promise<void> {
    const isIts = (committed: CommittedOffset | null): boolean =>
      committed === null || !isOtherTopic(committed.topicId, topicId);
    const doomed = [...groups].flatMap((group) =>
      [...group.offsets.entries()]
        .filter(({ topic, committed }) => topic === name && isIts(committed))
        .map(({ partition }) => ({ group, partition })),
    );
    const open = [...this.#transactional.ofTopic(name)].filter((o) => isIts(o.offset.committed));
    if (doomed.length + open.length === 0) return Promise.resolve();
    const tombstones = [
      ...doomed.map(({ group, partition }) => offsetTombstone(group.id, name, partition)),
      ...open.map(({ offset }) => offsetTombstone(offset.groupId, name, offset.partition)),
    ];
    return new Promise((resolve) => {
      this.#store.write(tombstones, (code) => {
        if (code === ErrorCode.NONE) {
          this.#probe.deletedOffsets += doomed.length;
          for (const { group, partition } of doomed) group.offsets.remove(name, partition);
          this.#transactional.takeBack(open);
        }
        resolve();
      });
    });
  }

  /** Tombstones of everything the group has in the log, itself included. */
  groupTombstones(group: AnyGroup): StoredRecord[] {
    const offsets = [...group.offsets.entries()];
    const open = [...this.#transactional.openOf(group.id)];
    return [
      ...offsets.map(({ topic, partition }) => offsetTombstone(group.id, topic, partition)),
      ...open.map(([topic, partition]) => offsetTombstone(group.id, topic, partition)),
      ...tombstonesOf(group),
    ];
  }

  /** Offsets whose retention is over (KIP-211), and whether the group has no others. */
  expired(group: AnyGroup): { doomed: [topic: string, partition: number][]; isAll: boolean } {
    const base = expiryBase(group);
    const now = this.#clock.now();
    const doomed: [topic: string, partition: number][] = [];
    let isAll = !this.#transactional.has(group.id);
    for (const { topic, partition, committed, isPending } of group.offsets.entries()) {
      const isOver =
        base !== null &&
        committed !== null &&
        !isPending &&
        !this.#transactional.isOpen(group.id, topic, partition) &&
        !group.isSubscribedTo(topic) &&
        (committed.expireTimestamp !== -1
          ? now >= committed.expireTimestamp
          : now - base(committed) >= this.#settings.offsetsRetentionMs);
      if (isOver) doomed.push([topic, partition]);
      else isAll = false;
    }
    return { doomed, isAll };
  }

  async expire(group: AnyGroup, doomed: readonly (readonly [string, number])[]): Promise<void> {
    const code = await this.#forget(group, doomed);
    if (code === ErrorCode.NONE) this.#probe.expiredOffsets += doomed.length;
  }

  #forget(group: AnyGroup, doomed: readonly (readonly [string, number])[]): Promise<number> {
    // Not those that come while the tombstones are on their way: their records lie behind.
    const open = this.#transactional.ofPartitions(group.id, doomed);
    return new Promise((resolve) => {
      const tombstones = doomed.map(([topic, p]) => offsetTombstone(group.id, topic, p));
      this.#store.write(tombstones, (code) => {
        if (code === ErrorCode.NONE) {
          for (const [topic, p] of doomed) group.offsets.remove(topic, p);
          this.#transactional.takeBack(open);
        }
        resolve(code);
      });
    });
  }
}

/** What makes the log forget the group itself. */
export const tombstonesOf = (group: AnyGroup): StoredRecord[] =>
  group.type === 'consumer'
    ? [...group.tombstones()].map((change) => changeRecord(group.id, change))
    : [groupTombstone(group.id)];

/** When the retention of an offset began; null: the group's offsets don't expire as it is now. */
function expiryBase(group: AnyGroup): ((committed: CommittedOffset) => number) | null {
  const ofCommit = (committed: CommittedOffset): number => committed.commitTimestamp;
  if (group.type === 'consumer' || group.protocolType === null) return ofCommit;
  if (group.state === 'Empty') {
    const { stateTimestamp } = group;
    return stateTimestamp === -1 ? ofCommit : () => stateTimestamp;
  }
  // A member that reads a topic no longer does not keep the offsets it once had there.
  const isKnown = group.state === 'Stable' && group.subscribedTopics !== null;
  return isKnown ? ofCommit : null;
}

/** Both are known, and they differ: the topic was deleted and made anew. */
const isOtherTopic = (stored: string, asked: string): boolean =>
  stored !== ZERO_UUID && asked !== ZERO_UUID && stored !== asked;

function fetchAll(offsets: GroupOffsets): FetchTopicResponse[] {
  const topics = new Map<string, FetchTopicResponse>();
  for (const { topic, partition, committed } of offsets.entries()) {
    if (committed === null) continue;
    let response = topics.get(topic);
    if (response === undefined) {
      response = { name: topic, topicId: ZERO_UUID, partitions: [] };
      topics.set(topic, response);
    }
    response.partitions.push(fetchedPartition(partition, committed));
  }
  return [...topics.values()];
}

const failCommits = (results: CommitTopicResponse[], code: number): CommitTopicResponse[] =>
  results.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map((p) => ({
      ...p,
      errorCode: p.errorCode === ErrorCode.NONE ? code : p.errorCode,
    })),
  }));
