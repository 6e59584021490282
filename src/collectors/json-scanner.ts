import { utf8Length } from './ecs-writer.ts';
import { PlainRun, SHORT_RUN_BYTES } from './plain-run.ts';

/**
 * Validates JSON (RFC 8259) on bytes, without making strings or objects, and remembers where the
 * members of the outermost object are, so that a record can be put together by copying ranges:
 * numbers keep all their digits, and keys such as `__proto__` are bytes like any other.
 *
 * Accepts what `JSON.parse` accepts, except deeper nesting than `DEPTH_MAX`. Bytes in strings that
 * are not UTF-8 are accepted and noted in `invalidUtf8`.
 */

/** Deeper nesting is refused. */
export const DEPTH_MAX = 64;
/** Members of the outermost object that are remembered one by one. */
export const MEMBERS_MAX = 1024;

const WIDTH = 4;
/** 0: plain inside a string; 1: `"`; 2: `\`; 3: forbidden; 4: beyond ASCII. */
const IN_STRING = new Uint8Array(256);
IN_STRING.fill(3, 0, 0x20);
IN_STRING[0x22] = 1;
IN_STRING[0x5c] = 2;
IN_STRING.fill(4, 0x80, 256);

const ESCAPES = new Set([...'"\\/bfnrt'].map((letter) => letter.charCodeAt(0)));

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
const isDigit = (byte: number | undefined): boolean =>
  byte !== undefined && byte >= 0x30 && byte <= 0x39;
const isHex = (byte: number | undefined): boolean =>
  byte !== undefined &&
  (isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66));

export class JsonScanner {
  /** Why the last scan failed: a short reason; '' when it did not. */
  reason = '';
  /** Where it failed. */
  failedAt = 0;
  invalidUtf8 = false;
  /** A raw newline stood between tokens. */
  multiLine = false;
  /** Members of the outermost object that were remembered. */
  members = 0;
  /** There are more of them. */
  moreMembers = false;
  readonly #plain = new PlainRun();
  readonly #table = new Int32Array(MEMBERS_MAX * WIDTH);
  #source: Uint8Array = new Uint8Array(0);
  #end = 0;

  /** First byte of member `n`'s key, inside its quotes. */
  keyStart(n: number): number {
    return this.#table[n * WIDTH]!;
  }
  keyEnd(n: number): number {
    return this.#table[n * WIDTH + 1]!;
  }
  valueStart(n: number): number {
    return this.#table[n * WIDTH + 2]!;
  }
  valueEnd(n: number): number {
    return this.#table[n * WIDTH + 3]!;
  }

  /** Scans one value that starts at `start`; returns where it ends, or -1 (see `reason`). */
  scan(source: Uint8Array, start: number, end: number): number {
    this.#source = source;
    this.#end = end;
    this.reason = '';
    this.invalidUtf8 = false;
    this.multiLine = false;
    this.members = 0;
    this.moreMembers = false;
    return this.#value(start, 0);
  }

  #fail(at: number, reason: string): -1 {
    if (this.reason === '') {
      this.reason = at >= this.#end ? 'unexpected end' : reason;
      this.failedAt = at;
    }
    return -1;
  }

  #space(start: number): number {
    let at = start;
    while (at < this.#end && isSpace(this.#source[at])) {
      const byte = this.#source[at];
      if (byte === 0x0a || byte === 0x0d) this.multiLine = true;
      at++;
    }
    return at;
  }

  #value(at: number, depth: number): number {
    const byte = at < this.#end ? this.#source[at] : -1;
    if (byte === 0x22) return this.#string(at);
    if (byte === 0x7b) return this.#object(at, depth + 1);
    if (byte === 0x5b) return this.#array(at, depth + 1);
    if (byte === 0x2d || isDigit(byte)) return this.#number(at);
    if (byte === 0x74) return this.#literal(at, 'true');
    if (byte === 0x66) return this.#literal(at, 'false');
    if (byte === 0x6e) return this.#literal(at, 'null');
    return this.#fail(at, 'expected a JSON value');
  }

  #object(start: number, depth: number): number {
    if (depth > DEPTH_MAX) return this.#fail(start, 'nested too deeply');
    let at = this.#space(start + 1);
    if (at < this.#end && this.#source[at] === 0x7d) return at + 1;
    for (;;) {
      if (at >= this.#end || this.#source[at] !== 0x22) return this.#fail(at, 'expected a key');
      const keyStart = at + 1;
      at = this.#string(at);
      if (at < 0) return -1;
      const keyEnd = at - 1;
      if (this.#source[at] !== 0x3a || at >= this.#end) {
        at = this.#space(at);
        if (at >= this.#end || this.#source[at] !== 0x3a) return this.#fail(at, 'expected a colon');
      }
      at++;
      if (isSpace(this.#source[at])) at = this.#space(at);
      const valueStart = at;
      at = this.#value(at, depth);
      if (at < 0) return -1;
      if (depth === 1) this.#remember(keyStart, keyEnd, valueStart, at);
      if (at < this.#end && isSpace(this.#source[at])) at = this.#space(at);
      if (at >= this.#end) return this.#fail(at, '');
      const byte = this.#source[at]!;
      if (byte === 0x7d) return at + 1;
      if (byte !== 0x2c) return this.#fail(at, 'expected a comma or a closing brace');
      at++;
      if (isSpace(this.#source[at])) at = this.#space(at);
    }
  }

  #remember(keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void {
    if (this.members === MEMBERS_MAX) {
      this.moreMembers = true;
      return;
    }
    const slot = this.members++ * WIDTH;
    this.#table[slot] = keyStart;
    this.#table[slot + 1] = keyEnd;
    this.#table[slot + 2] = valueStart;
    this.#table[slot + 3] = valueEnd;
  }

  #array(start: number, depth: number): number {
    if (depth > DEPTH_MAX) return this.#fail(start, 'nested too deeply');
    let at = this.#space(start + 1);
    if (at < this.#end && this.#source[at] === 0x5d) return at + 1;
    // An object inside an array is at depth 2 or more, so it never takes member slots.
    for (;;) {
      at = this.#value(at, depth);
      if (at < 0) return -1;
      at = this.#space(at);
      if (at >= this.#end) return this.#fail(at, '');
      const byte = this.#source[at]!;
      if (byte === 0x5d) return at + 1;
      if (byte !== 0x2c) return this.#fail(at, 'expected a comma or a closing bracket');
      at = this.#space(at + 1);
    }
  }

  #string(start: number): number {
    const source = this.#source;
    const end = this.#end;
    let at = start + 1;
    for (;;) {
      let kind = 0;
      const near = at + SHORT_RUN_BYTES;
      while (at < end) {
        kind = IN_STRING[source[at]!]!;
        if (kind !== 0) break;
        at++;
        if (at === near) at = this.#plain.end(source, at, end);
      }
      if (at >= end) return this.#fail(end, '');
      if (kind === 1) return at + 1;
      if (kind === 3) return this.#fail(at, 'control character in a string');
      if (kind === 2) {
        at = this.#escape(at);
        if (at < 0) return -1;
      } else {
        const length = utf8Length(source, at, end);
        if (length === 0) this.invalidUtf8 = true;
        at += length === 0 ? 1 : length;
      }
    }
  }

  #escape(at: number): number {
    const letter = at + 1 < this.#end ? this.#source[at + 1]! : -1;
    if (ESCAPES.has(letter)) return at + 2;
    if (letter !== 0x75) return this.#fail(at + 1, 'bad escape in a string');
    for (let i = at + 2; i < at + 6; i++) {
      if (i >= this.#end || !isHex(this.#source[i])) return this.#fail(i, 'bad escape in a string');
    }
    return at + 6;
  }

  #number(start: number): number {
    const source = this.#source;
    const end = this.#end;
    let at = start;
    if (source[at] === 0x2d) at++;
    if (at >= end || !isDigit(source[at])) return this.#fail(at, 'bad number');
    if (source[at] === 0x30) at++;
    else while (at < end && isDigit(source[at])) at++;
    if (at < end && source[at] === 0x2e) {
      at++;
      if (at >= end || !isDigit(source[at])) return this.#fail(at, 'bad number');
      while (at < end && isDigit(source[at])) at++;
    }
    if (at < end && (source[at] === 0x65 || source[at] === 0x45)) {
      at++;
      if (at < end && (source[at] === 0x2b || source[at] === 0x2d)) at++;
      if (at >= end || !isDigit(source[at])) return this.#fail(at, 'bad number');
      while (at < end && isDigit(source[at])) at++;
    }
    return at;
  }

  #literal(at: number, word: string): number {
    for (let i = 0; i < word.length; i++) {
      if (at + i >= this.#end || this.#source[at + i] !== word.charCodeAt(i)) {
        return this.#fail(at + i, 'expected a JSON value');
      }
    }
    return at + word.length;
  }
}
