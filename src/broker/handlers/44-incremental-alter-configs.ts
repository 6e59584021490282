/**
 * IncrementalAlterConfigs, v0-1: sets and deletes single settings, and adds to and takes from lists.
 */
import type { ConfigChange } from '../../cluster/controller/setting-changes.ts';
import { formatValue } from '../../config/table.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from '../../protocol/messages/44-incremental-alter-configs.ts';
import type { Infer } from '../../protocol/schema.ts';
import { controllerHandler } from '../handler.ts';
import { alterAll, checkNoNull, keyOf } from './alter-configs.ts';

type Request = Infer<typeof incrementalAlterConfigsRequest>;
type Response = Infer<typeof incrementalAlterConfigsResponse>;
type Resource = Request['resources'][number];
type Change = Resource['configs'][number];

const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;

export const incrementalAlterConfigsHandler = controllerHandler<Request, Response>(
  apis.get(44),
  async (request, context) => ({
    throttleTimeMs: 0,
    responses: await alterAll(request.resources, request.validateOnly, context, changes),
  }),
);

function changes(resource: Resource, now: ReadonlyMap<string, string>): ConfigChange[] {
  const { resourceType, resourceName, configs } = resource;
  checkNoNull(configs, (i) => configs[i]?.configOperation === DELETE);
  return configs.map((change) => ({
    resourceType,
    resourceName,
    name: change.name,
    value: valueAfter(resourceType, change, now.get(change.name)),
  }));
}

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
      throw new ProtocolError(
        ErrorCode.INVALID_REQUEST,
        `Unknown operations type ${configOperation} for ${name}`,
      );
  }
}

function changedList(type: number, change: Change, now: string | undefined): string {
  const { name, configOperation, value } = change;
  const key = keyOf(type, name);
  if (key !== undefined && key.type !== 'list') {
    const operation = configOperation === APPEND ? 'APPEND' : 'SUBTRACT';
    throw new ProtocolError(
      ErrorCode.INVALID_CONFIG,
      `Can't ${operation} to key ${name} because its type is not LIST.`,
    );
  }
  const before = now ?? formatValue(key?.default ?? null);
  const items = before.split(',').filter((item) => item !== '');
  const named = (value ?? '').split(',').map((item) => item.trim());
  if (configOperation === SUBTRACT) return items.filter((item) => !named.includes(item)).join(',');
  return [...items, ...named.filter((item) => !items.includes(item))].join(',');
}
