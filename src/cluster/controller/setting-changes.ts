/** Changes of settings, checked, and what partitions have to do about them in the same step. */
import { checkBrokerConfig, checkTopicConfig } from '../config-rules.ts';
import { ResourceType } from '../metadata-image.ts';
import type { Draft } from './draft.ts';
import type { Succession } from './succession.ts';

/** One change of a setting; null takes it away. */
export interface ConfigChange {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly name: string;
  readonly value: string | null;
}

/** Throws ProtocolError on a value that is refused. */
export function checkChanges(changes: readonly ConfigChange[]): void {
  for (const { resourceType, name, value } of changes) {
    if (value === null) continue;
    if (resourceType === ResourceType.topic) checkTopicConfig(name, value);
    else checkBrokerConfig(name, value);
  }
}

/**
 * With another `min.insync.replicas`, the ISR of now may commit what nobody else has: who is out of
 * sync is not eligible any more (KIP-966).
 */
export function applyChanges(
  draft: Draft,
  changes: readonly ConfigChange[],
  succession: Succession,
): void {
  for (const value of changes) draft.add({ type: 'Config', value });
  const touched = changes.filter(({ name }) => name === 'min.insync.replicas');
  if (touched.length === 0) return;
  const isForAll = touched.some(({ resourceType }) => resourceType !== ResourceType.topic);
  const topics = new Set(touched.map(({ resourceName }) => resourceName));
  for (const topic of draft.image.topics.values()) {
    if (!isForAll && !topics.has(topic.name)) continue;
    succession.endEligibility(draft, topic.partitions);
  }
}

/** Whether partitions without a leader may get one by these changes. */
export const allowsElections = (changes: readonly ConfigChange[]): boolean =>
  changes.some(({ name, value }) => name === 'unclean.leader.election.enable' && value === 'true');
