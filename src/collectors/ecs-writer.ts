import { assert } from '../base/assert.ts';
import { TIME_MS_MAX, TIME_MS_MIN } from './ecs-time.ts';
import { isPlain, PlainRun, SHORT_RUN_BYTES } from './plain-run.ts';

/**
 * Writes one record after another as its final JSON bytes into one buffer of its own: a record
 * starts at 0 and is valid until the next `begin`. No strings and no objects are made per record.
 *
 * Invariants: what `begin … end` leaves in `buffer[0, pos)` is one valid JSON object in valid UTF-8
 * on one line, at most `recordBytesMax` plus `TAIL_BYTES` long: text stops at the former, constant
 * parts use the latter.
 */

/** Longest record: fits, uncompressed, into a batch at the default `max.message.bytes` of 1,048,588. */
export const RECORD_BYTES_MAX = 950_000;
/** Room for what follows the text: closing constants, tags. */
const TAIL_BYTES = 65_536;
/** The longest that one source byte becomes: `\u0000`. */
const ESCAPED_BYTES_MAX = 6;

const HEAD = Buffer.from('{"@timestamp":"1970-01-01T00:00:00.000Z"');
const STAMP_AT = 15;
const HEX = Buffer.from('0123456789abcdef');

/** Second character of the two-character escapes. */
const SHORT_ESCAPE = new Uint8Array(128);
for (const [byte, letter] of [
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0c, 'f'],
  [0x0d, 'r'],
  [0x22, '"'],
  [0x5c, '\\'],
] as const) {
  SHORT_ESCAPE[byte] = letter.charCodeAt(0);
}

/** Bytes of the well-formed UTF-8 sequence at `i` (first byte ≥ 0x80), or 0. Unicode 16, table 3-7. */
export function utf8Length(bytes: Uint8Array, i: number, end: number): number {
  const a = bytes[i]!;
  const b = i + 1 < end ? bytes[i + 1]! : 0;
  if (a >= 0xc2 && a <= 0xdf) return (b & 0xc0) === 0x80 ? 2 : 0;
  if (a >= 0xe0 && a <= 0xef) {
    if ((b & 0xc0) !== 0x80 || i + 2 >= end || (bytes[i + 2]! & 0xc0) !== 0x80) return 0;
    if (a === 0xe0 && b < 0xa0) return 0;
    if (a === 0xed && b > 0x9f) return 0; // Surrogates.
    return 3;
  }
  if (a >= 0xf0 && a <= 0xf4) {
    if ((b & 0xc0) !== 0x80 || i + 3 >= end) return 0;
    if ((bytes[i + 2]! & 0xc0) !== 0x80 || (bytes[i + 3]! & 0xc0) !== 0x80) return 0;
    if (a === 0xf0 && b < 0x90) return 0;
    if (a === 0xf4 && b > 0x8f) return 0;
    return 4;
  }
  return 0;
}

/** Bytes of a constant part of a record, such as `,"host":{"name":"a"}`. */
export const fragment = (text: string): Buffer => Buffer.from(text);

const TAGS = [
  ['invalid_utf8', 1],
  ['truncated', 2],
  ['parse_error', 4],
  ['split', 8],
  ['time_error', 16],
] as const;
export const TAG_INVALID_UTF8 = 1;
export const TAG_TRUNCATED = 2;
export const TAG_PARSE_ERROR = 4;
export const TAG_SPLIT = 8;
export const TAG_TIME_ERROR = 16;

/** `"a","b"` for each combination of tags. */
const TAG_LISTS = Array.from({ length: 32 }, (_, mask) =>
  Buffer.from(
    TAGS.filter(([, bit]) => (mask & bit) !== 0)
      .map(([name]) => `"${name}"`)
      .join(','),
  ),
);
const TAGS_OPEN = fragment(',"tags":[');

export class EcsWriter {
  readonly buffer: Buffer;
  pos = 0;
  /** Tags of the record under way, as bits. */
  tags = 0;
  readonly recordBytesMax: number;
  readonly #limit: number;
  readonly #plain = new PlainRun();
  #stampMs = Number.NaN;
  #stampSecond = Number.NaN;

  constructor(recordBytesMax = RECORD_BYTES_MAX) {
    this.recordBytesMax = recordBytesMax;
    this.#limit = recordBytesMax;
    // Memory that no record has reached is none: zeroing it would take it.
    this.buffer = Buffer.allocUnsafeSlow(recordBytesMax + TAIL_BYTES + ESCAPED_BYTES_MAX);
    HEAD.copy(this.buffer);
  }

  /** Starts a record with `@timestamp` from milliseconds since 1970. */
  begin(ms: number): void {
    if (ms !== this.#stampMs) this.#stamp(ms);
    this.pos = HEAD.length;
    this.tags = 0;
  }

  /** Starts a record whose `@timestamp` is copied from a canonical timestamp. */
  beginVerbatim(source: Uint8Array, start: number, end: number): void {
    assert(end - start <= 64, 'a timestamp is at most 64 bytes');
    this.#stampMs = Number.NaN;
    this.#stampSecond = Number.NaN;
    const { buffer } = this;
    let pos = STAMP_AT;
    for (let i = start; i < end; i++) buffer[pos++] = source[i]!;
    buffer[pos++] = 0x22;
    this.pos = pos;
    this.tags = 0;
  }

  /** The digits stay in the buffer from record to record; mostly only the milliseconds change. */
  #stamp(ms: number): void {
    const whole = Math.floor(Math.min(Math.max(ms, TIME_MS_MIN), TIME_MS_MAX));
    const second = Math.floor(whole / 1000);
    if (second !== this.#stampSecond) {
      HEAD.copy(this.buffer);
      this.buffer.write(new Date(second * 1000).toISOString(), STAMP_AT, 24, 'latin1');
      this.#stampSecond = second;
    }
    const millis = whole - second * 1000;
    this.buffer[STAMP_AT + 20] = 48 + Math.floor(millis / 100);
    this.buffer[STAMP_AT + 21] = 48 + (Math.floor(millis / 10) % 10);
    this.buffer[STAMP_AT + 22] = 48 + (millis % 10);
    this.#stampMs = ms;
  }

  /** Copies a constant part. */
  raw(part: Uint8Array): void {
    const size = part.length;
    assert(this.pos + size <= this.buffer.length, 'constant parts fit into the tail');
    if (size < 48) {
      const buffer = this.buffer;
      let pos = this.pos;
      for (let i = 0; i < size; i++) buffer[pos++] = part[i]!;
      this.pos = pos;
      return;
    }
    this.buffer.set(part, this.pos);
    this.pos += size;
  }

  byte(value: number): void {
    this.buffer[this.pos++] = value;
  }

  /** Copies bytes that are JSON already; false, and nothing written, when they don't fit. */
  json(source: Buffer, start: number, end: number): boolean {
    if (this.pos + end - start > this.#limit) return false;
    source.copy(this.buffer, this.pos, start, end);
    this.pos += end - start;
    return true;
  }

  /** Copies a whole record, whose size was checked. The next `begin` starts from nothing. */
  verbatim(source: Buffer, start: number, end: number): void {
    assert(end - start <= this.recordBytesMax, 'a record fits');
    source.copy(this.buffer, 0, start, end);
    this.pos = end - start;
    this.#stampMs = Number.NaN;
    this.#stampSecond = Number.NaN;
  }

  /**
   * Writes the bytes as the inside of a JSON string; returns where it stopped: `end`, or earlier
   * when the record is full.
   */
  text(source: Buffer, start: number, end: number): number {
    return this.#run(source, start, end, false);
  }

  /** The same up to the next newline (not consumed, a `\r` before it left out), or `end`. */
  line(source: Buffer, start: number, end: number): number {
    return this.#run(source, start, end, true);
  }

  /** One pass: finds the newline, escapes, validates UTF-8 and copies. */
  #run(source: Buffer, start: number, end: number, stopAtNewline: boolean): number {
    const buffer = this.buffer;
    const limit = this.#limit - ESCAPED_BYTES_MAX;
    let pos = this.pos;
    let i = start;
    // While as many plain bytes as are left fit, the limit need not be looked at per byte.
    while (i < end) {
      const safe = Math.min(end, i + limit - pos);
      const near = Math.min(safe, i + SHORT_RUN_BYTES);
      while (i < near) {
        const byte = source[i]!;
        if (!isPlain(byte)) break;
        buffer[pos++] = byte;
        i++;
      }
      if (i === near && near < safe) {
        const stop = this.#plain.end(source, i, safe);
        source.copy(buffer, pos, i, stop);
        pos += stop - i;
        i = stop;
      }
      if (i >= end || pos >= limit) break;
      if (i >= safe) continue;
      if (stopAtNewline && source[i] === 0x0a) {
        if (i > start && source[i - 1] === 0x0d) pos -= 2;
        break;
      }
      this.pos = pos;
      i += this.#special(source, i, end);
      pos = this.pos;
    }
    this.pos = pos;
    return i;
  }

  /** Writes one character that is not copied as it is; returns how many source bytes it took. */
  #special(source: Uint8Array, i: number, end: number): number {
    const buffer = this.buffer;
    const byte = source[i]!;
    if (byte < 0x80) {
      buffer[this.pos++] = 0x5c;
      const short = SHORT_ESCAPE[byte]!;
      if (short !== 0) {
        buffer[this.pos++] = short;
        return 1;
      }
      buffer[this.pos++] = 0x75;
      buffer[this.pos++] = 0x30;
      buffer[this.pos++] = 0x30;
      buffer[this.pos++] = HEX[byte >> 4]!;
      buffer[this.pos++] = HEX[byte & 15]!;
      return 1;
    }
    const length = utf8Length(source, i, end);
    if (length === 0) {
      this.tags |= TAG_INVALID_UTF8;
      buffer[this.pos++] = 0xef;
      buffer[this.pos++] = 0xbf;
      buffer[this.pos++] = 0xbd;
      return 1;
    }
    for (let k = 0; k < length; k++) buffer[this.pos++] = source[i + k]!;
    return length;
  }

  /** A non-negative whole number. */
  integer(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, `a non-negative whole number, saw ${value}`);
    let digits = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    let rest = value;
    for (let at = this.pos + digits - 1; at >= this.pos; at--) {
      this.buffer[at] = 48 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.pos += digits;
  }

  /** The tag names as `"a","b"`, for a list that is open already. */
  tagNames(): void {
    this.raw(TAG_LISTS[this.tags]!);
  }

  /** Writes `,"tags":[…]` when there are any. */
  tagList(): void {
    if (this.tags === 0) return;
    this.raw(TAGS_OPEN);
    this.tagNames();
    this.byte(0x5d);
  }

  /** Ends a record that has no `tags` of its own. */
  end(): void {
    this.tagList();
    this.byte(0x7d);
  }
}
