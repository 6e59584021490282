import { BATCH_OVERHEAD, batchSize, lastOffset } from '../../src/protocol/record-batch.ts';

/**
 * Walks Fetch answers (one topic, one partition) as they stream by, and copies nothing but the
 * heads of answer and batches: the replayer must not be what bounds the measurement.
 */
export class FetchWalker {
  readonly #headBytes: number;
  readonly #onAnswer: (walker: FetchWalker) => void;
  readonly #onBatch: (head: Buffer) => void;
  readonly #head = Buffer.alloc(256);
  #headFilled = 0;
  #inBatches = false;
  #left = 0; // Of the answer's records.
  #skip = 0; // Of the batch under way.
  nextOffset = 0;
  highWatermark = 0;
  recordBytes = 0;

  /** `onBatch`: sees the header of each batch that came whole, during the call. */
  constructor(
    topic: string,
    onAnswer: (walker: FetchWalker) => void,
    onBatch: (head: Buffer) => void = () => {},
  ) {
    // size 4, correlation 4, throttle 4, error 2, session 4, topics 4, name 2+n, partitions 4,
    // index 4, error 2, high watermark 8, stable 8, start 8, aborted 4, replica 4, records 4
    this.#headBytes = 22 + 2 + Buffer.byteLength(topic) + 4 + 42;
    this.#onAnswer = onAnswer;
    this.#onBatch = onBatch;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#skip > 0) {
        const n = Math.min(this.#skip, chunk.length - at);
        this.#skip -= n;
        at += n;
      } else at += this.#gather(chunk, at);
      if (this.#skip === 0 && this.#inBatches && this.#left === 0) {
        this.#inBatches = false;
        this.#onAnswer(this);
      }
    }
  }

  #gather(chunk: Buffer, at: number): number {
    const wanted = this.#inBatches ? Math.min(BATCH_OVERHEAD, this.#left) : this.#headBytes;
    const n = Math.min(wanted - this.#headFilled, chunk.length - at);
    chunk.copy(this.#head, this.#headFilled, at, at + n);
    this.#headFilled += n;
    if (this.#headFilled < wanted) return n;
    this.#headFilled = 0;
    if (this.#inBatches) this.#batchHead(wanted);
    else this.#answerHead();
    return n;
  }

  #answerHead(): void {
    const partition = this.#headBytes - 42;
    const error = this.#head.readInt16BE(partition + 4);
    if (error !== 0) throw new Error(`Fetch answered error ${error}`);
    this.highWatermark = Number(this.#head.readBigInt64BE(partition + 6));
    this.#left = Math.max(this.#head.readInt32BE(this.#headBytes - 4), 0);
    this.recordBytes += this.#left;
    this.#inBatches = true;
  }

  #batchHead(size: number): void {
    const whole = size < BATCH_OVERHEAD ? size : batchSize(this.#head, 0);
    if (whole <= this.#left) {
      this.nextOffset = lastOffset(this.#head, 0) + 1;
      this.#onBatch(this.#head);
    } // Else the last batch is cut, which is legal.
    this.#skip = Math.min(whole, this.#left) - size;
    this.#left -= size + this.#skip;
  }
}
