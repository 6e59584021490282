/** Changes of quotas, refused in Kafka's words: each entity by itself, what is accepted in one step. */
import { repeated } from '../../base/repeated.ts';
import { hostText } from '../../protocol/address.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import { type QuotaEntity, quotaKey } from '../quota-images.ts';
import type { Draft } from './draft.ts';

export interface QuotaAlteration {
  readonly entity: readonly QuotaEntity[];
  readonly ops: readonly {
    readonly key: string;
    readonly value: number;
    readonly remove: boolean;
  }[];
}

/** Quotas that one request may change. */
const CHANGES_MAX = 10_000;

/** Of users and client ids: whether a value must be whole. */
const clientKeys: ReadonlyMap<string, boolean> = new Map([
  ['producer_byte_rate', true],
  ['consumer_byte_rate', true],
  ['request_percentage', false],
  ['controller_mutation_rate', false],
]);
/** Of addresses; the largest value is that of an int. */
const ipKeys: ReadonlyMap<string, boolean> = new Map([['connection_creation_rate', true]]);

const INT_MAX = 2 ** 31 - 1;

const invalid = (message: string): ProtocolError =>
  new ProtocolError(ErrorCode.INVALID_REQUEST, message);

/** The outcomes are in the order of the alterations. */
export function alterClientQuotas(
  draft: Draft,
  alterations: readonly QuotaAlteration[],
): (ProtocolError | null)[] {
  const seen = new Set<string>();
  let changes = 0;
  return alterations.map(({ entity, ops }) => {
    const key = quotaKey(entity);
    if (seen.has(key)) return invalid(`Ignoring duplicate entity ${nameOf(entity)}`);
    seen.add(key);
    const problem = problemOf(entity, ops);
    if (problem !== null) return invalid(problem);
    const now = draft.image.quotas.get(key)?.values;
    for (const op of ops) {
      const isChange = op.remove ? now?.has(op.key) === true : now?.get(op.key) !== op.value;
      if (!isChange) continue;
      changes += 1;
      if (changes > CHANGES_MAX) {
        throw invalid(`Cannot alter more than ${CHANGES_MAX} quotas in a single operation.`);
      }
      const { key: name, value, remove } = op;
      draft.add({
        type: 'ClientQuota',
        value: { entity: [...entity], key: name, value: remove ? 0 : value, remove },
      });
    }
    return null;
  });
}

const nameOf = (entity: readonly QuotaEntity[]): string =>
  `ClientQuotaEntity(entries={${entity.map(({ entityType, entityName }) => `${entityType}=${entityName}`).join(', ')}})`;

function problemOf(entity: readonly QuotaEntity[], ops: QuotaAlteration['ops']): string | null {
  const [twice] = repeated(ops.map(({ key }) => key));
  // Kafka calls that a duplicate entity, too.
  if (twice !== undefined) return `Ignoring duplicate entity ${nameOf(entity)}`;
  const keys = keysOf(entity);
  if (typeof keys === 'string') return keys;
  for (const { key, value, remove } of ops) {
    if (remove) continue;
    const isWhole = keys.get(key);
    if (isWhole === undefined) return `Invalid configuration key ${key}`;
    if (!(value > 0)) return `Quota ${key} must be greater than 0`;
    if (keys === ipKeys && value > INT_MAX)
      return `Proposed value for ${key} is too large for an INT.`;
    if (isWhole && value > 2 ** 63) return `Proposed value for ${key} is too large for a LONG.`;
    if (isWhole && Math.abs(value % 1) > 1e-6) return `${key} cannot be a fractional value.`;
  }
  return null;
}

/** The quotas that the entity may have, or why it is none. */
function keysOf(entity: readonly QuotaEntity[]): ReadonlyMap<string, boolean> | string {
  if (entity.length === 0) return 'Invalid empty client quota entity';
  const types = new Set<string>();
  for (const { entityType, entityName } of entity) {
    if (types.has(entityType)) {
      return `Invalid client quota entity, duplicate entity entry ${entityType}`;
    }
    types.add(entityType);
    if (!['user', 'client-id', 'ip'].includes(entityType)) {
      return `Unhandled client quota entity type: ${entityType}`;
    }
    if (entityName === '') return `Empty ${entityType} not supported`;
  }
  if (!types.has('ip')) return clientKeys;
  if (types.size > 1) {
    return 'Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId';
  }
  const { entityName } = entity[0]!;
  // Kafka also takes names of hosts, which it looks up; nobody should wait for that here.
  if (entityName !== null && !isAddress(entityName)) {
    return `${entityName} is not a valid IP or resolvable host.`;
  }
  return ipKeys;
}

const isAddress = (text: string): boolean =>
  text.includes(':')
    ? hostText(text) !== text || text.split(':').length === 8
    : /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split('.').every((part) => Number(part) < 256);
