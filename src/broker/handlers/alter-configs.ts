/**
 * What AlterConfigs and IncrementalAlterConfigs share: each resource changes as a whole or not at
 * all, and by itself.
 */
import type { ConfigChange } from '../../cluster/controller/setting-changes.ts';
import { ResourceType } from '../../cluster/metadata-image.ts';
import { checkTopicName } from '../../cluster/topic-names.ts';
import { brokerKeys } from '../../config/broker-keys.ts';
import type { Key } from '../../config/table.ts';
import { topicKeys } from '../../config/topic-keys.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import type { RequestContext } from '../handler.ts';

export interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly configs: readonly { readonly name: string; readonly value: string | null }[];
}

export interface ResourceAnswer {
  errorCode: number;
  errorMessage: string | null;
  resourceType: number;
  resourceName: string;
}

/** The changes of one resource; called when it is its turn, so it sees what earlier ones did. */
export type ChangesOf<R extends Resource> = (
  resource: R,
  now: ReadonlyMap<string, string>,
) => ConfigChange[];

export function alterAll<R extends Resource>(
  resources: readonly R[],
  validateOnly: boolean,
  context: RequestContext,
  changesOf: ChangesOf<R>,
): Promise<ResourceAnswer[]> {
  const seen = new Map<string, number>();
  const keyOf = (r: R): string => `${r.resourceType}/${r.resourceName}`;
  for (const resource of resources) {
    seen.set(keyOf(resource), (seen.get(keyOf(resource)) ?? 0) + 1);
  }
  return Promise.all(
    resources.map(async (resource) => {
      const { resourceType, resourceName } = resource;
      const named = { resourceType, resourceName };
      try {
        if (seen.get(keyOf(resource)) !== 1) {
          throw invalid('Each resource must appear at most once.');
        }
        checkResource(resource, context);
        const { controller, image } = context.broker;
        await controller.alterConfigs(() => {
          if (resourceType === ResourceType.topic && image.topic(resourceName) === undefined) {
            throw new ProtocolError(
              ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
              `The topic '${resourceName}' does not exist.`,
            );
          }
          return changesOf(resource, image.settings(resourceType, resourceName));
        }, validateOnly);
        return { ...named, errorCode: ErrorCode.NONE, errorMessage: null };
      } catch (error) {
        const errorCode = codeOfError(error, context.broker.logger);
        return { ...named, errorCode, errorMessage: messageOfError(error) };
      }
    }),
  );
}

const invalid = (message: string): ProtocolError =>
  new ProtocolError(ErrorCode.INVALID_REQUEST, message);

function checkResource(resource: Resource, context: RequestContext): void {
  const { resourceType, resourceName, configs } = resource;
  if (new Set(configs.map(({ name }) => name)).size !== configs.length) {
    throw invalid('Error due to duplicate config keys');
  }
  if (resourceType === ResourceType.topic) {
    if (resourceName === '') throw invalid('Default topic resources are not allowed.');
    checkTopicName(resourceName);
    return;
  }
  if (resourceType !== ResourceType.broker) {
    throw invalid(`Unknown resource type ${resourceType}`);
  }
  if (resourceName === '') return;
  if (!/^-?\d+$/.test(resourceName)) {
    throw invalid(`Node id must be an integer, but it is: ${resourceName}`);
  }
  const { nodeId, image } = context.broker;
  const id = Number(resourceName);
  if (id !== nodeId && !image.brokers.has(id)) {
    throw invalid(`Unexpected broker id, expected ${nodeId}, but received ${resourceName}`);
  }
}

export function checkNoNull(configs: Resource['configs'], isNullAllowed: (i: number) => boolean) {
  const empty = configs.filter(({ value }, i) => value === null && !isNullAllowed(i));
  if (empty.length === 0) return;
  throw invalid(`Null value not supported for : ${empty.map(({ name }) => name).join(', ')}`);
}

/** Undefined for a name that no table has: the controller refuses it. */
export const keyOf = (resourceType: number, name: string): Key | undefined =>
  resourceType === ResourceType.topic ? topicKeys.get(name) : brokerKeys.get(name);
