/**
 * Builders of batches that are kept for reuse: with compression each holds a buffer of a batch's
 * size. Without it a builder gives its buffer away, and is not worth keeping.
 */
import type { Clock, Timer } from '../base/clock.ts';
import { CompressionType } from '../protocol/compression.ts';
import { RecordBatchBuilder } from '../protocol/record-batch-builder.ts';

const SPARE_BUILDERS_MAX = 16;
/** Builders that nobody needed for so long are given up: after a rush each holds half a megabyte. */
const SPARE_IDLE_MS = 10_000;

export interface BuilderOptions {
  readonly compression: keyof typeof CompressionType;
  readonly level: number | undefined;
}

export class SpareBuilders {
  readonly #clock: Clock;
  readonly #options: BuilderOptions;
  readonly #spare: RecordBatchBuilder[] = [];
  /** The fewest spare ones there were since the timer was set: so many are too many. */
  #unused = 0;
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(clock: Clock, options: BuilderOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** An empty one; a new one begins with a buffer of `initialBytes`. */
  take(initialBytes: number): RecordBatchBuilder {
    const spare = this.#spare.pop();
    if (spare !== undefined) {
      this.#unused = Math.min(this.#unused, this.#spare.length);
      spare.reset();
      return spare;
    }
    const { compression, level } = this.#options;
    return new RecordBatchBuilder({
      compression: CompressionType[compression],
      level,
      initialBytes,
    });
  }

  /** One that nobody uses any more. */
  give(builder: RecordBatchBuilder): void {
    const keepsBuffer = this.#options.compression !== 'none';
    if (!keepsBuffer || this.#isClosed || this.#spare.length === SPARE_BUILDERS_MAX) return;
    this.#spare.push(builder);
    this.#timer ??= this.#clock.after(SPARE_IDLE_MS, () => this.#thin());
  }

  /** Keeps none from now on. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #thin(): void {
    this.#timer = null;
    this.#spare.splice(0, this.#unused);
    this.#unused = this.#spare.length;
    if (this.#unused === 0) return;
    this.#timer = this.#clock.after(SPARE_IDLE_MS, () => this.#thin());
  }
}
