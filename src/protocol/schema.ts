/**
 * Kafka messages described as plain data: which fields, of which wire type, in which versions.
 *
 * The static type of a message is inferred from its schema, so the schema is the only description
 * of a message in the whole program. `codec.ts` turns it into a reader and a writer per version.
 * A field that a version lacks reads as its `absent` value and is not written.
 */
import { ZERO_BITS64, ZERO_UUID } from '../base/bytes.ts';

export type Kind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'float64'
  | 'bits64'
  | 'uuid'
  | 'string'
  | 'bytes'
  | 'records'
  | 'array'
  | 'struct';

export interface Spec {
  readonly kind: Kind;
  /** First and last version that has the field. */
  readonly from: number;
  readonly to: number;
  /** First and last version in which null is legal; `nullFrom` Infinity: never. */
  readonly nullFrom: number;
  /** Tag of a tagged field (KIP-482); -1: an ordinary one. */
  readonly tag: number;
  /** First version in which the field is tagged; before it, it is an ordinary one. */
  readonly tagFrom: number;
  /** What a reader sees when the field is not on the wire. */
  readonly absent: unknown;
  readonly item: Spec | null;
  readonly fields: readonly (readonly [name: string, spec: Spec])[];
}

/** An immutable field description whose decoded value is a `T`. */
export class Field<T> {
  declare readonly type: T; // For inference only; never assigned.
  readonly spec: Spec;
  constructor(spec: Spec) {
    this.spec = spec;
  }
  since(from: number): Field<T> {
    return new Field({ ...this.spec, from });
  }
  until(to: number): Field<T> {
    return new Field({ ...this.spec, to });
  }
  nullable(nullFrom: number = this.spec.from): Field<T | null> {
    return new Field({ ...this.spec, nullFrom });
  }
  default(absent: T): Field<T> {
    return new Field({ ...this.spec, absent });
  }
  /** Tagged from its first version on, or from `tagFrom`. */
  tag(tag: number, tagFrom = 0): Field<T> {
    return new Field({ ...this.spec, tag, tagFrom });
  }
}

type Fields = { readonly [name: string]: Field<any> };
type Struct<F extends Fields> = { [K in keyof F]: F[K]['type'] };
export type Infer<M> = M extends Message<infer T> ? T : never;

const field = <T>(kind: Kind, absent: T, more: Partial<Spec> = {}): Field<T> =>
  new Field<T>({
    kind,
    from: 0,
    to: Infinity,
    nullFrom: Infinity,
    tag: -1,
    tagFrom: 0,
    absent,
    item: null,
    fields: [],
    ...more,
  });

export const bool = field('bool', false as boolean);
export const int8 = field('int8', 0 as number);
export const int16 = field('int16', 0 as number);
export const uint16 = field('uint16', 0 as number);
export const int32 = field('int32', 0 as number);
export const uint32 = field('uint32', 0 as number);
/** A `number`: see `base/bytes.ts`. */
export const int64 = field('int64', 0 as number);
export const float64 = field('float64', 0 as number);
/** Eight bytes that are no number (a hash), as 11 characters of base64url. */
export const bits64 = field('bits64', ZERO_BITS64 as string);
/** Base64url, 22 characters. */
export const uuid = field('uuid', ZERO_UUID as string);
export const string = field('string', '' as string);
export const bytes = field<Buffer>('bytes', Buffer.alloc(0));
/** Record batches, opaque. Written from one buffer or from pieces, read as one view of the frame. */
export const records = field<Uint8Array | readonly Uint8Array[] | null>('records', null, {
  nullFrom: 0,
});
export const struct = <F extends Fields>(fields: F): Field<Struct<F>> =>
  field('struct', null as never, {
    fields: Object.entries(fields).map(([name, f]) => [name, f.spec] as const),
  });
export function array<T>(item: Field<T>): Field<T[]>;
export function array<F extends Fields>(item: F): Field<Struct<F>[]>;
export function array(item: Field<any> | Fields): Field<any[]> {
  return field('array', [] as any[], {
    item: (item instanceof Field ? item : struct(item)).spec,
  });
}

export interface Message<T> {
  readonly name: string;
  /** API key; -1 for what is stored and not sent. */
  readonly api: number;
  readonly min: number;
  readonly max: number;
  /** First version with compact lengths and tagged fields; Infinity: none. */
  readonly flexible: number;
  readonly body: Field<T>;
}

/** Declares a message; `flexible` defaults to none. */
export const message = <F extends Fields>(
  name: string,
  at: { api: number; min: number; max: number; flexible?: number },
  fields: F,
): Message<Struct<F>> => ({
  name,
  api: at.api,
  min: at.min,
  max: at.max,
  flexible: at.flexible ?? Infinity,
  body: struct(fields),
});
