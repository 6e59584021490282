/**
 * A second, plain reading of the schema: interprets the table on every call. It shares nothing with
 * the compiled codec but the table and the byte cursors, so that the two can be held against each other.
 */
import type { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import type { Message, Spec } from '../../src/protocol/schema.ts';

interface At {
  readonly version: number;
  readonly flexible: boolean;
}

type Named = readonly [name: string, spec: Spec];
type Struct = Record<string, unknown>;

const at = (message: Message<any>, version: number): At => ({
  version,
  flexible: version >= message.flexible,
});

export const oracleRead = (message: Message<any>, version: number, reader: ByteReader): unknown =>
  readValue(message.body.spec, at(message, version), reader);

export const oracleWrite = (
  message: Message<any>,
  version: number,
  writer: ByteWriter,
  value: unknown,
): void => writeValue(message.body.spec, at(message, version), writer, value);

export const isLive = (spec: Spec, version: number): boolean =>
  spec.from <= version && version <= spec.to;

/** What a reader sees of a field that is not on the wire. */
export function absentValue(spec: Spec): unknown {
  if (spec.kind !== 'struct') return spec.kind === 'array' && spec.absent ? [] : spec.absent;
  if (spec.nullFrom !== Infinity && spec.absent === null) return null;
  return Object.fromEntries(spec.fields.map(([name, f]) => [name, absentValue(f)]));
}

const isTagged = (spec: Spec, { version, flexible }: At): boolean =>
  flexible && spec.tag >= 0 && version >= spec.tagFrom;

function live(spec: Spec, a: At, tagged: boolean): Named[] {
  const fields = spec.fields.filter(([, f]) => isLive(f, a.version) && isTagged(f, a) === tagged);
  return tagged ? fields.sort((x, y) => x[1].tag - y[1].tag) : fields;
}

function readValue(spec: Spec, a: At, r: ByteReader): unknown {
  const nullable = a.version >= spec.nullFrom;
  const checked = (length: number): number => {
    if (length < 0 && !nullable) throw new RangeError(`null ${spec.kind}`);
    return length;
  };
  switch (spec.kind) {
    case 'struct':
      if (nullable && (isTagged(spec, a) ? r.uvarint() === 0 : r.int8() < 0)) return null;
      return readFields(spec, a, r);
    case 'array': {
      const count = checked(r.arrayLength(a.flexible));
      if (count < 0) return null;
      const items: unknown[] = [];
      while (items.length < count) items.push(readValue(spec.item!, a, r));
      return items;
    }
    case 'string': {
      const length = checked(r.stringLength(a.flexible));
      return length < 0 ? null : r.utf8(length);
    }
    case 'bytes':
    case 'records': {
      const length = checked(r.bytesLength(a.flexible));
      return length < 0 ? null : r.bytes(length);
    }
    default:
      return r[spec.kind]();
  }
}

function readFields(spec: Spec, a: At, r: ByteReader): Struct {
  const value: Struct = {};
  for (const [name, f] of spec.fields) value[name] = absentValue(f);
  for (const [name, f] of live(spec, a, false)) value[name] = readValue(f, a, r);
  if (!a.flexible) return value;
  for (let left = r.uvarint(); left > 0; left--) {
    const tag = r.uvarint();
    const size = r.uvarint();
    const end = r.pos + size;
    const known = live(spec, a, true).find(([, f]) => f.tag === tag);
    if (known === undefined) r.skip(size);
    else value[known[0]] = readValue(known[1], a, r);
    if (r.pos !== end) throw new RangeError('tagged field size');
  }
  return value;
}

function writeValue(spec: Spec, a: At, w: ByteWriter, value: any): void {
  const nullable = a.version >= spec.nullFrom;
  if (value === null && !nullable) throw new RangeError(`null ${spec.kind}`);
  switch (spec.kind) {
    case 'struct':
      if (nullable && value !== null) w.int8(1);
      else if (nullable) w.int8(isTagged(spec, a) ? 0 : -1);
      if (value !== null) writeFields(spec, a, w, value);
      break;
    case 'array':
      w.arrayLength(value === null ? -1 : value.length, a.flexible);
      for (const item of value ?? []) writeValue(spec.item!, a, w, item);
      break;
    case 'string':
      if (value === null) w.nullString(a.flexible);
      else w.string(value, a.flexible);
      break;
    case 'bytes':
    case 'records':
      w.bytes(value, a.flexible);
      break;
    default:
      w[spec.kind](value as never);
  }
}

function writeFields(spec: Spec, a: At, w: ByteWriter, value: Struct): void {
  for (const [name, f] of live(spec, a, false)) writeValue(f, a, w, value[name]);
  if (!a.flexible) return;
  const present = live(spec, a, true).filter(([name, f]) => !isAbsent(f, a, value[name]));
  w.uvarint(present.length);
  for (const [name, f] of present) {
    w.uvarint(f.tag);
    const start = w.beginPrefixed();
    writeValue(f, a, w, value[name]);
    w.prefixLength(start);
  }
}

function isAbsent(spec: Spec, a: At, value: any): boolean {
  if (spec.kind === 'struct') {
    if (spec.nullFrom !== Infinity && spec.absent === null) return value === null;
    if (value === null) return false;
    return spec.fields
      .filter(([, f]) => isLive(f, a.version))
      .every(([name, f]) => isAbsent(f, a, value[name]));
  }
  if (spec.absent !== null && (spec.kind === 'array' || spec.kind === 'bytes')) {
    return value !== null && value.length === 0;
  }
  return value === spec.absent;
}
