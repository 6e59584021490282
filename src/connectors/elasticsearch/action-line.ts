/**
 * The action line of a document: `{"create":{"_id":"<topic id>-<partition>-<offset>"}}` and a line
 * break, as bytes. From one record to the next only the offset's last digits change, so they are
 * counted up where they stand, and the line is copied at once.
 */
import { assert } from '../../base/assert.ts';
import { ZERO_UUID } from '../../base/bytes.ts';
import type { OffsetWindow } from '../offset-window.ts';

const END = Buffer.from('"}}\n');
const OFFSET_DIGITS_MAX = 16;
const ZERO = 0x30;
const NINE = 0x39;

export class ActionLine {
  #line = Buffer.alloc(0);
  /** Where the offset's digits begin, and end. */
  #digits = 0;
  #digitsEnd = 0;
  #offset = -2;
  #window: OffsetWindow | null = null;

  get length(): number {
    return this.#digitsEnd + END.length;
  }

  set(window: OffsetWindow, offset: number): void {
    if (window !== this.#window) this.#begin(window);
    if (offset !== this.#offset + 1 || !this.#countUp()) this.#write(offset);
    this.#offset = offset;
  }

  /** Returns how many bytes it took. */
  copy(to: Buffer, at: number): number {
    return this.#line.copy(to, at, 0, this.length);
  }

  #begin(window: OffsetWindow): void {
    // A topic that is made anew starts at offset 0 again, but with another id.
    const { topicId } = window;
    const name = topicId === '' || topicId === ZERO_UUID ? window.topic : topicId;
    // Names of topics hold letters, digits, dots, dashes and underscores only.
    assert(/^[\w.-]+$/.test(name), `unexpected topic id or name '${name}'`);
    const start = Buffer.from(`{"create":{"_id":"${name}-${window.partition}-`);
    this.#line = Buffer.alloc(start.length + OFFSET_DIGITS_MAX + END.length);
    start.copy(this.#line);
    this.#digits = start.length;
    this.#offset = -2;
    this.#window = window;
  }

  /** False when it takes one more digit. */
  #countUp(): boolean {
    const line = this.#line;
    for (let at = this.#digitsEnd - 1; at >= this.#digits; at--) {
      const digit = line[at]!;
      if (digit !== NINE) {
        line[at] = digit + 1;
        return true;
      }
      line[at] = ZERO;
    }
    return false;
  }

  #write(offset: number): void {
    const digits = String(offset);
    assert(digits.length <= OFFSET_DIGITS_MAX, `offset ${digits}`);
    this.#digitsEnd = this.#digits + this.#line.write(digits, this.#digits, 'latin1');
    END.copy(this.#line, this.#digitsEnd);
  }
}
