/**
 * A winston `info` as one line of JSON with ECS names. Whatever it holds: cycles, BigInts, errors,
 * getters that throw.
 */

/** Longest line, in bytes; a longer one loses its metadata, then the end of its message. */
export const RECORD_BYTES_MAX = 524_288;

const LEVEL = Symbol.for('level');

/** Fields that every record of a transport has. */
export interface Origin {
  readonly service: string | undefined;
  readonly host: string;
}

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function errorFields(error: Error): Fields {
  const fields: Fields = { type: error.name, message: error.message };
  if (error.stack !== undefined) fields['stack_trace'] = error.stack;
  if (error.cause !== undefined) fields['cause'] = error.cause;
  const { code, errors } = error as { code?: unknown; errors?: unknown };
  if (typeof code === 'string' || typeof code === 'number') fields['code'] = code;
  if (error instanceof AggregateError) fields['errors'] = errors;
  return fields;
}

/** A replacer for `JSON.stringify` that cuts cycles and keeps what JSON has no form for. */
function safeReplacer(): (this: unknown, key: string, value: unknown) => unknown {
  const ancestors: unknown[] = [];
  /** What was written for them: of an error that is not itself. */
  const holders: unknown[] = [];
  return function replace(this: unknown, _key, value) {
    if (typeof value === 'bigint') return value.toString();
    if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
    if (typeof value !== 'object' || value === null) return value;
    while (holders.length > 0 && holders.at(-1) !== this) {
      holders.pop();
      ancestors.pop();
    }
    if (ancestors.includes(value)) return '[circular]';
    const written = value instanceof Error ? errorFields(value) : value;
    ancestors.push(value);
    holders.push(written);
    return written;
  };
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === undefined) return '';
  if (value instanceof Error) return value.message;
  if (typeof value === 'bigint' || typeof value === 'number') return String(value);
  if (typeof value === 'symbol') return value.toString();
  return JSON.stringify(value, safeReplacer()) ?? typeof value;
}

const isIsoTime = (value: unknown): value is string =>
  typeof value === 'string' &&
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(value);

function base(info: Fields, nowMs: number, origin: Origin): Fields {
  const stamp = info['timestamp'];
  const level = (info as { [LEVEL]?: unknown })[LEVEL] ?? info['level'];
  const record: Fields = {
    '@timestamp': isIsoTime(stamp) ? stamp : new Date(nowMs).toISOString(),
    message: textOf(info['message']),
    log: { level: String(level) },
    host: { name: origin.host },
  };
  if (origin.service !== undefined) record['service'] = { name: origin.service };
  // `logger.error(error)`: the error itself is what winston hands on.
  const error = info instanceof Error ? info : info['message'];
  if (error instanceof Error) record['error'] = errorFields(error);
  return record;
}

const TAKEN = new Set(['level', 'message', 'timestamp', '@timestamp']);

/** Adds what the application logged beside the message; its objects are merged into ours. */
function addMetadata(record: Fields, info: Fields): void {
  for (const [key, given] of Object.entries(info)) {
    const value = given instanceof Error ? errorFields(given) : given;
    if (TAKEN.has(key)) {
      if (key === 'timestamp' && !isIsoTime(value)) record['timestamp'] = value;
      continue;
    }
    const own = Object.hasOwn(record, key) ? record[key] : undefined;
    if (key === 'stack' && typeof value === 'string') {
      const error = isObject(record['error']) ? record['error'] : {};
      record['error'] = { ...error, stack_trace: value };
    } else if (key === 'service' && typeof value === 'string') record['service'] = { name: value };
    else if (isObject(own) && isObject(value)) record[key] = { ...own, ...value };
    else if (own === undefined)
      Object.defineProperty(record, key, {
        value,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    else record[`${key}_`] = value;
  }
}

/** Never throws. */
export function recordLine(info: unknown, nowMs: number, origin: Origin): string {
  const fields: Fields = isObject(info) ? info : { message: info, level: 'info' };
  try {
    const record = base(fields, nowMs, origin);
    addMetadata(record, fields);
    const line = JSON.stringify(record, safeReplacer());
    if (Buffer.byteLength(line) <= RECORD_BYTES_MAX) return line;
  } catch {
    // Said by the tag of the shorter record.
  }
  return shortLine(fields, nowMs, origin);
}

function shortLine(info: Fields, nowMs: number, origin: Origin): string {
  let message = '';
  let level = '';
  try {
    message = textOf(info['message']);
    level = String(info['level']);
  } catch {
    message = 'the message could not be written as text';
  }
  // A character is at most six bytes of JSON.
  const cut = message.slice(0, Math.floor(RECORD_BYTES_MAX / 6) - 1024);
  const record = base({ message: cut, level }, nowMs, origin);
  return JSON.stringify({
    ...record,
    tags: [cut.length < message.length ? 'truncated' : 'metadata_lost'],
  });
}
