/**
 * Values that a field should not have: out of its range, empty, unknown, very long, twice, null where
 * it may not be. Made from the schemas, so that no field of any version is forgotten.
 */
import { ZERO_UUID } from '../../src/base/bytes.ts';
import { below, type Random } from '../../src/base/random.ts';
import type { Message, Spec } from '../../src/protocol/schema.ts';
import type { Loose } from '../unit/broker/fixture.ts';

/** Of no topic. */
const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAACA';

/** Where a value stands in a body. */
export interface Place {
  readonly path: readonly (string | number)[];
  readonly spec: Spec;
}

/** A value, and the type that carries it where the field's own one can't. */
export interface Odd {
  readonly label: string;
  readonly value: unknown;
  readonly as?: Partial<Spec>;
}

const isLive = (spec: Spec, version: number): boolean => spec.from <= version && version <= spec.to;

/** All places of a body in a version, but for fields of the names `without`. */
export function places(
  spec: Spec,
  value: unknown,
  version: number,
  without: ReadonlySet<string> = new Set(),
  path: Place['path'] = [],
): Place[] {
  if (value === null || value === undefined) return [{ path, spec }];
  if (spec.kind === 'array') {
    const items = value as unknown[];
    if (items.length === 0) return [{ path, spec }];
    return [{ path, spec }, ...places(spec.item!, items[0], version, without, [...path, 0])];
  }
  if (spec.kind !== 'struct') return [{ path, spec }];
  const inside = spec.fields
    .filter(([name, field]) => isLive(field, version) && !without.has(name))
    .flatMap(([name, field]) =>
      places(field, (value as Loose)[name] ?? field.absent, version, without, [...path, name]),
    );
  return path.length === 0 ? inside : [{ path, spec }, ...inside];
}

/** The body with an item in every list and every struct that has none, so that there is a place for each field. */
export function filled(spec: Spec, value: unknown): unknown {
  if (spec.kind === 'array') {
    const items = (value ?? []) as readonly unknown[];
    return (items.length === 0 ? [undefined] : items).map((item) => filled(spec.item!, item));
  }
  if (spec.kind !== 'struct') return value === undefined ? spec.absent : value;
  const given = (value ?? {}) as Loose;
  return Object.fromEntries(spec.fields.map(([name, field]) => [name, filled(field, given[name])]));
}

const each = (values: readonly unknown[]): Odd[] =>
  values.map((value) => ({ label: brief(value), value }));

/** Bits of the lowest, of a large and of nearly the highest number of 64 bits, as those of doubles. */
const BEYOND_DOUBLES = [-0, 2, Number.MAX_VALUE];

/** What may stand at a place instead of `value`, and should not. */
export function oddValues({ spec, path }: Place, version: number, value: unknown): Odd[] {
  // Of an item the array tells whether it may be left out.
  const isItem = typeof path.at(-1) === 'number';
  const none: Odd[] =
    isItem && spec.kind === 'struct'
      ? []
      : [{ label: 'null', value: null, as: version >= spec.nullFrom ? {} : { nullFrom: 0 } }];
  switch (spec.kind) {
    case 'bool':
      return each([value !== true]);
    case 'int8':
      return each([-128, -2, -1, 0, 1, 2, 3, 99, 127]);
    case 'int16':
      return each([-32_768, -2, -1, 0, 1, 2, 32_767]);
    case 'int32':
      return each([-2_147_483_648, -2, -1, 0, 1, 2, 7, 2_147_483_647]);
    case 'int64':
      return [
        ...each([-(2 ** 53) + 1, -6, -5, -4, -3, -2, -1, 0, 1, 7, 2 ** 53 - 1]),
        ...BEYOND_DOUBLES.map((bits) => ({
          label: `bits of ${bits}`,
          value: bits,
          as: { kind: 'float64' } as const,
        })),
      ];
    case 'float64':
      return each([Number.NaN, -Infinity, Infinity, -1, -0, 0.5, Number.MAX_VALUE]);
    case 'uint16':
      return each([0, 1, 65_535]);
    case 'string':
      return [
        ...each(['', 'absent', ' ', 'a b', 'ünïcode', 'x'.repeat(250), 'x'.repeat(32_767)]),
        ...none,
      ];
    case 'uuid':
      return each([ZERO_UUID, UNKNOWN_ID]);
    case 'bytes':
    case 'records':
      return [...each([Buffer.alloc(0), Buffer.from([1, 2, 3]), Buffer.alloc(100, 0xff)]), ...none];
    case 'array': {
      const items = (value ?? []) as unknown[];
      const changed = [
        { label: 'empty', value: [] },
        { label: 'twice', value: [...items, ...items] },
      ];
      return [...changed, ...none];
    }
    default:
      return version >= spec.nullFrom ? none : [];
  }
}

/** What says how long something is, and says it wrongly. */
export function wrongLengths({ spec }: Place, isFlexible: boolean): Odd[] {
  const { kind } = spec;
  if (!['array', 'string', 'bytes', 'records'].includes(kind)) return [];
  if (isFlexible) {
    return ['ffffffff0f000000', 'ffffffffffffffff', 'fe03000000000000'].map((hex) => ({
      label: `length ${hex}`,
      value: Buffer.from(hex, 'hex').toString('base64url'),
      as: { kind: 'bits64' },
    }));
  }
  const as = { kind: kind === 'string' ? 'int16' : 'int32' } as const;
  const most = kind === 'string' ? 0x7fff : 0x7fff_ffff;
  return [-2, -most - 1, 100, most].map((value) => ({ label: `length ${value}`, value, as }));
}

/** As many of them, by chance. */
export function some<T>(from: readonly T[], count: number, chance: Random): T[] {
  const left = [...from];
  const taken: T[] = [];
  while (taken.length < count && left.length > 0) {
    taken.push(...left.splice(below(chance, left.length), 1));
  }
  return taken;
}

export const valueAt = (body: any, path: Place['path']): unknown =>
  path.reduce((value, step) => value?.[step], body);

export function withValue(body: any, path: Place['path'], value: unknown): any {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  const copy = Array.isArray(body) ? [...body] : { ...body };
  copy[step] = withValue(copy[step], rest, value);
  return copy;
}

/** The message with another type at that place. */
export const withType = (
  message: Message<any>,
  path: Place['path'],
  as: Partial<Spec>,
): Message<any> =>
  ({ ...message, body: { spec: specWithType(message.body.spec, path, as) } }) as Message<any>;

function specWithType(spec: Spec, path: Place['path'], as: Partial<Spec>): Spec {
  const [step, ...rest] = path;
  if (step === undefined) return { ...spec, ...as };
  if (typeof step === 'number') return { ...spec, item: specWithType(spec.item!, rest, as) };
  return {
    ...spec,
    fields: spec.fields.map(([name, field]) => [
      name,
      name === step ? specWithType(field, rest, as) : field,
    ]),
  };
}

function brief(value: unknown): string {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  return JSON.stringify(value)?.slice(0, 60) ?? 'undefined';
}
