import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../protocol/stored/consumer-protocol.ts';
import { decodeVersioned, encodeVersioned } from '../protocol/stored/versioned.ts';

/** Partitions by topic. */
export type Assignment = Map<string, number[]>;

export interface Subscriber {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly topics: readonly string[];
}

const VERSION = 1;

export const encodeSubscription = (topics: readonly string[]): Buffer =>
  encodeVersioned(consumerProtocolSubscription, VERSION, {
    topics: [...topics],
    userData: null,
    ownedPartitions: [],
    generationId: -1,
    rackId: null,
  });

/** Throws RangeError on bytes that are none. */
export const decodeSubscription = (bytes: Buffer): string[] =>
  decodeVersioned(consumerProtocolSubscription, bytes).topics;

export const encodeAssignment = (assignment: Assignment): Buffer =>
  encodeVersioned(consumerProtocolAssignment, VERSION, {
    assignedPartitions: [...assignment].map(([topic, partitions]) => ({ topic, partitions })),
    userData: null,
  });

/** No bytes are an empty assignment. Throws RangeError on bytes that are none. */
export function decodeAssignment(bytes: Buffer): Assignment {
  if (bytes.length === 0) return new Map();
  const { assignedPartitions } = decodeVersioned(consumerProtocolAssignment, bytes);
  return new Map(assignedPartitions.map(({ topic, partitions }) => [topic, partitions]));
}

/**
 * Kafka's range assignor: each topic's partitions in runs over its subscribers, which stand in the
 * order of their instance ids, then member ids; the first ones get one more where it does not
 * divide evenly.
 */
export function assignRange(
  subscribers: readonly Subscriber[],
  partitionsOf: (topic: string) => number,
): Map<string, Assignment> {
  const result = new Map<string, Assignment>(subscribers.map((s) => [s.memberId, new Map()]));
  const ordered = [...subscribers].sort(compareSubscribers);
  for (const topic of new Set(subscribers.flatMap((s) => s.topics))) {
    const takers = ordered.filter((s) => s.topics.includes(topic));
    const count = partitionsOf(topic);
    const each = Math.floor(count / takers.length);
    const extra = count % takers.length;
    let next = 0;
    for (const [i, taker] of takers.entries()) {
      const share = each + (i < extra ? 1 : 0);
      if (share === 0) continue;
      const partitions = Array.from({ length: share }, (_, k) => next + k);
      result.get(taker.memberId)!.set(topic, partitions);
      next += share;
    }
  }
  return result;
}

/** Static members first, so that their restart does not shift the others. */
function compareSubscribers(a: Subscriber, b: Subscriber): number {
  if (a.groupInstanceId !== null && b.groupInstanceId !== null) {
    return compareText(a.groupInstanceId, b.groupInstanceId);
  }
  if (a.groupInstanceId !== null) return -1;
  if (b.groupInstanceId !== null) return 1;
  return compareText(a.memberId, b.memberId);
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
