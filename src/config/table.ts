/**
 * The form of every configuration table: one row a key, with its type, default, bounds and prose.
 * Loading, validation, printing, redaction, `DescribeConfigs` and the help text all read the same
 * rows, so a key that is in no table does not exist.
 *
 * A value is plain JSON: durations are milliseconds and sizes are bytes once they are read
 * (`parseValue` takes `10s` and `64 MiB`), lists are arrays of strings, and a password is a string
 * that nothing prints.
 */
export type KeyType =
  | 'boolean'
  | 'short'
  | 'int'
  | 'long'
  | 'double'
  | 'string'
  | 'list'
  | 'password'
  | 'duration'
  | 'bytes';

export type KeyValue = boolean | number | string | readonly string[] | null;

export interface Key<T extends KeyValue = KeyValue> {
  /** The dotted name, as written in the file. */
  readonly name: string;
  readonly type: KeyType;
  /** `null`: no value until somebody gives one. */
  readonly default: T | null;
  /** Smallest and largest number, both included; for lists, the count of elements. */
  readonly min?: number;
  readonly max?: number;
  /** The only values allowed; for a list, the only elements allowed. */
  readonly values?: readonly string[];
  /** Never printed, logged or described. A `password` is secret without saying so. */
  readonly secret?: boolean;
  /** Whether a running process takes a new value, and on which resource it is set. */
  readonly dynamic?: 'topic' | 'broker' | 'none';
  /** One or two sentences: what it does, its unit, and what its special values mean. */
  readonly doc: string;
}

/** A table by name. Throws when a name stands twice: the second row would never be read. */
export function tableOf<K extends Key>(keys: readonly K[]): ReadonlyMap<string, K> {
  const table = new Map<string, K>();
  for (const key of keys) {
    if (table.has(key.name)) throw new TypeError(`configuration key ${key.name} stands twice`);
    table.set(key.name, key);
  }
  return table;
}

export const isSecret = (key: Key): boolean => key.secret === true || key.type === 'password';

export type Parsed = { readonly value: KeyValue } | { readonly problem: string };

const SHORT_MAX = 2 ** 15 - 1;
const INT_MAX = 2 ** 31 - 1;
/** Kafka writes "no limit" as 2^63 - 1; the nearest double is 2^63, and stands for it. */
export const LONG_MAX = 2 ** 63;

const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const SIZE_BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1_000,
  mb: 1_000_000,
  gb: 1_000_000_000,
  tb: 1_000_000_000_000,
  kib: 1_024,
  mib: 1_048_576,
  gib: 1_073_741_824,
  tib: 1_099_511_627_776,
};

/**
 * Turns what stands in a file, an environment variable, `--set` or an AlterConfigs request into
 * the key's value, and checks it against the key's bounds. Never throws: `problem` is a clause that
 * follows the key's name ("must be …, but is …") and holds no secret.
 */
export function parseValue(key: Key, given: unknown): Parsed {
  if (given === null || given === undefined) {
    return key.default === null
      ? { value: null }
      : { problem: `must be ${describeType(key)}, but is empty` };
  }
  // An empty text takes back a value that need not be: `--set broker.broker.rack=`.
  if (given === '' && key.default === null) return { value: null };
  const parsed = parseType(key, given);
  if (parsed === null) {
    const seen = isSecret(key) ? 'something else' : JSON.stringify(given);
    return { problem: `must be ${describeType(key)}, but is ${seen}` };
  }
  return checkBounds(key, parsed) ?? { value: parsed };
}

function parseType(key: Key, given: unknown): KeyValue {
  switch (key.type) {
    case 'boolean':
      return parseBoolean(given);
    case 'short':
      return whole(parseNumber(given), SHORT_MAX);
    case 'int':
      return whole(parseNumber(given), INT_MAX);
    case 'long':
      return whole(parseNumber(given), LONG_MAX);
    case 'double':
      return parseNumber(given);
    case 'duration':
      return whole(parseWithUnit(given, DURATION_MS), Number.MAX_SAFE_INTEGER);
    case 'bytes':
      return whole(parseWithUnit(given, SIZE_BYTES), Number.MAX_SAFE_INTEGER);
    case 'list':
      return parseList(given);
    case 'string':
    case 'password':
      return typeof given === 'string' || typeof given === 'number' || typeof given === 'boolean'
        ? String(given)
        : null;
  }
}

function parseBoolean(given: unknown): boolean | null {
  if (typeof given === 'boolean') return given;
  if (typeof given !== 'string') return null;
  const text = given.trim().toLowerCase();
  return text === 'true' ? true : text === 'false' ? false : null;
}

function parseNumber(given: unknown): number | null {
  if (typeof given === 'number') return Number.isFinite(given) ? given : null;
  if (typeof given !== 'string' || !/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(given)) {
    return null;
  }
  return Number(given);
}

function parseWithUnit(given: unknown, units: Readonly<Record<string, number>>): number | null {
  const plain = parseNumber(given);
  if (plain !== null || typeof given !== 'string') return plain;
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$/i.exec(given);
  const unit = units[match?.[2]?.toLowerCase() ?? ''];
  return match === null || unit === undefined ? null : Math.round(Number(match[1]) * unit);
}

const whole = (value: number | null, limit: number): number | null =>
  value !== null && Number.isInteger(value) && Math.abs(value) <= limit ? value : null;

function parseList(given: unknown): readonly string[] | null {
  if (Array.isArray(given)) {
    return given.every((item) => typeof item === 'string' || typeof item === 'number')
      ? given.map(String)
      : null;
  }
  if (typeof given === 'number') return [String(given)];
  if (typeof given !== 'string') return null;
  return given
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function checkBounds(key: Key, value: KeyValue): Parsed | null {
  const list = Array.isArray(value);
  const size = list ? value.length : value;
  if (typeof size === 'number') {
    const seen = list ? `has ${size} elements` : `is ${size}`;
    const must = list ? 'must have' : 'must be';
    if (key.min !== undefined && size < key.min) {
      return { problem: `${must} at least ${key.min}, but ${seen}` };
    }
    if (key.max !== undefined && size > key.max) {
      return { problem: `${must} at most ${key.max}, but ${seen}` };
    }
  }
  if (key.values === undefined) return null;
  const values = key.values;
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  const wrong = items.find((item) => !values.includes(String(item)));
  return wrong === undefined
    ? null
    : { problem: `must be one of ${values.join(', ')}, but is ${JSON.stringify(wrong)}` };
}

/** "a whole number", "a duration such as 30s": for messages and help. */
export function describeType(key: Key): string {
  if (key.values !== undefined) return `one of ${key.values.join(', ')}`;
  switch (key.type) {
    case 'boolean':
      return 'true or false';
    case 'short':
    case 'int':
    case 'long':
      return 'a whole number';
    case 'double':
      return 'a number';
    case 'string':
      return 'text';
    case 'password':
      return 'a secret text';
    case 'list':
      return 'a list';
    case 'duration':
      return 'a duration in milliseconds, or with a unit such as 30s or 5m';
    case 'bytes':
      return 'a size in bytes, or with a unit such as 64MiB';
  }
}

/** The value as Kafka's tools and our own print it; the caller masks secrets. */
export function formatValue(value: KeyValue): string {
  if (value === null) return '';
  if (Array.isArray(value)) return value.join(',');
  if (typeof value !== 'number' || Math.abs(value) < LONG_MAX) return String(value);
  return value > 0 ? '9223372036854775807' : '-9223372036854775808';
}
