/** What members of the classic protocol say and are told, in bytes that the coordinator understands. */
import type { Infer } from '../../protocol/schema.ts';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../protocol/stored/consumer-protocol.ts';
import {
  decodeVersioned,
  encodeVersioned,
  storedVersion,
} from '../../protocol/stored/versioned.ts';
import type { TopicDirectory } from '../topic-directory.ts';
import type { ClassicMetadata } from './consumer-member.ts';
import { listed, NO_PARTITIONS, type TopicPartitions } from './partitions.ts';

type Subscription = Infer<typeof consumerProtocolSubscription>;

/** Throws RangeError on what is no subscription. */
export const readSubscription = (metadata: Buffer): Subscription =>
  decodeVersioned(consumerProtocolSubscription, metadata);

/**
 * The partitions of an assignment; of topics that exist. Null: it holds data of the assignor's own, which
 * has no place in a consumer group. Throws RangeError on what is no assignment.
 */
export function readAssignment(bytes: Buffer, topics: TopicDirectory): TopicPartitions | null {
  if (bytes.length === 0) return NO_PARTITIONS;
  const { assignedPartitions, userData } = decodeVersioned(consumerProtocolAssignment, bytes);
  if (userData !== null && userData.length > 0) return null;
  return byId(assignedPartitions, topics);
}

/** The partitions that the member says it holds. */
export const ownedBy = (subscription: Subscription, topics: TopicDirectory): TopicPartitions =>
  byId(subscription.ownedPartitions, topics);

function byId(
  partitions: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
  topics: TopicDirectory,
): TopicPartitions {
  const found = new Map<string, Set<number>>();
  for (const { topic, partitions: indexes } of partitions) {
    const id = topics.topicId(topic);
    if (id !== undefined) found.set(id, new Set(indexes));
  }
  return found;
}

/** The partitions as the member's first protocol has them, in the version that it speaks. */
export function writeAssignment(
  partitions: Parameters<typeof listed>[0],
  { protocols }: ClassicMetadata,
  topics: TopicDirectory,
): Buffer {
  const assignedPartitions = listed(partitions).flatMap(({ topicId, partitions: indexes }) => {
    const topic = topics.topicName(topicId);
    return topic === undefined ? [] : [{ topic, partitions: indexes }];
  });
  const spoken = protocols[0] === undefined ? 0 : storedVersion(protocols[0].metadata);
  const version = Math.min(Math.max(spoken, 0), consumerProtocolAssignment.max);
  return encodeVersioned(consumerProtocolAssignment, version, {
    assignedPartitions,
    userData: null,
  });
}
