import { crc32c } from '../../src/base/crc32c.ts';

/** Lines that a failure prints. */
const TAIL_LINES = 400;

/**
 * What happened, as a number that tells two runs apart, and the last lines of it for people.
 * Lines are made when they are asked for, not when they happen.
 */
export class Trace {
  #hash = 0x811c9dc5;
  readonly #notes: string[] = [];
  #nextNote = 0;
  readonly #labels = new Map<string, number>();
  /** Print notes as they come. */
  isLoud = false;

  /** Mixes an event into the hash. */
  event(atUs: number, nodeId: number, label: string): void {
    let number = this.#labels.get(label);
    if (number === undefined) {
      number = crc32c(Buffer.from(label));
      this.#labels.set(label, number);
    }
    this.#mix(atUs % 0x7fffffff);
    this.#mix(nodeId);
    this.#mix(number);
  }

  /** Mixes bytes that went over the wire or onto a disk into the hash. */
  bytes(bytes: Uint8Array): void {
    this.#mix(bytes.length);
    this.#mix(crc32c(bytes));
  }

  /** A line for people, and for the hash. */
  note(atMs: number, who: string, text: string): void {
    const line = `${atMs.toFixed(3).padStart(11)} ${who.padEnd(5)} ${text}`;
    if (this.isLoud) console.log(line);
    this.#mix(crc32c(Buffer.from(line)));
    if (this.#notes.length < TAIL_LINES) this.#notes.push(line);
    else this.#notes[this.#nextNote % TAIL_LINES] = line;
    this.#nextNote += 1;
  }

  #mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, 0x01000193) >>> 0;
    this.#hash = (this.#hash ^ (this.#hash >>> 15)) >>> 0;
  }

  get hash(): string {
    return this.#hash.toString(16).padStart(8, '0');
  }

  /** The last notes, oldest first. */
  tail(lines = TAIL_LINES): string[] {
    const from = this.#nextNote > TAIL_LINES ? this.#nextNote % TAIL_LINES : 0;
    return [...this.#notes.slice(from), ...this.#notes.slice(0, from)].slice(-lines);
  }
}
