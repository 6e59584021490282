/** How `weir consume` writes a record: as Kafka's console consumer does, or as a line of JSON. */
import { isUtf8 } from 'node:buffer';
import { headersOf, keyOf, type RecordView, valueOf } from '../protocol/record-batch.ts';
import { type Arguments, meant, usageError } from './arguments.ts';

export interface RecordPlace {
  readonly topic: string;
  readonly partition: number;
}

/** Writes one record's bytes into `out`. */
export type RecordFormat = (record: RecordView, place: RecordPlace, out: Uint8Array[]) => void;

const SWITCHES = [
  'print.timestamp',
  'print.partition',
  'print.offset',
  'print.headers',
  'print.key',
  'print.value',
] as const;
const TEXTS = ['key.separator', 'line.separator', 'headers.separator', 'null.literal'] as const;

/** Escapes that a shell hands on as they are. */
const unescape = (text: string): string =>
  text.replaceAll('\\t', '\t').replaceAll('\\n', '\n').replaceAll('\\0', '\0');

export function recordFormat(args: Arguments): RecordFormat {
  const properties = args.properties('property');
  const known: readonly string[] = [...SWITCHES, ...TEXTS];
  for (const name of properties.keys()) {
    if (!known.includes(name)) {
      throw usageError(`--property has no '${name}'${meant(name, known)}`);
    }
  }
  if (args.has('json')) return jsonFormat;
  const isOn = (name: (typeof SWITCHES)[number]): boolean =>
    properties.get(name) === 'true' || (name === 'print.value' && !properties.has(name));
  const text = (name: (typeof TEXTS)[number], fallback: string): Buffer =>
    Buffer.from(unescape(properties.get(name) ?? fallback));
  const separator = text('key.separator', '\t');
  const between = text('headers.separator', ',');
  const nullLiteral = text('null.literal', 'null');
  const end = text('line.separator', '\n');
  const parts: RecordFormat[] = [];
  if (isOn('print.timestamp')) parts.push((r, _, o) => o.push(utf8(`CreateTime:${r.timestamp}`)));
  if (isOn('print.partition')) parts.push((_, p, o) => o.push(utf8(`Partition:${p.partition}`)));
  if (isOn('print.offset')) parts.push((r, _, o) => o.push(utf8(`Offset:${r.offset}`)));
  if (isOn('print.headers')) parts.push((r, _, o) => writeHeaders(r, between, nullLiteral, o));
  if (isOn('print.key')) parts.push((r, _, o) => o.push(keyOf(r) ?? nullLiteral));
  if (isOn('print.value')) parts.push((r, _, o) => o.push(valueOf(r) ?? nullLiteral));
  return (record, place, out) => {
    for (const [i, part] of parts.entries()) {
      if (i > 0) out.push(separator);
      part(record, place, out);
    }
    out.push(end);
  };
}

const utf8 = (text: string): Buffer => Buffer.from(text);

function writeHeaders(
  r: RecordView,
  between: Buffer,
  nullLiteral: Buffer,
  out: Uint8Array[],
): void {
  const headers = headersOf(r);
  if (headers.length === 0) out.push(utf8('NO_HEADERS'));
  for (const [i, { key, value }] of headers.entries()) {
    if (i > 0) out.push(between);
    out.push(utf8(`${key}:`), value ?? nullLiteral);
  }
}

function jsonFormat(record: RecordView, place: RecordPlace, out: Uint8Array[]): void {
  const object = {
    topic: place.topic,
    partition: place.partition,
    offset: record.offset,
    timestamp: record.timestamp,
    ...field('key', keyOf(record)),
    ...field('value', valueOf(record)),
    headers: Object.fromEntries(
      headersOf(record).map(({ key, value }) => [key, value && Buffer.from(value).toString()]),
    ),
  };
  out.push(utf8(`${JSON.stringify(object)}\n`));
}

/** Bytes that are no text go out as base64, under a name that says so. */
const field = (name: string, bytes: Buffer | null): Record<string, string | null> =>
  bytes === null || isUtf8(bytes)
    ? { [name]: bytes === null ? null : bytes.toString() }
    : { [`${name}Base64`]: bytes.toString('base64') };
