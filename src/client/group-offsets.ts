/** Committed offsets of a group: the two requests, and what their answers mean. */
import { ZERO_UUID } from '../base/bytes.ts';
import { sleep } from '../base/clock.ts';
import { ErrorCode, errorName, isRetriable, ProtocolError } from '../protocol/error-codes.ts';
import { backoffMs } from './backoff.ts';
import { calls } from './call.ts';
import type { Client } from './client.ts';
import type { Coordinator } from './coordinator.ts';
import type { TopicPartition } from './list-offsets.ts';

export interface CommittedOffset extends TopicPartition {
  /** Next offset to read; -1: nothing committed. */
  readonly offset: number;
  /** Of the record before it; -1: the committer did not say. */
  readonly leaderEpoch: number;
  readonly metadata: string;
}

export interface OffsetToCommit extends TopicPartition {
  /** Next offset to read. */
  readonly offset: number;
  /** Of the record before it, where known: by it a log that was cut off is noticed (KIP-320). */
  readonly leaderEpoch?: number;
  readonly metadata?: string;
}

export interface Committer {
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

/** For whoever is no member of the group: allowed while it has none. */
export const OUTSIDER: Committer = { generationId: -1, memberId: '', groupInstanceId: null };

/** The highest versions that name topics instead of giving their ids. */
const COMMIT_VERSION = 9;
const FETCH_VERSION = 9;

/** Commits; rejects with ProtocolError when any partition was refused. */
export async function commitOffsets(
  coordinator: Coordinator,
  committer: Committer,
  offsets: readonly OffsetToCommit[],
): Promise<void> {
  if (offsets.length === 0) return;
  const topics = new Map<string, OffsetToCommit[]>();
  for (const offset of offsets) {
    const list = topics.get(offset.topic);
    if (list === undefined) topics.set(offset.topic, [offset]);
    else list.push(offset);
  }
  const body = {
    groupId: coordinator.groupId,
    generationIdOrMemberEpoch: committer.generationId,
    memberId: committer.memberId,
    groupInstanceId: committer.groupInstanceId,
    retentionTimeMs: -1,
    topics: [...topics].map(([name, list]) => ({
      name,
      topicId: ZERO_UUID,
      partitions: list.map((o) => ({
        partitionIndex: o.partition,
        committedOffset: o.offset,
        committedLeaderEpoch: o.leaderEpoch ?? -1,
        committedMetadata: o.metadata ?? '',
      })),
    })),
  };
  const response = await coordinator.request(
    calls.offsetCommit,
    body,
    (r) => r.topics.flatMap((t) => t.partitions).find((p) => p.errorCode !== 0)?.errorCode ?? 0,
    { version: COMMIT_VERSION },
  );
  for (const topic of response.topics) {
    for (const { partitionIndex, errorCode } of topic.partitions) {
      if (errorCode === ErrorCode.NONE) continue;
      const what = `commit of ${topic.name}-${partitionIndex} by '${coordinator.groupId}'`;
      throw new ProtocolError(errorCode, `${what}: ${errorName(errorCode)}`);
    }
  }
}

/** Committed offsets of the given partitions, or with null of all that the group has. */
export async function fetchOffsets(
  client: Client,
  coordinator: Coordinator,
  partitions: readonly TopicPartition[] | null,
): Promise<CommittedOffset[]> {
  const { groupId } = coordinator;
  let topics: { name: string; topicId: string; partitionIndexes: number[] }[] | null = null;
  if (partitions !== null) {
    const byName = new Map<string, number[]>();
    for (const { topic, partition } of partitions) {
      byName.set(topic, [...(byName.get(topic) ?? []), partition]);
    }
    topics = [...byName].map(([name, partitionIndexes]) => ({
      name,
      topicId: ZERO_UUID,
      partitionIndexes,
    }));
  }
  const body = {
    groupId,
    topics,
    groups: [{ groupId, memberId: null, memberEpoch: -1, topics }],
    requireStable: true,
  };
  for (let attempt = 1; ; attempt++) {
    const response = await coordinator.request(
      calls.offsetFetch,
      body,
      (r) => r.groups[0]?.errorCode ?? r.errorCode,
      { version: FETCH_VERSION },
    );
    const group = response.groups[0] ?? response;
    const wrong = group.topics
      .flatMap((topic) => topic.partitions)
      .find((partition) => partition.errorCode !== ErrorCode.NONE);
    const code = group.errorCode !== ErrorCode.NONE ? group.errorCode : (wrong?.errorCode ?? 0);
    if (code === ErrorCode.NONE) return group.topics.flatMap(committedOf);
    // A transaction that ends soon holds the offsets back (UNSTABLE_OFFSET_COMMIT).
    if (!isRetriable(code) || attempt >= FETCH_ATTEMPTS_MAX) {
      throw new ProtocolError(code, `offsets of '${groupId}': ${errorName(code)}`);
    }
    await sleep(client.clock, backoffMs(client.retryBackoff, attempt, client.random));
  }
}

const FETCH_ATTEMPTS_MAX = 30;

const committedOf = (topic: {
  name: string;
  partitions: {
    partitionIndex: number;
    committedOffset: number;
    committedLeaderEpoch: number;
    metadata: string | null;
  }[];
}): CommittedOffset[] =>
  topic.partitions.map((p) => ({
    topic: topic.name,
    partition: p.partitionIndex,
    offset: p.committedOffset,
    leaderEpoch: p.committedLeaderEpoch,
    metadata: p.metadata ?? '',
  }));
