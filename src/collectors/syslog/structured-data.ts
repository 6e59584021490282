import type { EcsWriter } from '../ecs-writer.ts';

/**
 * STRUCTURED-DATA of RFC 5424 §6.3: `[id name="value" …]…`. Found first, written later, from the
 * same positions. A name that comes again within its element gets a number, because a key may
 * stand only once in an object that is to be searched.
 */

/** Elements and parameters together; a message with more is kept as text. */
const ITEMS_MAX = 128;

/** Kinds of an item: how it is written. */
const ELEMENT = 0;
const PARAMETER = 1;
const WIDTH = 5;

/** Ends of a name: space, `=`, `"`, `]`. */
const endsName = (byte: number): boolean =>
  byte <= 0x20 || byte === 0x3d || byte === 0x22 || byte === 0x5d || byte === 0x7f;

export class StructuredData {
  /** Kind, name start and end, value start and end. */
  readonly #items = new Int32Array(ITEMS_MAX * WIDTH);
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  clear(): void {
    this.#count = 0;
  }

  /** Finds the elements at `start`; returns where they end, or -1 when they are malformed. */
  find(bytes: Buffer, start: number, end: number): number {
    this.#count = 0;
    if (start < end && bytes[start] === 0x2d) return start + 1;
    let at = start;
    while (at < end && bytes[at] === 0x5b) {
      at = this.#element(bytes, at + 1, end);
      if (at < 0) return -1;
    }
    return at === start ? -1 : at;
  }

  #element(bytes: Buffer, start: number, end: number): number {
    let at = nameEnd(bytes, start, end);
    if (at === start || !this.#add(ELEMENT, start, at, 0, 0)) return -1;
    for (;;) {
      while (at < end && bytes[at] === 0x20) at++;
      if (at >= end) return -1;
      if (bytes[at] === 0x5d) return at + 1;
      const nameStart = at;
      at = nameEnd(bytes, at, end);
      if (at === nameStart || at + 1 >= end || bytes[at] !== 0x3d || bytes[at + 1] !== 0x22)
        return -1;
      const valueStart = at + 2;
      const valueEnd = quoteEnd(bytes, valueStart, end);
      if (valueEnd < 0 || !this.#add(PARAMETER, nameStart, at, valueStart, valueEnd)) return -1;
      at = valueEnd + 1;
    }
  }

  #add(
    kind: number,
    nameStart: number,
    nameStop: number,
    valueStart: number,
    valueEnd: number,
  ): boolean {
    if (this.#count === ITEMS_MAX) return false;
    const slot = this.#count++ * WIDTH;
    const items = this.#items;
    items[slot] = kind;
    items[slot + 1] = nameStart;
    items[slot + 2] = nameStop;
    items[slot + 3] = valueStart;
    items[slot + 4] = valueEnd;
    return true;
  }

  /** Writes `{"id":{"name":"value"}}`; false when the record is full. */
  write(writer: EcsWriter, bytes: Buffer): boolean {
    const items = this.#items;
    writer.byte(0x7b);
    let whole = true;
    let isOpen = false;
    let isFirst = true;
    for (let n = 0; n < this.#count && whole; n++) {
      const slot = n * WIDTH;
      const isElement = items[slot] === ELEMENT;
      if (isElement && isOpen) writer.byte(0x7d);
      if (isElement ? isOpen : !isFirst) writer.byte(0x2c);
      whole = this.#writeName(writer, bytes, n);
      if (isElement) {
        writer.byte(0x7b);
        isOpen = true;
        isFirst = true;
      } else {
        isFirst = false;
        writer.byte(0x22);
        if (whole) whole = writeValue(writer, bytes, items[slot + 3]!, items[slot + 4]!);
        writer.byte(0x22);
      }
    }
    if (isOpen) writer.byte(0x7d);
    writer.byte(0x7d);
    return whole;
  }

  #writeName(writer: EcsWriter, bytes: Buffer, n: number): boolean {
    const slot = n * WIDTH;
    const stop = this.#items[slot + 2]!;
    writer.byte(0x22);
    const whole = writer.text(bytes, this.#items[slot + 1]!, stop) === stop;
    const before = this.#timesBefore(bytes, n);
    if (before > 0) {
      writer.byte(0x5f);
      writer.integer(before + 1);
    }
    writer.byte(0x22);
    writer.byte(0x3a);
    return whole;
  }

  /** How often the name of item `n` came before, in its element (or among elements). */
  #timesBefore(bytes: Buffer, n: number): number {
    const items = this.#items;
    const kind = items[n * WIDTH];
    let count = 0;
    for (let other = n - 1; other >= 0; other--) {
      const otherKind = items[other * WIDTH];
      if (kind === PARAMETER && otherKind === ELEMENT) break;
      if (kind === otherKind && this.#sameName(bytes, n, other)) count++;
    }
    return count;
  }

  #sameName(bytes: Buffer, n: number, other: number): boolean {
    const a = this.#items[n * WIDTH + 1]!;
    const b = this.#items[other * WIDTH + 1]!;
    const length = this.#items[n * WIDTH + 2]! - a;
    if (this.#items[other * WIDTH + 2]! - b !== length) return false;
    for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
    return true;
  }
}

function nameEnd(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && !endsName(bytes[at]!)) at++;
  return at;
}

/** Position of the closing quote; a backslash protects the byte behind it. */
function quoteEnd(bytes: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    if (byte === 0x22) return at;
    if (byte === 0x5c) at++;
  }
  return -1;
}

/** Only `"`, `\` and `]` are escaped; any other backslash stands for itself. */
function writeValue(writer: EcsWriter, bytes: Buffer, start: number, end: number): boolean {
  let from = start;
  for (let at = start; at + 1 < end; at++) {
    if (bytes[at] !== 0x5c) continue;
    const next = bytes[at + 1];
    if (next !== 0x22 && next !== 0x5c && next !== 0x5d) continue;
    if (writer.text(bytes, from, at) < at) return false;
    from = at + 1;
    at++;
  }
  return writer.text(bytes, from, end) === end;
}
