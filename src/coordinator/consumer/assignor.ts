/** How the partitions of topics are divided among the members of a group (KIP-848). */

import type { TopicPartitions } from './partitions.ts';
import { rangeAssignor } from './range-assignor.ts';
import { uniformAssignor } from './uniform-assignor.ts';

export interface AssignableMember {
  readonly id: string;
  /** Null: a dynamic member. */
  readonly instanceId: string | null;
  /** Topics that it reads, and that exist. */
  readonly topicIds: ReadonlySet<string>;
  /** What it is to hold up to now; perhaps of topics that it reads no more. */
  readonly target: TopicPartitions;
}

/**
 * Gives every partition that some member reads to one of those who read it. Members that get none may
 * be left out. The same input gives the same result.
 */
export type Assignor = (
  members: readonly AssignableMember[],
  partitionCount: (topicId: string) => number,
) => ReadonlyMap<string, TopicPartitions>;

/** By name, the default first. */
export const assignors: ReadonlyMap<string, Assignor> = new Map([
  ['uniform', uniformAssignor],
  ['range', rangeAssignor],
]);
