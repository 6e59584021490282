import { ZERO_UUID } from '../base/bytes.ts';
import type { fetchRequest, fetchResponse } from '../protocol/messages/01-fetch.ts';
import type { Infer } from '../protocol/schema.ts';
import type { TopicPartition } from './list-offsets.ts';
import type { LeaderHint, MetadataCache } from './metadata-cache.ts';

type FetchRequest = Infer<typeof fetchRequest>;

export interface FetchLimits {
  readonly minBytes: number;
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly partitionMaxBytes: number;
  readonly isolation: 'read_uncommitted' | 'read_committed';
}

/** A consumer's Fetch, without a session, for partitions of one leader whose positions are known. */
export function fetchBody(
  partitions: readonly (TopicPartition & {
    readonly position: number | null;
    readonly epoch: number;
  })[],
  limits: FetchLimits,
  metadata: MetadataCache,
): FetchRequest {
  const topics = new Map<string, FetchRequest['topics'][number]>();
  for (const { topic: name, partition, position, epoch } of partitions) {
    let topic = topics.get(name);
    if (topic === undefined) {
      topic = { topic: name, topicId: metadata.topic(name)?.id ?? ZERO_UUID, partitions: [] };
      topics.set(name, topic);
    }
    topic.partitions.push({
      partition,
      currentLeaderEpoch: metadata.partition(name, partition)?.leaderEpoch ?? -1,
      fetchOffset: position!,
      lastFetchedEpoch: epoch,
      logStartOffset: -1,
      partitionMaxBytes: limits.partitionMaxBytes,
      replicaDirectoryId: ZERO_UUID,
      highWatermark: Number.MAX_SAFE_INTEGER,
      flushedOffset: -1,
    });
  }
  return {
    clusterId: null,
    replicaId: -1,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    maxWaitMs: limits.maxWaitMs,
    minBytes: limits.minBytes,
    maxBytes: limits.maxBytes,
    isolationLevel: limits.isolation === 'read_committed' ? 1 : 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [...topics.values()],
    forgottenTopicsData: [],
    rackId: '',
  };
}

/** What an answer says of leaders that are others now. */
export function leaderHints(
  response: Infer<typeof fetchResponse>,
  metadata: MetadataCache,
): LeaderHint[] {
  const hints: LeaderHint[] = [];
  for (const { topicId, topic: name, partitions } of response.responses) {
    const topic = topicId === ZERO_UUID ? name : metadata.topicName(topicId);
    if (topic === undefined) continue;
    for (const { partitionIndex: partition, currentLeader } of partitions) {
      const { leaderId: leader, leaderEpoch } = currentLeader;
      if (leader >= 0) hints.push({ topic, partition, leader, leaderEpoch });
    }
  }
  return hints;
}
