/**
 * The action line of a document: `{"create":{"_id":"<topic id>-<partition>-<leader epoch>-<offset>"}}`
 * and a line break, as bytes. From one record to the next only the offset's last digits change, so
 * they are counted up where they stand, and the line is copied at once.
 *
 * The epoch is that of the record's batch, which replicas and compaction keep. Where a log has lost
 * its end (power loss, unclean election), a later leader gives the same offsets to other records:
 * under the offset alone the server would take them for those that it has.
 */
import { assert } from '../../base/assert.ts';
import { ZERO_UUID } from '../../base/bytes.ts';
import type { OffsetRange, OffsetWindow } from '../offset-window.ts';

const START = '{"create":{"_id":"';
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
  #leaderEpoch = -1;

  get length(): number {
    return this.#digitsEnd + END.length;
  }

  set({ window, leaderEpoch }: OffsetRange, offset: number): void {
    if (window !== this.#window || leaderEpoch !== this.#leaderEpoch) {
      this.#begin(window, leaderEpoch);
    }
    if (offset !== this.#offset + 1 || !this.#countUp()) this.#write(offset);
    this.#offset = offset;
  }

  /** The id in the line that starts there. */
  static idAt(bytes: Buffer, at: number): string {
    const start = at + START.length;
    return bytes.toString('latin1', start, bytes.indexOf(END, start));
  }

  /** Returns how many bytes it took. */
  copy(to: Buffer, at: number): number {
    return this.#line.copy(to, at, 0, this.length);
  }

  #begin(window: OffsetWindow, leaderEpoch: number): void {
    // A topic that is made anew starts at offset 0 again, but with another id.
    const { topicId } = window;
    const name = topicId === '' || topicId === ZERO_UUID ? window.topic : topicId;
    // Names of topics hold letters, digits, dots, dashes and underscores only.
    assert(/^[\w.-]+$/.test(name), `unexpected topic id or name '${name}'`);
    const start = Buffer.from(`${START}${name}-${window.partition}-${leaderEpoch}-`);
    this.#line = Buffer.alloc(start.length + OFFSET_DIGITS_MAX + END.length);
    start.copy(this.#line);
    this.#digits = start.length;
    this.#offset = -2;
    this.#window = window;
    this.#leaderEpoch = leaderEpoch;
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
