import type { EcsWriter } from '../ecs-writer.ts';

/**
 * The record parts that message headers became, by the headers' text. Programs log in bursts, so
 * most messages have a header that came shortly before: comparing it is cheaper than writing its
 * fields again. Small, fixed in size, and only ever a copy of what would have been written.
 */
const SLOTS = 16;
const TEXT_BYTES_MAX = 256;
const PART_BYTES_MAX = 1024;

class Slot {
  readonly text = Buffer.allocUnsafeSlow(TEXT_BYTES_MAX);
  readonly part = Buffer.allocUnsafeSlow(PART_BYTES_MAX);
  /** -1: empty. */
  kind = -1;
  textLength = 0;
  partLength = 0;
}

export class HeaderCache {
  readonly #slots = Array.from({ length: SLOTS }, () => new Slot());

  #slot(kind: number, bytes: Uint8Array, start: number, end: number): Slot {
    const mixed =
      kind + end - start + bytes[start]! + bytes[(start + end) >> 1]! * 3 + bytes[end - 2]! * 5;
    return this.#slots[mixed % SLOTS]!;
  }

  /** Writes the part of the header `[start, end)`, read as `kind`; false when it is not known. */
  write(writer: EcsWriter, kind: number, bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (length < 2 || length > TEXT_BYTES_MAX) return false;
    const slot = this.#slot(kind, bytes, start, end);
    if (slot.kind !== kind || slot.textLength !== length) return false;
    const { text } = slot;
    for (let i = 0; i < length; i++) if (text[i] !== bytes[start + i]) return false;
    return writer.json(slot.part, 0, slot.partLength);
  }

  /** Keeps what was written from `from` on as the part of that header. */
  keep(
    writer: EcsWriter,
    from: number,
    kind: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const length = end - start;
    const partLength = writer.pos - from;
    if (length < 2 || length > TEXT_BYTES_MAX || partLength > PART_BYTES_MAX) return;
    const slot = this.#slot(kind, bytes, start, end);
    slot.kind = kind;
    slot.textLength = length;
    slot.partLength = partLength;
    for (let i = 0; i < length; i++) slot.text[i] = bytes[start + i]!;
    writer.buffer.copy(slot.part, 0, from, writer.pos);
  }
}
