/**
 * What readers that go through a log will ask for next, read by another thread while they are busy
 * with what they have.
 *
 * A consumer that is behind reads files from front to back. Were each piece read when it is asked
 * for, the broker's one thread would copy it, and if it is not in the page cache wait for the
 * device, while nobody else is served. So the piece behind is read at once, by the thread pool.
 * It is a guess: a piece that is not there in time is read as if nothing had been begun, a failure
 * is left to that read to find, and what nobody asks for is dropped.
 *
 * Invariants: the pieces hold at most `bytesMax` together (the oldest goes); a buffer is given to
 * one taker, or back to the pool, never while a read into it is under way.
 */
import type { Clock, Timer } from '../base/clock.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { LogSegment } from './log-segment.ts';
import type { LogProbe } from './probe.ts';

/** Bytes that all pieces of a broker hold together. */
export const READ_AHEAD_BYTES_MAX = 8 * 1024 * 1024;

/** For less, the way to another thread costs more than the read. */
export const READ_AHEAD_BYTES_MIN = 64 * 1024;

/** A piece that nobody has asked for in this time is dropped. */
const KEPT_MS = 5_000;

/** A piece of a segment, on its way or here. */
export interface Piece {
  readonly buffer: Buffer;
  readonly begunAtMs: number;
  /** Bytes that it holds; -1: they are on their way. */
  read: number;
  /** Nobody wants it any more. */
  isDropped: boolean;
}

export interface ReadAheadOptions {
  readonly buffers: BufferPool;
  readonly probe: LogProbe;
  readonly clock: Clock;
  readonly bytesMax?: number;
}

export class ReadAhead {
  readonly #options: ReadAheadOptions;
  readonly #bytesMax: number;
  /** The oldest first. */
  readonly #pieces = new Set<Piece>();
  #sweep: Timer | null = null;

  constructor(options: ReadAheadOptions) {
    this.#options = options;
    this.#bytesMax = options.bytesMax ?? READ_AHEAD_BYTES_MAX;
  }

  /** Begins to read `length` bytes at `position`. */
  begin(segment: LogSegment, position: number, length: number): Piece | null {
    const { buffers, probe, clock } = this.#options;
    if (length > this.#bytesMax / 4) return null;
    const buffer = buffers.take(length);
    if (!this.#makeRoom(buffer.length)) {
      buffers.release(buffer);
      return null;
    }
    const piece: Piece = { buffer, begunAtMs: clock.monotonic(), read: -1, isDropped: false };
    this.#pieces.add(piece);
    probe.readAheadBytes += buffer.length;
    this.#sweep ??= clock.after(KEPT_MS, () => this.#dropOld());
    segment.readLater(buffer, length, position).then(
      (read) => this.#here(piece, read),
      () => this.#here(piece, 0), // Whoever needs the bytes reads them, and hears what is wrong.
    );
    return piece;
  }

  /** The piece, if it is here; the taker owns its buffer. Either way it is not to be asked for again. */
  take(piece: Piece): { readonly buffer: Buffer; readonly read: number } | null {
    if (piece.isDropped) return null;
    if (piece.read <= 0) {
      this.drop(piece);
      return null;
    }
    this.#options.probe.readAheadHits += 1;
    this.#forget(piece);
    piece.isDropped = true;
    return piece;
  }

  /** Idempotent. */
  drop(piece: Piece): void {
    if (piece.isDropped) return;
    piece.isDropped = true;
    this.#options.probe.readAheadMisses += 1;
    if (piece.read >= 0) this.#free(piece);
  }

  close(): void {
    this.#sweep?.cancel();
    for (const piece of this.#pieces) this.drop(piece);
  }

  #here(piece: Piece, read: number): void {
    piece.read = read;
    if (piece.isDropped) this.#free(piece);
  }

  #free(piece: Piece): void {
    this.#forget(piece);
    this.#options.buffers.release(piece.buffer);
  }

  #forget(piece: Piece): void {
    this.#pieces.delete(piece);
    this.#options.probe.readAheadBytes -= piece.buffer.length;
  }

  /** Drops the oldest; false: those that are left are on their way. */
  #makeRoom(bytes: number): boolean {
    const { probe } = this.#options;
    for (const piece of this.#pieces) {
      if (probe.readAheadBytes + bytes <= this.#bytesMax) return true;
      this.drop(piece);
    }
    return probe.readAheadBytes + bytes <= this.#bytesMax;
  }

  #dropOld(): void {
    const { clock } = this.#options;
    this.#sweep = null;
    const before = clock.monotonic() - KEPT_MS;
    for (const piece of this.#pieces) if (piece.begunAtMs <= before) this.drop(piece);
    if (this.#pieces.size > 0) this.#sweep = clock.after(KEPT_MS, () => this.#dropOld());
  }
}
