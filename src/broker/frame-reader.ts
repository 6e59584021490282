/**
 * Cuts a connection's bytes into frames, with no copy where there can be none: frames that lie
 * whole in what was read are handed on where they are, and the rest of a longer one is read from
 * the socket straight into its place (`target`).
 *
 * A size that is negative or above the limit is refused before anything of the body is kept. Memory
 * for a long frame is taken as its bytes arrive, until the connection has shown that it sends such
 * frames: a claim alone costs us a megabyte at most. A long frame that begins while the request
 * memory is full gets no more than what of it has come, until `admit`; so that this is little, little
 * is read where a long frame may begin.
 */
import { OperatingError } from '../base/errors.ts';
import type { BufferPool } from '../log/buffer-pool.ts';
import type { RequestMemory } from './request-memory.ts';

/** Taken at once for a frame of any size; more only as it arrives. */
const TRUSTED_BYTES = 1024 * 1024;

const SIZE_BYTES = 4;

/** What is longer does not come whole with one read. */
const LONG_BYTES = 128 * 1024;

/** For the beginning of a frame that may be long, whose rest then comes straight into its place. */
const cautiousBuffer = Buffer.allocUnsafeSlow(16 * 1024);

/** Sizes that the first bytes of other protocols make, for a log line that helps. */
const foreign: readonly (readonly [first: number, protocol: string])[] = [
  [0x47455420, 'HTTP (GET)'],
  [0x504f5354, 'HTTP (POST)'],
  [0x48454144, 'HTTP (HEAD)'],
  [0x4f505449, 'HTTP (OPTIONS)'],
  [0x50524920, 'HTTP/2'],
];

export interface FrameReaderOptions {
  /** Largest frame taken at the moment. */
  readonly maxBytes: () => number;
  readonly pool: BufferPool;
  readonly memory: RequestMemory;
  /**
   * Takes a frame, `bytes[start, end)`. When `owned` is false the bytes are gone when it returns;
   * else it returns whether it keeps them, and gives them back with `release` some time.
   */
  readonly onFrame: (bytes: Buffer, start: number, end: number, owned: boolean) => boolean;
}

export class FrameReader {
  readonly #options: FrameReaderOptions;
  readonly #sizeBytes = Buffer.alloc(SIZE_BYTES);
  #sizeFilled = 0;
  /** The frame that has not arrived whole. */
  #frame: Buffer | null = null;
  #size = 0;
  #filled = 0;
  /** Where the next bytes were told to go. */
  #targeted = false;
  /** Largest frame that has arrived whole. */
  #proven = 0;
  /** Whether a long frame is to be expected: the last one was, or there was none yet. */
  #isNextLong = true;
  /**
   * Set when a frame was begun while the request memory was full: read no more until it is not, and
   * `admit` was called.
   */
  begunWhenFull = false;

  constructor(options: FrameReaderOptions) {
    this.#options = options;
  }

  /** Whether a frame has begun and not ended. */
  get isPartial(): boolean {
    return this.#frame !== null || this.#sizeFilled > 0;
  }

  /** What the frame holds that has begun and not ended. */
  get heldBytes(): number {
    return this.#frame?.length ?? 0;
  }

  /**
   * Where the socket's next bytes should go; null: anywhere. It is asked before they come, so what
   * else arrives until then is not known.
   */
  target(): Buffer | null {
    this.#targeted = this.#frame !== null;
    if (this.#frame === null) {
      return this.#isNextLong || this.#options.memory.isFull ? cautiousBuffer : null;
    }
    return this.#frame.subarray(this.#filled, Math.min(this.#size, this.#frame.length));
  }

  /** Throws OperatingError `frame-too-large` or `frame-malformed`: the connection is of no use then. */
  push(bytes: Buffer): void {
    let at = 0;
    if (this.#frame !== null) at = this.#continue(bytes);
    else if (this.#sizeFilled > 0) at = this.#completeSize(bytes);
    this.#targeted = false;
    while (bytes.length - at >= SIZE_BYTES) {
      const size = bytes.readInt32BE(at);
      this.#check(size);
      const start = at + SIZE_BYTES;
      if (size > bytes.length - start) {
        this.#begin(size, bytes.length - start);
        this.#fill(bytes, start);
        return;
      }
      at = start + size;
      this.#isNextLong = false;
      this.#options.onFrame(bytes, start, at, false);
    }
    if (at < bytes.length) {
      this.#sizeFilled = bytes.copy(this.#sizeBytes, 0, at);
    }
  }

  /** There is room for the frame that was begun when the memory was full. */
  admit(): void {
    this.begunWhenFull = false;
    const before = this.#frame;
    if (before === null || before.length >= this.#firstBytes(this.#size)) return;
    const { pool, memory } = this.#options;
    const larger = pool.take(this.#firstBytes(this.#size));
    before.copy(larger, 0, 0, this.#filled);
    memory.add(larger.length - before.length);
    this.#frame = larger;
  }

  /** Gives back what an unfinished frame holds. */
  close(): void {
    if (this.#frame !== null) this.release(this.#frame);
    this.#frame = null;
    this.#sizeFilled = 0;
  }

  /** Of a buffer that `onFrame` kept. */
  release(frame: Buffer): void {
    this.#options.memory.remove(frame.length);
    this.#options.pool.release(frame);
  }
  /** The same, when something still refers to the bytes: the garbage collector takes them. */
  abandon(frame: Buffer): void {
    this.#options.memory.remove(frame.length);
  }

  #check(size: number): void {
    const maxBytes = this.#options.maxBytes();
    if (size >= 0 && size <= maxBytes) return;
    const protocol = foreign.find(([first]) => first === size)?.[1];
    const tls = size >>> 16 === 0x1603 ? 'TLS' : protocol;
    const hint = tls === undefined ? '' : `; this looks like ${tls}`;
    if (size < 0) throw new OperatingError('frame-malformed', `frame of ${size} bytes${hint}`);
    throw new OperatingError(
      'frame-too-large',
      `frame of ${size} bytes, at most ${maxBytes} are taken${hint}`,
    );
  }

  #begin(size: number, arrived: number): void {
    const { memory } = this.#options;
    this.#size = size;
    this.#filled = 0;
    if (!memory.isFull) {
      this.#frame = this.#take(this.#firstBytes(size));
      return;
    }
    this.begunWhenFull = true;
    // With room for another byte: there is always somewhere to read to.
    this.#frame = Buffer.allocUnsafeSlow(arrived + 1);
    memory.add(this.#frame.length);
  }

  /** Taken for a frame before its bytes have come. */
  #firstBytes(size: number): number {
    return size <= Math.max(TRUSTED_BYTES, this.#proven) ? size : TRUSTED_BYTES;
  }

  #take(size: number): Buffer {
    const buffer = this.#options.pool.take(size);
    this.#options.memory.add(buffer.length);
    return buffer;
  }

  #completeSize(bytes: Buffer): number {
    const copied = bytes.copy(this.#sizeBytes, this.#sizeFilled, 0, SIZE_BYTES - this.#sizeFilled);
    this.#sizeFilled += copied;
    if (this.#sizeFilled < SIZE_BYTES) return bytes.length;
    this.#sizeFilled = 0;
    const size = this.#sizeBytes.readInt32BE(0);
    this.#check(size);
    if (size <= bytes.length - copied) {
      this.#isNextLong = false;
      this.#options.onFrame(bytes, copied, copied + size, false);
      return copied + size;
    }
    this.#begin(size, bytes.length - copied);
    this.#fill(bytes, copied);
    return bytes.length;
  }

  /** Copies into the frame what belongs to it; it does not become whole by that. */
  #fill(bytes: Buffer, start: number): void {
    let at = start;
    while (at < bytes.length) {
      at += this.#copy(bytes, at);
    }
  }

  #copy(bytes: Buffer, at: number): number {
    if (this.#filled === (this.#frame as Buffer).length) this.#grow();
    const copied = bytes.copy(
      this.#frame as Buffer,
      this.#filled,
      at,
      at + this.#size - this.#filled,
    );
    this.#filled += copied;
    return copied;
  }

  #grow(): void {
    const before = this.#frame as Buffer;
    const larger = this.#take(Math.min(before.length * 2, this.#size));
    before.copy(larger, 0, 0, this.#filled);
    this.release(before);
    this.#frame = larger;
  }

  /** Bytes for the frame that has begun; returns how many of them belonged to it. */
  #continue(bytes: Buffer): number {
    const frame = this.#frame as Buffer;
    const inPlace =
      this.#targeted &&
      bytes.buffer === frame.buffer &&
      bytes.byteOffset === frame.byteOffset + this.#filled;
    let at = 0;
    if (inPlace) {
      this.#filled += bytes.length;
      at = bytes.length;
    } else {
      while (at < bytes.length && this.#filled < this.#size) at += this.#copy(bytes, at);
    }
    if (this.#filled === this.#size) this.#complete();
    else if (this.#filled === (this.#frame as Buffer).length) this.#grow();
    return at;
  }

  #complete(): void {
    const frame = this.#frame as Buffer;
    const size = this.#size;
    this.#frame = null;
    this.#isNextLong = size > LONG_BYTES;
    this.#proven = Math.max(this.#proven, size);
    const kept = this.#options.onFrame(frame, 0, size, true);
    if (!kept) this.release(frame);
  }
}
