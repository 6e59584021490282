/** A group of either type: what holds for both is under the same name in both. */
import type { ConsumerGroup } from './consumer/consumer-group.ts';
import type { Group } from './group.ts';

export type AnyGroup = Group | ConsumerGroup;
