/** Bytes that idle read buffers hold together; a buffer given back beyond it is left to the collector. */
export const READ_POOL_BYTES_MAX = 16 * 1024 * 1024;

/** Size classes are powers of two between these; larger reads get a buffer of their own. */
const SIZE_BITS_MIN = 16;
const SIZE_BITS_MAX = 23;

/**
 * Buffers for reads from disk, used again and again: a fresh megabyte costs more in page faults
 * than reading into it.
 *
 * Whoever took a buffer owns it until `release`: for a fetch, until the socket has taken the
 * answer. Releasing is never a must (the collector takes what is dropped), using one afterwards
 * is always a bug.
 */
export class BufferPool {
  readonly #bytesMax: number;
  readonly #free: Buffer[][] = [];
  #bytes = 0;

  constructor(bytesMax: number = READ_POOL_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get idleBytes(): number {
    return this.#bytes;
  }

  /** At least `size` bytes with undefined content. */
  take(size: number): Buffer {
    const bits = Math.max(SIZE_BITS_MIN, 32 - Math.clz32(Math.max(0, size - 1)));
    if (bits > SIZE_BITS_MAX) return Buffer.allocUnsafeSlow(size);
    const buffer = this.#free[bits]?.pop();
    if (buffer === undefined) return Buffer.allocUnsafeSlow(1 << bits);
    this.#bytes -= buffer.length;
    return buffer;
  }

  release(buffer: Buffer): void {
    const bits = 31 - Math.clz32(buffer.length);
    const ours = bits >= SIZE_BITS_MIN && bits <= SIZE_BITS_MAX && buffer.length === 1 << bits;
    if (!ours || this.#bytes + buffer.length > this.#bytesMax) return;
    (this.#free[bits] ??= []).push(buffer);
    this.#bytes += buffer.length;
  }
}
