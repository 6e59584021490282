import { OperatingError } from '../base/errors.ts';

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * Cuts lines out of chunks. `visit` gets the bytes `[start, end)` of each line without its end, for
 * the duration of the call. A line longer than `lineBytesMax` throws OperatingError `line-too-long`.
 */
export class LineSplitter {
  readonly #visit: (bytes: Buffer, start: number, end: number) => void;
  readonly #lineBytesMax: number;
  #rest: Buffer[] = [];
  #restBytes = 0;

  constructor(lineBytesMax: number, visit: (bytes: Buffer, start: number, end: number) => void) {
    this.#lineBytesMax = lineBytesMax;
    this.#visit = visit;
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(NEWLINE, start);
      if (end < 0) break;
      if (this.#restBytes > 0) {
        this.#keep(bytes.subarray(start, end));
        this.end();
      } else this.#line(bytes, start, end);
      start = end + 1;
    }
    // The chunk may be reused by its owner.
    if (start < bytes.length) this.#keep(Buffer.from(bytes.subarray(start)));
  }

  /** A last line without its end. */
  end(): void {
    if (this.#restBytes === 0) return;
    const line = Buffer.concat(this.#rest, this.#restBytes);
    this.#rest = [];
    this.#restBytes = 0;
    this.#line(line, 0, line.length);
  }

  #keep(piece: Buffer): void {
    this.#restBytes += piece.length;
    if (this.#restBytes > this.#lineBytesMax) {
      throw new OperatingError(
        'line-too-long',
        `a line is longer than ${this.#lineBytesMax} bytes`,
      );
    }
    this.#rest.push(piece);
  }

  #line(bytes: Buffer, start: number, end: number): void {
    this.#visit(bytes, start, end > start && bytes[end - 1] === RETURN ? end - 1 : end);
  }
}
