/**
 * Bounds-checked cursors over bytes: `ByteReader` and `ByteWriter`, big-endian like Kafka's wire.
 *
 * int64 is a `number`: offsets, timestamps, epochs and producer ids fit into 2^53. A value beyond
 * that reads as the last one that fits: it is out of any range there is, and whoever names one
 * (`Long.MAX_VALUE`) is to be told so, not cut off. Written is none (`RangeError`).
 * Everything read from outside throws `RangeError` when it does not fit the bytes there are.
 */

export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';
export const ZERO_BITS64 = 'AAAAAAAAAAA';

const EMPTY = Buffer.alloc(0);

/**
 * Most array items in one message. An item is an object of a hundred bytes or so, but may take two
 * bytes on the wire: without a bound a frame of 100 MB would become gigabytes.
 */
const ITEMS_MAX = 2 ** 22;

/** Strings up to this length are first tried as ASCII: names and ids nearly always are. */
const SHORT_STRING_MAX = 64;

/** Longest string in bytes: its classic length is an int16, and Java refuses longer compact ones too. */
export const STRING_BYTES_MAX = 0x7fff;

export class ByteReader {
  readonly buffer: Buffer;
  readonly #view: DataView;
  pos: number;
  readonly end: number;
  #items = 0;

  constructor(buffer: Buffer, pos = 0, end = buffer.length) {
    this.buffer = buffer;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    this.pos = pos;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.pos;
  }

  /** Claims `size` bytes and returns where they start. */
  #take(size: number): number {
    const at = this.pos;
    if (size < 0 || size > this.end - at) {
      throw new RangeError(`expected ${size} more bytes at ${at}, saw ${this.end - at}`);
    }
    this.pos = at + size;
    return at;
  }

  bool(): boolean {
    return this.#view.getInt8(this.#take(1)) !== 0;
  }
  int8(): number {
    return this.#view.getInt8(this.#take(1));
  }
  int16(): number {
    return this.#view.getInt16(this.#take(2));
  }
  uint16(): number {
    return this.#view.getUint16(this.#take(2));
  }
  int32(): number {
    return this.#view.getInt32(this.#take(4));
  }
  uint32(): number {
    return this.#view.getUint32(this.#take(4));
  }
  int64(): number {
    const at = this.#take(8);
    const value = this.#view.getInt32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
    if (Number.isSafeInteger(value)) return value;
    return value < 0 ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER;
  }
  float64(): number {
    return this.#view.getFloat64(this.#take(8));
  }
  /** 11 characters of base64url. */
  bits64(): string {
    const at = this.#take(8);
    return this.buffer.toString('base64url', at, at + 8);
  }
  /** 22 characters of base64url, as Kafka prints ids. */
  uuid(): string {
    const at = this.#take(16);
    return this.buffer.toString('base64url', at, at + 16);
  }

  uvarint(): number {
    const first = this.#view.getUint8(this.#take(1));
    if (first < 0x80) return first; // Nearly every length and count.
    let value = first & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.#view.getUint8(this.#take(1));
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break;
        return value;
      }
    }
    throw new RangeError(`varint beyond 32 bits before ${this.pos}`);
  }
  /** Zigzag, 32 bits. */
  varint(): number {
    const value = this.uvarint();
    return (value >>> 1) ^ -(value & 1);
  }
  /** Zigzag, 64 bits. */
  varlong(): number {
    let low = 0;
    let high = 0; // Bits 28 and up.
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#view.getUint8(this.#take(1));
      if (shift < 28) low += (byte & 0x7f) * 2 ** shift;
      else high += (byte & 0x7f) * 2 ** (shift - 28);
      if (byte < 0x80) {
        const negative = (low & 1) === 1;
        const magnitude = high * 2 ** 27 + Math.floor(low / 2);
        const value = negative ? -magnitude - 1 : magnitude;
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
    }
    throw new RangeError(`varlong beyond 2^53 before ${this.pos}`);
  }

  /** Length of a string; -1 is null. */
  stringLength(compact: boolean): number {
    const length = compact ? this.uvarint() - 1 : this.int16();
    if (length < -1 || length > this.remaining || length > STRING_BYTES_MAX) {
      throw new RangeError(`string of ${length} bytes`);
    }
    return length;
  }
  /** Length of a byte string; -1 is null. */
  bytesLength(compact: boolean): number {
    const length = compact ? this.uvarint() - 1 : this.int32();
    if (length < -1 || length > this.remaining) throw new RangeError(`bytes of length ${length}`);
    return length;
  }
  /** Count of an array; -1 is null. Every item takes a byte at least, so more than is left is a lie. */
  arrayLength(compact: boolean): number {
    const length = compact ? this.uvarint() - 1 : this.int32();
    if (length < -1 || length > this.remaining) throw new RangeError(`array of ${length} items`);
    if (length > 0) this.#items += length;
    if (this.#items > ITEMS_MAX) throw new RangeError(`more than ${ITEMS_MAX} items in a message`);
    return length;
  }

  utf8(length: number): string {
    const at = this.#take(length);
    return this.buffer.toString('utf8', at, at + length);
  }
  /** A view, not a copy. */
  bytes(length: number): Buffer {
    const at = this.#take(length);
    return length === 0 ? EMPTY : this.buffer.subarray(at, at + length);
  }
  skip(length: number): void {
    this.#take(length);
  }
  /** Skips a whole section of tagged fields (KIP-482). */
  skipTags(): void {
    for (let n = this.uvarint(); n > 0; n--) {
      this.uvarint();
      this.skip(this.uvarint());
    }
  }
}

/** Byte strings at least this long are sent by reference instead of being copied into the frame. */
const REFERENCE_BYTES_MIN = 4096;

/**
 * Grows as needed. Long byte strings are kept by reference, so a fetch answer of a megabyte costs
 * no copy: `chunks()` gives the pieces in order, for a gathering write.
 */
export class ByteWriter {
  #buffer: Buffer;
  #view: DataView;
  #start = 0; // Where the current piece begins in #buffer.
  #done: Uint8Array[] = [];
  #doneBytes = 0;
  #prefixes = 0; // Open prefixed pieces: they are moved, so nothing in them is kept by reference.
  pos = 0;

  constructor(capacity = 256) {
    this.#buffer = Buffer.allocUnsafe(capacity);
    this.#view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, capacity);
  }

  /** Bytes written so far, references included. */
  get length(): number {
    return this.#doneBytes + this.pos - this.#start;
  }

  /** May replace the buffer: call it before `#buffer` or `#view` is evaluated. */
  #claim(size: number): number {
    const at = this.pos;
    if (at + size > this.#buffer.length) this.#grow(at + size);
    this.pos = at + size;
    return at;
  }
  #grow(needed: number): void {
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, needed));
    this.#buffer.copy(larger, 0, 0, this.pos);
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer, larger.byteOffset, larger.length);
  }

  bool(value: boolean): void {
    const at = this.#claim(1);
    this.#view.setInt8(at, value ? 1 : 0);
  }
  int8(value: number): void {
    const at = this.#claim(1);
    this.#view.setInt8(at, value);
  }
  int16(value: number): void {
    const at = this.#claim(2);
    this.#view.setInt16(at, value);
  }
  uint16(value: number): void {
    const at = this.#claim(2);
    this.#view.setUint16(at, value);
  }
  int32(value: number): void {
    const at = this.#claim(4);
    this.#view.setInt32(at, value);
  }
  uint32(value: number): void {
    const at = this.#claim(4);
    this.#view.setUint32(at, value);
  }
  int64(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`int64 beyond 2^53: ${value}`);
    const at = this.#claim(8);
    this.#view.setInt32(at, Math.floor(value / 0x1_0000_0000));
    this.#view.setUint32(at + 4, value >>> 0);
  }
  float64(value: number): void {
    const at = this.#claim(8);
    this.#view.setFloat64(at, value);
  }
  bits64(value: string): void {
    const at = this.#claim(8);
    const written = this.#buffer.write(value, at, 8, 'base64url');
    if (written !== 8) throw new RangeError(`not eight bytes: ${value}`);
  }
  uuid(value: string): void {
    const at = this.#claim(16);
    const written = this.#buffer.write(value, at, 16, 'base64url');
    if (written !== 16) throw new RangeError(`not a uuid: ${value}`);
  }
  uvarint(value: number): void {
    let at = this.#claim(1);
    let rest = value;
    while (rest > 0x7f) {
      this.#buffer[at] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 128);
      at = this.#claim(1);
    }
    this.#buffer[at] = rest;
  }
  /** Zigzag, 32 bits. */
  varint(value: number): void {
    this.uvarint(((value << 1) ^ (value >> 31)) >>> 0);
  }
  /** Zigzag, 64 bits. */
  varlong(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`varlong beyond 2^53: ${value}`);
    const magnitude = value < 0 ? -(value + 1) : value;
    const sign = value < 0 ? 1 : 0;
    let rest = Math.floor(magnitude / 64);
    let byte = (magnitude % 64) * 2 + sign;
    let at = this.#claim(1);
    while (rest > 0) {
      this.#buffer[at] = byte | 0x80;
      byte = rest % 128;
      rest = Math.floor(rest / 128);
      at = this.#claim(1);
    }
    this.#buffer[at] = byte;
  }

  arrayLength(length: number, compact: boolean): void {
    if (compact) this.uvarint(length + 1);
    else this.int32(length);
  }
  nullString(compact: boolean): void {
    if (compact) this.uvarint(0);
    else this.int16(-1);
  }
  string(value: string, compact: boolean): void {
    if (value.length <= SHORT_STRING_MAX && this.#shortAscii(value, compact)) return;
    const size = Buffer.byteLength(value);
    if (size > STRING_BYTES_MAX) {
      throw new RangeError(`string of ${size} bytes, at most ${STRING_BYTES_MAX} fit`);
    }
    if (compact) this.uvarint(size + 1);
    else this.int16(size);
    const at = this.#claim(size);
    this.#buffer.write(value, at, size, 'utf8');
  }
  /** Three times as fast as the general way; writes nothing and returns false on other characters. */
  #shortAscii(value: string, compact: boolean): boolean {
    const begin = this.pos;
    if (compact) this.uvarint(value.length + 1);
    else this.int16(value.length);
    const at = this.#claim(value.length);
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) {
        this.pos = begin;
        return false;
      }
      this.#buffer[at + i] = code;
    }
    return true;
  }
  /** A byte string with its length; null only where the schema allows it. */
  bytes(value: Uint8Array | readonly Uint8Array[] | null, compact: boolean): void {
    let size = -1;
    if (value instanceof Uint8Array) size = value.length;
    else if (value !== null) {
      size = 0;
      for (const piece of value) size += piece.length;
    }
    if (compact) this.uvarint(size + 1);
    else this.int32(size);
    if (value instanceof Uint8Array) this.raw(value);
    else if (value !== null) for (const piece of value) this.raw(piece);
  }
  /** Bytes without a length: copied when short, kept by reference when long (never in a prefixed piece). */
  raw(value: Uint8Array): void {
    if (value.length < REFERENCE_BYTES_MIN || this.#prefixes > 0) {
      const at = this.#claim(value.length);
      this.#buffer.set(value, at);
      return;
    }
    this.#cut();
    this.#done.push(value);
    this.#doneBytes += value.length;
  }
  /** Begins a piece whose length will stand before it; hand the result to `prefixLength`. */
  beginPrefixed(): number {
    this.#prefixes++;
    return this.pos;
  }
  /** Inserts the length, as a uvarint, before what was written since `beginPrefixed`. */
  prefixLength(start: number): void {
    this.#prefixes--;
    const size = this.pos - start;
    this.uvarint(size);
    const digits = this.pos - start - size;
    const prefix = Buffer.from(this.#buffer.subarray(start + size, this.pos));
    this.#buffer.copyWithin(start + digits, start, start + size);
    prefix.copy(this.#buffer, start);
  }
  /** Overwrites four bytes at `at`, which must lie in the first piece. */
  patchInt32(at: number, value: number): void {
    const first = this.#done.length === 0 ? this.#buffer : (this.#done[0] as Buffer);
    first.writeInt32BE(value, at);
  }

  #cut(): void {
    if (this.pos > this.#start) {
      this.#done.push(this.#buffer.subarray(this.#start, this.pos));
      this.#doneBytes += this.pos - this.#start;
    }
    this.#start = this.pos;
  }
  /** The pieces in order. The writer must not be used afterwards. */
  chunks(): Uint8Array[] {
    this.#cut();
    return this.#done;
  }
  /** Everything as one buffer; copies when there is more than one piece. */
  toBuffer(): Buffer {
    const chunks = this.chunks();
    return chunks.length === 1
      ? Buffer.from(chunks[0]!.buffer, chunks[0]!.byteOffset, chunks[0]!.length)
      : Buffer.concat(chunks);
  }
}
