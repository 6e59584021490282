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

const NO_ERRORS = Buffer.from('"errors":false');
const ITEMS = Buffer.from('"items":[');
const END = Buffer.from(']}');
const CREATED = '{"create":{"status":201}},';
/** Items that are compared at once. */
const RUN_ITEMS = 1_024;
const RUN = Buffer.from(CREATED.repeat(RUN_ITEMS));

/**
 * Reads the answer to a request of `expected` actions. Null: all of them were created, which is
 * found out without parsing. Throws OperatingError `bulk-response` when the answer is cut off, is
 * something else, or does not have as many items: nothing is known of the actions then.
 */
export function readBulkResponse(answer: Buffer, expected: number): readonly ItemResult[] | null {
  if (isAllCreated(answer, expected)) return null;
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

/** Whether the answer is, byte for byte, that of a server which created all of the items. */
function isAllCreated(answer: Buffer, expected: number): boolean {
  const items = answer.indexOf(ITEMS);
  if (expected < 1 || items < 0 || answer.subarray(0, items).indexOf(NO_ERRORS) < 0) return false;
  const start = items + ITEMS.length;
  const end = answer.length - END.length;
  // The last item has no comma behind it.
  if (end - start !== expected * CREATED.length - 1) return false;
  for (let at = start; at < end; at += RUN.length) {
    if (!startsAt(answer, at, RUN, Math.min(RUN.length, end - at))) return false;
  }
  return startsAt(answer, end, END, END.length);
}

const startsAt = (bytes: Buffer, at: number, expected: Buffer, length: number): boolean =>
  bytes.compare(expected, 0, length, at, at + length) === 0;

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
