import { OperatingError } from '../../base/errors.ts';

/** What the answer to `_bulk` says of one action. */
export interface ItemResult {
  readonly status: number;
  /** Kind of error, '' when there is none. */
  readonly type: string;
  readonly reason: string;
}

/** Fields that are asked for; positions match the actions only while every item has a status. */
export const BULK_FILTER = 'errors,items.*.status,items.*.error';

const ITEMS = Buffer.from('"items":[');
const NO_ERRORS = Buffer.from('"errors":false');
const CREATED = Buffer.from('{"create":{"status":20');

const CLOSE_BRACE = 0x7d;
const COMMA = 0x2c;
const CLOSE_BRACKET = 0x5d;

/**
 * Reads the answer to a request of `expected` actions. Null: all of them were created, which is
 * found out without parsing. Throws OperatingError `bulk-response` when the answer is cut off, is
 * something else, or does not have as many items: nothing is known of the actions then.
 */
export function readBulkResponse(answer: Buffer, expected: number): readonly ItemResult[] | null {
  if (countCreated(answer) === expected) return null;
  let items: unknown;
  try {
    items = (JSON.parse(answer.toString('utf8')) as { items?: unknown }).items;
  } catch {
    throw new OperatingError('bulk-response', `answer of ${answer.length} bytes is not JSON`);
  }
  if (!Array.isArray(items) || items.length !== expected) {
    const seen = Array.isArray(items) ? items.length : 'no';
    throw new OperatingError('bulk-response', `expected ${expected} items, saw ${seen}`);
  }
  return items.map(readItem);
}

/** Items of an answer without errors whose bytes are just as expected; -1 for any other. */
function countCreated(answer: Buffer): number {
  let at = answer.indexOf(ITEMS);
  if (at < 0) return -1;
  const flag = answer.indexOf(NO_ERRORS);
  if (flag < 0 || flag > at) return -1;
  at += ITEMS.length;
  for (let count = 1; ; count++) {
    for (let i = 0; i < CREATED.length; i++) {
      if (answer[at + i] !== CREATED[i]) return -1;
    }
    at += CREATED.length;
    const digit = answer[at]!; // 200 or 201
    if (digit !== 0x30 && digit !== 0x31) return -1;
    if (answer[at + 1] !== CLOSE_BRACE || answer[at + 2] !== CLOSE_BRACE) return -1;
    const next = answer[at + 3];
    // The end of the object must be there, too: an answer may be cut off.
    if (next === CLOSE_BRACKET) return answer[answer.length - 1] === CLOSE_BRACE ? count : -1;
    if (next !== COMMA) return -1;
    at += 4;
  }
}

interface RawItem {
  status?: unknown;
  error?: { type?: unknown; reason?: unknown } | string;
}

function readItem(item: unknown): ItemResult {
  const action: RawItem =
    typeof item === 'object' && item !== null
      ? ((Object.values(item)[0] as RawItem | undefined) ?? {})
      : {};
  if (typeof action.status !== 'number') {
    throw new OperatingError('bulk-response', 'an item has no status');
  }
  const { error } = action;
  if (error === undefined) return { status: action.status, type: '', reason: '' };
  if (typeof error === 'string') return { status: action.status, type: error, reason: error };
  return {
    status: action.status,
    type: typeof error.type === 'string' ? error.type : '',
    reason: causes(error),
  };
}

/** The reason with the reasons behind it, which say what was wrong with which field. */
function causes(error: object): string {
  const reasons: string[] = [];
  let at: unknown = error;
  for (let depth = 0; depth < 4 && typeof at === 'object' && at !== null; depth++) {
    const { reason, caused_by } = at as { reason?: unknown; caused_by?: unknown };
    if (typeof reason === 'string') reasons.push(reason);
    at = caused_by;
  }
  return reasons.join(': ');
}
