import { digitsAt } from '../ecs-time.ts';
import { type EcsWriter, fragment } from '../ecs-writer.ts';

/**
 * Prometheus text (exposition format 0.0.4, and what OpenMetrics adds) to records, a sample each:
 * `@timestamp`, `name`, `type` of its family, `value`, `labels` with the target's own one added.
 * NaN and infinities, which JSON does not have, are `"value":null` with `value_text`.
 */
export interface ExpositionOptions {
  /** `"instance":"…"`: labels of the target, without braces. */
  readonly targetLabels: Uint8Array;
  /** Time of samples that bear none, milliseconds since 1970. */
  readonly nowMs: number;
  /** Takes the record in the writer; false: no room. */
  readonly take: (sourceBytes: number) => boolean;
  /** A line that is no sample. */
  readonly malformed: (start: number, end: number) => void;
}

const NAME_OPEN = fragment(',"name":"');
const TYPE_OPEN = fragment('","type":"');
const VALUE_OPEN = fragment('","value":');
const NO_VALUE = fragment('null,"value_text":"');
const LABELS_OPEN = fragment(',"labels":{');
const CLOSE = fragment('}}');
/** The target's own label, and what a sample's label of that name is called, as by Prometheus. */
const INSTANCE = fragment('instance');
const EXPORTED = fragment('exported_');
const UNTYPED = fragment('untyped');

const TYPE_LINE = fragment('# TYPE ');
/** What a family's samples have behind its name. */
const SUFFIXES = ['', '_bucket', '_sum', '_count', '_total', '_created', '_info'].map((suffix) =>
  Buffer.from(suffix),
);

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09;

/** 1: may start a name; 2: may go on in one. */
const NAME = new Uint8Array(256);
for (let byte = 0; byte < 128; byte++) {
  const character = String.fromCharCode(byte);
  if (/[A-Za-z_:]/.test(character)) NAME[byte] = 3;
  else if (/[0-9]/.test(character)) NAME[byte] = 2;
}

function nameEnd(bytes: Buffer, start: number, end: number): number {
  if (start >= end || (NAME[bytes[start]!]! & 1) === 0) return start;
  let at = start + 1;
  while (at < end && NAME[bytes[at]!] !== 0) at++;
  return at;
}

function skipSpace(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isSpace(bytes[at])) at++;
  return at;
}

export class ExpositionReader {
  readonly #writer: EcsWriter;
  #bytes: Buffer = Buffer.alloc(0);
  /** Family and type of the last TYPE line, as ranges. */
  #family = 0;
  #familyEnd = 0;
  #type = 0;
  #typeEnd = 0;

  constructor(writer: EcsWriter) {
    this.#writer = writer;
  }

  /** Reads a whole exposition; returns how many samples were taken. Stops when there is no room. */
  read(bytes: Buffer, options: ExpositionOptions): number {
    this.#bytes = bytes;
    this.#familyEnd = this.#family = 0;
    let taken = 0;
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(0x0a, at);
      let end = newline < 0 ? bytes.length : newline;
      const next = end + 1;
      if (end > at && bytes[end - 1] === 0x0d) end--;
      const start = skipSpace(bytes, at, end);
      if (start < end) {
        if (bytes[start] === 0x23) this.#comment(start, end);
        else if (!this.#sample(start, end, options)) options.malformed(start, end);
        else if (options.take(end - start)) taken++;
        else return taken;
      }
      at = next;
    }
    return taken;
  }

  #comment(start: number, end: number): void {
    const bytes = this.#bytes;
    if (
      end - start <= TYPE_LINE.length ||
      bytes.compare(TYPE_LINE, 0, TYPE_LINE.length, start, start + TYPE_LINE.length) !== 0
    )
      return;
    const family = skipSpace(bytes, start + TYPE_LINE.length, end);
    const familyEnd = nameEnd(bytes, family, end);
    const type = skipSpace(bytes, familyEnd, end);
    let typeEnd = type;
    while (typeEnd < end && bytes[typeEnd]! >= 0x61 && bytes[typeEnd]! <= 0x7a) typeEnd++;
    if (familyEnd === family || typeEnd === type) return;
    this.#family = family;
    this.#familyEnd = familyEnd;
    this.#type = type;
    this.#typeEnd = typeEnd;
  }

  /** Writes the record of one line; false when the line is malformed. */
  #sample(start: number, end: number, options: ExpositionOptions): boolean {
    const bytes = this.#bytes;
    const name = nameEnd(bytes, start, end);
    if (name === start) return false;
    let at = skipSpace(bytes, name, end);
    const labels = at;
    if (bytes[at] === 0x7b) {
      at = this.#labelsEnd(at + 1, end);
      if (at < 0) return false;
    }
    const labelsEnd = at;
    const value = skipSpace(bytes, at, end);
    let valueEnd = value;
    while (valueEnd < end && !isSpace(bytes[valueEnd])) valueEnd++;
    if (valueEnd === value) return false;
    const stampMs = this.#stamp(skipSpace(bytes, valueEnd, end), end, options.nowMs);
    if (Number.isNaN(stampMs)) return false;

    const writer = this.#writer;
    writer.begin(stampMs);
    writer.raw(NAME_OPEN);
    writer.text(bytes, start, name);
    writer.raw(TYPE_OPEN);
    if (this.#isOfFamily(start, name)) writer.text(bytes, this.#type, this.#typeEnd);
    else writer.raw(UNTYPED);
    writer.raw(VALUE_OPEN);
    if (!this.#value(value, valueEnd)) return false;
    writer.raw(LABELS_OPEN);
    writer.raw(options.targetLabels);
    if (labelsEnd > labels && !this.#labels(labels + 1)) return false;
    writer.raw(CLOSE);
    return true;
  }

  /** Milliseconds as text behind the value; an exemplar (`# {…}`) is none. */
  #stamp(start: number, end: number, nowMs: number): number {
    const bytes = this.#bytes;
    if (start >= end || bytes[start] === 0x23) return nowMs;
    let stop = start;
    while (stop < end && !isSpace(bytes[stop])) stop++;
    if (stop - start > 15) return Number.NaN;
    if (digitsAt(bytes, start, stop - start) >= 0) return digitsAt(bytes, start, stop - start);
    const value = Number(bytes.toString('latin1', start, stop));
    // OpenMetrics has seconds with a fraction, Prometheus whole milliseconds.
    return bytes.toString('latin1', start, stop).includes('.') ? Math.floor(value * 1000) : value;
  }

  #isOfFamily(start: number, end: number): boolean {
    const length = this.#familyEnd - this.#family;
    if (length === 0 || end - start < length) return false;
    const bytes = this.#bytes;
    if (bytes.compare(bytes, this.#family, this.#familyEnd, start, start + length) !== 0)
      return false;
    const rest = end - start - length;
    return SUFFIXES.some(
      (suffix) =>
        suffix.length === rest && bytes.compare(suffix, 0, rest, start + length, end) === 0,
    );
  }

  /** Finds the closing brace and checks the form; returns what follows, or -1. */
  #labelsEnd(start: number, end: number): number {
    const bytes = this.#bytes;
    let at = skipSpace(bytes, start, end);
    while (at < end && bytes[at] !== 0x7d) {
      const name = nameEnd(bytes, at, end);
      if (name === at) return -1;
      at = skipSpace(bytes, name, end);
      if (bytes[at] !== 0x3d) return -1;
      at = skipSpace(bytes, at + 1, end);
      if (bytes[at] !== 0x22) return -1;
      for (at++; at < end && bytes[at] !== 0x22; at++) if (bytes[at] === 0x5c) at++;
      if (at >= end) return -1;
      at = skipSpace(bytes, at + 1, end);
      if (bytes[at] === 0x2c) at = skipSpace(bytes, at + 1, end);
      else if (bytes[at] !== 0x7d) return -1;
    }
    return at < end ? at + 1 : -1;
  }

  /** Writes the labels whose form was checked; false when the record is full. */
  #labels(start: number): boolean {
    const bytes = this.#bytes;
    const { length } = bytes;
    const writer = this.#writer;
    let at = skipSpace(bytes, start, length);
    while (bytes[at] !== 0x7d) {
      const name = nameEnd(bytes, at, length);
      writer.byte(0x2c);
      writer.byte(0x22);
      if (bytes.compare(INSTANCE, 0, INSTANCE.length, at, name) === 0) writer.raw(EXPORTED);
      if (writer.text(bytes, at, name) < name) return false;
      writer.byte(0x22);
      writer.byte(0x3a);
      writer.byte(0x22);
      at = skipSpace(bytes, name, length);
      at = skipSpace(bytes, at + 1, length);
      at = this.#labelValue(at + 1);
      if (at < 0) return false;
      writer.byte(0x22);
      at = skipSpace(bytes, at + 1, length);
      if (bytes[at] === 0x2c) at = skipSpace(bytes, at + 1, length);
    }
    return true;
  }

  /** `\\`, `\"` and `\n` are escapes; returns where the closing quote is, or -1. */
  #labelValue(start: number): number {
    const bytes = this.#bytes;
    const writer = this.#writer;
    let from = start;
    for (let at = start; ; at++) {
      const byte = bytes[at];
      if (byte === 0x22) return writer.text(bytes, from, at) < at ? -1 : at;
      if (byte !== 0x5c) continue;
      if (writer.text(bytes, from, at) < at) return -1;
      const next = bytes[at + 1];
      if (next === 0x6e || next === 0x22 || next === 0x5c) {
        // The same escape as in JSON.
        writer.byte(0x5c);
        writer.byte(next);
        from = at + 2;
      } else {
        writer.byte(0x5c);
        writer.byte(0x5c);
        from = at + 1;
      }
      at++;
    }
  }

  /** Writes the value; false when it is no number. */
  #value(start: number, end: number): boolean {
    if (end - start > 40) return false;
    const text = this.#bytes.toString('latin1', start, end);
    const special = /^([+-]?)(?:inf|infinity)$/i.exec(text);
    const writer = this.#writer;
    if (special !== null || /^nan$/i.test(text)) {
      writer.raw(NO_VALUE);
      writer.raw(Buffer.from(special === null ? 'NaN' : `${special[1] === '-' ? '-' : '+'}Inf`));
      writer.byte(0x22);
      return true;
    }
    if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text))
      return writer.json(this.#bytes, start, end);
    const value = Number(text);
    if (Number.isNaN(value) || !Number.isFinite(value)) return false;
    writer.raw(Buffer.from(JSON.stringify(value)));
    return true;
  }
}
