/** The content of a file on a disk in memory, and what changes it. */

/** A change of a file that the device does not have for certain yet. */
export type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly size: number };

/** Bytes that grow. */
export class Image {
  #bytes = Buffer.alloc(0);
  size = 0;

  static copyOf(other: Image): Image {
    const image = new Image();
    image.become(other);
    return image;
  }
  apply(change: Change): void {
    if (change.kind === 'write') this.write(change.position, change.bytes);
    else this.truncate(change.size);
  }
  write(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length;
    if (end > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(end, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, this.size);
      this.#bytes = larger;
    }
    if (position > this.size) this.#bytes.fill(0, this.size, position);
    this.#bytes.set(bytes, position);
    this.size = Math.max(this.size, end);
  }
  truncate(size: number): void {
    if (size > this.size) this.write(size - 1, Buffer.alloc(1));
    this.size = size;
  }
  read(into: Uint8Array, offset: number, length: number, position: number): number {
    const n = Math.max(0, Math.min(length, this.size - position));
    into.set(this.#bytes.subarray(position, position + n), offset);
    return n;
  }
  toBuffer(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.size));
  }
  become(other: Image): void {
    this.size = 0;
    this.write(0, other.#bytes.subarray(0, other.size));
  }
}
