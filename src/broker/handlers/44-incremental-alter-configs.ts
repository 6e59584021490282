/**
 * IncrementalAlterConfigs, v0-1: sets and deletes single settings, and adds to and takes from lists.
 */
import { keyOf } from '../../cluster/config-rules.ts';
import type { ConfigChange } from '../../cluster/controller/setting-changes.ts';
import { ResourceType } from '../../cluster/metadata-image.ts';
import { bareName } from '../../config/security-keys.ts';
import { formatValue, type Key } from '../../config/table.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { incrementalAlterConfigsRequest } from '../../protocol/messages/44-incremental-alter-configs.ts';
import type { Infer } from '../../protocol/schema.ts';
import type { RequestContext } from '../handler.ts';
import { alteringHandler } from './alter-configs.ts';

type Resource = Infer<typeof incrementalAlterConfigsRequest>['resources'][number];
type Change = Resource['configs'][number];

const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;

export const incrementalAlterConfigsHandler = alteringHandler<Resource>(apis.get(44), {
  changesOf: ({ resourceType, configs }, now) =>
    configs.map(
      (change): ConfigChange => ({
        name: change.name,
        value: valueAfter(resourceType, change, now.get(change.name)),
      }),
    ),
  mayBeNull: ({ configOperation }: Change) => configOperation === DELETE,
  alterLoggers,
});

const invalid = (message: string): ProtocolError =>
  new ProtocolError(ErrorCode.INVALID_REQUEST, message);

function valueAfter(type: number, change: Change, now: string | undefined): string | null {
  const { name, configOperation, value } = change;
  switch (configOperation) {
    case SET:
      return value;
    case DELETE:
      return null;
    case APPEND:
    case SUBTRACT:
      return changedList(type, change, now);
    default:
      throw invalid(`Unknown operations type ${configOperation} for ${name}`);
  }
}

/** Lists of single listeners are set as a whole, as in Kafka. */
const settingOf = (type: number, name: string): Key | undefined =>
  bareName(name) === name ? keyOf(type, name) : undefined;

function changedList(type: number, change: Change, now: string | undefined): string {
  const { name, configOperation, value } = change;
  // Of groups and subscriptions Kafka does not know which settings are lists.
  const hasLists = type === ResourceType.topic || type === ResourceType.broker;
  const key = hasLists ? settingOf(type, name) : undefined;
  if (key?.type !== 'list') throw new ProtocolError(ErrorCode.INVALID_CONFIG, noList(type, change));
  const before = now ?? formatValue(key.default);
  const items = new Set(before.split(',').filter((item) => item !== ''));
  const named = (value ?? '').split(',').map((item) => item.trim());
  if (configOperation === SUBTRACT) for (const item of named) items.delete(item);
  else for (const item of named) items.add(item);
  return [...items].join(',');
}

/** Of a broker's settings Kafka speaks in other words. */
function noList(type: number, { name, configOperation }: Change): string {
  if (type !== ResourceType.broker) {
    const operation = configOperation === APPEND ? 'APPEND' : 'SUBTRACT';
    return `Can't ${operation} to key ${name} because its type is not LIST.`;
  }
  if (settingOf(type, name) === undefined) return `Unknown config name: ${name}`;
  const operation = configOperation === APPEND ? 'append' : 'subtract';
  return `Config value ${operation} is not allowed for config key: ${name}`;
}

/** Levels last until the broker stops (KIP-412). */
function alterLoggers(resource: Resource, validateOnly: boolean, { broker }: RequestContext): void {
  const { loggers } = broker;
  for (const { name, configOperation, value } of resource.configs) {
    if (configOperation === SET) loggers.check(name, value ?? '');
    else if (configOperation === DELETE) loggers.checkUnset(name);
    else {
      const known = ['APPEND operation', 'SUBTRACT operation'][configOperation - APPEND];
      const what = known ?? `Unknown operation type ${configOperation}`;
      throw invalid(`${what} is not allowed for the BROKER_LOGGER resource`);
    }
  }
  if (validateOnly) return;
  for (const { value } of resource.configs) loggers.set(value ?? '');
}
