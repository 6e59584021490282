/**
 * Messages out of a TCP stream (RFC 6587), frame by frame: `LEN SP <…` is octet-counted, all else
 * ends at a newline; both may change in mid-stream. Newlines, carriage returns and NULs between
 * frames are skipped.
 *
 * Messages are handed on as ranges of the chunk; only what a chunk's end cuts is copied. A message
 * longer than the cap is handed on cut, the rest is skipped. Held bytes are at most the cap plus,
 * after a refusal, one chunk.
 */
export interface FrameSink {
  /** Returns false to refuse for now: the framer keeps the rest until `resume`. */
  message(bytes: Buffer, start: number, end: number, isCut: boolean): boolean;
}

/** A longer octet count is no syslog: the stream can't be followed any more. */
export const FRAME_LENGTH_MAX = 64 * 1024 * 1024;
/** Digits of an octet count that are looked at. */
const LENGTH_DIGITS_MAX = 12;
const CARRY_BYTES_INITIAL = 4096;

const LINE = -1;
const UNDECIDED = -2;
const ABSURD = -3;

const isGap = (byte: number): boolean => byte === 0x0a || byte === 0x0d || byte === 0;

export class SyslogFramer {
  /** The stream makes no sense any more; nothing more comes out of it. */
  isBroken = false;
  readonly #sink: FrameSink;
  readonly #bytesMax: number;
  #carry: Buffer = Buffer.alloc(0);
  #carried = 0;
  #skipLine = false;
  #skipBytes = 0;
  #rest: Buffer | null = null;
  /** Length that `#classify` read. */
  #octets = 0;

  constructor(sink: FrameSink, bytesMax: number) {
    this.#sink = sink;
    this.#bytesMax = bytesMax;
  }

  get isRefused(): boolean {
    return this.#rest !== null;
  }

  /** Takes the stream's next bytes, valid only during the call. Must not be called while refused. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.isBroken) {
      const next =
        this.#skipBytes > 0 || this.#skipLine
          ? this.#skip(chunk, at)
          : this.#carried > 0
            ? this.#complete(chunk, at)
            : this.#direct(chunk, at);
      if (next < 0) return;
      at = next;
    }
  }

  /** Offers again what was refused. */
  resume(): void {
    const rest = this.#rest;
    if (rest === null) return;
    this.#rest = null;
    this.push(rest);
  }

  /** The stream has ended: a last message without its newline, or a part of one, is a message. */
  end(): void {
    if (this.#carried === 0 || this.isBroken) return;
    const start = Math.max(this.#classify(this.#carry, 0, this.#carried), 0);
    const end = Math.min(this.#carried, start + this.#bytesMax);
    if (!this.#hand(this.#carry, start, end, start > 0 || end < this.#carried)) {
      // As a line of its own it comes out of `resume` like any other.
      this.#rest = Buffer.concat([this.#carry.subarray(start, this.#carried), Buffer.of(0x0a)]);
    }
    this.#carried = 0;
  }

  /** Where the body of an octet-counted frame starts, or LINE, UNDECIDED, ABSURD. */
  #classify(bytes: Buffer, start: number, end: number): number {
    const first = bytes[start]!;
    if (first < 0x31 || first > 0x39) return LINE;
    let at = start;
    let length = 0;
    while (at < end && at < start + LENGTH_DIGITS_MAX) {
      const digit = bytes[at]! - 48;
      if (digit < 0 || digit > 9) break;
      length = length * 10 + digit;
      at++;
    }
    if (at < end && bytes[at] !== 0x20) return LINE;
    if (at + 1 >= end) return UNDECIDED;
    if (bytes[at + 1] !== 0x3c) return LINE;
    if (length > FRAME_LENGTH_MAX) return ABSURD;
    this.#octets = length;
    return at + 1;
  }

  #skip(chunk: Buffer, at: number): number {
    if (this.#skipBytes > 0) {
      const step = Math.min(this.#skipBytes, chunk.length - at);
      this.#skipBytes -= step;
      return at + step;
    }
    const newline = chunk.indexOf(0x0a, at);
    if (newline < 0) return chunk.length;
    this.#skipLine = false;
    return newline + 1;
  }

  /** One frame that starts in this chunk; returns where to go on, or -1 when refused. */
  #direct(chunk: Buffer, start: number): number {
    if (isGap(chunk[start]!)) return start + 1;
    const body = this.#classify(chunk, start, chunk.length);
    if (body === ABSURD) {
      this.isBroken = true;
      return -1;
    }
    if (body >= 0) {
      const end = body + this.#octets;
      if (end > chunk.length) return this.#keep(chunk, start);
      const cut = Math.min(end, body + this.#bytesMax);
      return this.#hand(chunk, body, cut, cut < end) ? end : this.#refuse(chunk, start);
    }
    const newline = body === LINE ? chunk.indexOf(0x0a, start) : -1;
    if (newline < 0) return this.#keep(chunk, start);
    const cut = Math.min(newline, start + this.#bytesMax);
    return this.#hand(chunk, start, cut, cut < newline) ? newline + 1 : this.#refuse(chunk, start);
  }

  /** Copies the beginning of a frame that ends in a later chunk. */
  #keep(chunk: Buffer, start: number): number {
    const take = Math.min(chunk.length - start, this.#bytesMax + LENGTH_DIGITS_MAX + 1);
    this.#append(chunk, start, start + take);
    return take === chunk.length - start ? chunk.length : this.#complete(chunk, start + take);
  }

  #append(chunk: Buffer, start: number, end: number): void {
    const needed = this.#carried + end - start;
    if (needed > this.#carry.length) {
      const larger = Buffer.allocUnsafe(
        Math.max(needed, this.#carry.length * 2, CARRY_BYTES_INITIAL),
      );
      this.#carry.copy(larger, 0, 0, this.#carried);
      this.#carry = larger;
    }
    chunk.copy(this.#carry, this.#carried, start, end);
    this.#carried = needed;
  }

  /** Goes on with the frame that is carried; returns where to go on, or -1 when refused. */
  #complete(chunk: Buffer, start: number): number {
    let at = start;
    let body = this.#classify(this.#carry, 0, this.#carried);
    while (body === UNDECIDED) {
      if (at >= chunk.length) return at;
      // A newline ends even what may have been a length.
      if (chunk[at] === 0x0a) body = LINE;
      else {
        this.#append(chunk, at, ++at);
        body = this.#classify(this.#carry, 0, this.#carried);
      }
    }
    if (body === ABSURD) {
      this.isBroken = true;
      return -1;
    }
    return body >= 0
      ? this.#completeOctets(chunk, start, at, body)
      : this.#completeLine(chunk, start, at);
  }

  #completeOctets(chunk: Buffer, start: number, from: number, body: number): number {
    const total = body + this.#octets;
    const kept = Math.min(total, body + this.#bytesMax);
    const carriedBefore = this.#carried - (from - start);
    const take = Math.max(0, Math.min(kept - this.#carried, chunk.length - from));
    this.#append(chunk, from, from + take);
    if (this.#carried < kept) return from + take;
    if (!this.#hand(this.#carry, body, kept, kept < total))
      return this.#refuseCarried(chunk, start, carriedBefore);
    // What was carried beyond the cap is part of what is skipped.
    this.#skipBytes = total - this.#carried;
    this.#carried = 0;
    return from + take;
  }

  #completeLine(chunk: Buffer, start: number, from: number): number {
    const carriedBefore = this.#carried - (from - start);
    const newline = chunk.indexOf(0x0a, from);
    const stop = newline < 0 ? chunk.length : newline;
    const take = Math.max(0, Math.min(stop - from, this.#bytesMax - this.#carried));
    this.#append(chunk, from, from + take);
    const isFull = from + take < stop || this.#carried > this.#bytesMax;
    if (newline < 0 && !isFull) return stop;
    const cut = Math.min(this.#carried, this.#bytesMax);
    if (!this.#hand(this.#carry, 0, cut, isFull))
      return this.#refuseCarried(chunk, start, carriedBefore);
    this.#carried = 0;
    this.#skipLine = newline < 0;
    return newline < 0 ? stop : newline + 1;
  }

  #hand(bytes: Buffer, start: number, end: number, isCut: boolean): boolean {
    let stop = end;
    while (stop > start && isGap(bytes[stop - 1]!)) stop--;
    return stop === start || this.#sink.message(bytes, start, stop, isCut);
  }

  #refuse(chunk: Buffer, start: number): -1 {
    this.#rest = Buffer.from(chunk.subarray(start));
    return -1;
  }

  #refuseCarried(chunk: Buffer, start: number, carried: number): -1 {
    this.#rest = Buffer.concat([this.#carry.subarray(0, carried), chunk.subarray(start)]);
    this.#carried = 0;
    return -1;
  }
}
