/** Changes of settings, checked, and what partitions have to do about them in the same step. */
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import { checkSettings } from '../config-rules.ts';
import type { Configs } from '../configs.ts';
import { type MetadataImage, ResourceType } from '../metadata-image.ts';
import type { Draft } from './draft.ts';
import type { Succession } from './succession.ts';

export interface ConfigResource {
  readonly resourceType: number;
  readonly resourceName: string;
}

/** One change of a setting; null takes it away. */
export interface ConfigChange {
  readonly name: string;
  readonly value: string | null;
}

/**
 * All changes of one resource. Throws ProtocolError when its settings would not be good, or there is
 * no such resource.
 *
 * With another `min.insync.replicas`, the ISR of now may commit what nobody else has: who is out of
 * sync is not eligible any more (KIP-966).
 */
export function alterSettings(
  draft: Draft,
  resource: ConfigResource,
  changes: readonly ConfigChange[],
  configs: Configs,
  succession: Succession,
): void {
  const { image } = draft;
  const { resourceType, resourceName } = resource;
  const settings = new Map(image.settings(resourceType, resourceName));
  for (const { name, value } of changes) {
    if (value === null) settings.delete(name);
    else settings.set(name, value);
  }
  checkSettings(resourceType, resourceName, settings, configs);
  checkExists(resource, image);
  for (const change of changes) draft.add({ type: 'Config', value: { ...resource, ...change } });
  if (!changes.some(({ name }) => name === 'min.insync.replicas')) return;
  for (const topic of image.topics.values()) {
    if (resourceType === ResourceType.topic && topic.name !== resourceName) continue;
    succession.endEligibility(draft, topic.partitions);
  }
}

function checkExists({ resourceType, resourceName }: ConfigResource, image: MetadataImage): void {
  if (resourceType === ResourceType.topic && image.topic(resourceName) === undefined) {
    throw new ProtocolError(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      `The topic '${resourceName}' does not exist.`,
    );
  }
  if (resourceType !== ResourceType.broker || resourceName === '') return;
  if (!image.brokers.has(Number(resourceName))) {
    throw new ProtocolError(
      ErrorCode.BROKER_ID_NOT_REGISTERED,
      `No node with id ${resourceName} found.`,
    );
  }
}

/** Whether partitions without a leader may get one by these changes. */
export const allowsElections = (changes: readonly ConfigChange[]): boolean =>
  changes.some(({ name, value }) => name === 'unclean.leader.election.enable' && value === 'true');
