/**
 * Records of one partition on their way: first a builder that grows, then bytes that never change
 * again, so that a socket may still read them while a retry sends them over another one.
 */

import { forEachRecord, type RecordView } from '../protocol/record-batch.ts';
import type { BatchProducer, RecordBatchBuilder } from '../protocol/record-batch-builder.ts';
import type { PartitionQueue } from './producer-queue.ts';

export type Delivered = (
  error: Error | null,
  topic: string,
  partition: number,
  baseOffset: number,
) => void;

export class ProducerBatch {
  readonly queue: PartitionQueue;
  /** Grows with every batch of the producer: retries keep it, flushes wait by it. */
  readonly order: number;
  /** Monotonic milliseconds of the first record. */
  readonly createdAt: number;
  /** Number of its first record in the batch that it is a part of, see `split`. */
  readonly firstRecord: number;
  /** What the batch holds of the producer's buffer memory. */
  size = 0;
  count = 0;
  /** Tags and callbacks of records that have them, and the number of the record in the batch. */
  readonly tags: unknown[] = [];
  readonly tagged: number[] = [];
  readonly callbacks: Delivered[] = [];
  readonly calling: number[] = [];
  /** Times it was handed to a connection. */
  attempts = 0;
  /** Writes whose bytes the transport still uses. */
  writes = 0;
  isDone = false;
  #builder: RecordBatchBuilder | null;
  #bytes: Buffer | null = null;
  #producer: BatchProducer | undefined;

  constructor(
    queue: PartitionQueue,
    order: number,
    createdAt: number,
    builder: RecordBatchBuilder,
    firstRecord = 0,
  ) {
    this.queue = queue;
    this.firstRecord = firstRecord;
    this.order = order;
    this.createdAt = createdAt;
    this.#builder = builder;
  }

  /** Null once the batch is sealed. */
  get builder(): RecordBatchBuilder | null {
    return this.#builder;
  }
  /** The bytes that `seal` made. */
  get sealed(): Buffer {
    return this.#bytes!;
  }
  /** Identity under which it was sent; undefined: never, or not idempotent. */
  get producer(): BatchProducer | undefined {
    return this.#producer;
  }

  /**
   * The batch's bytes under the given identity. `release` gets the builder back as soon as its
   * buffer is free; `reopen` gives a builder to write the records again under another identity.
   */
  seal(
    producer: BatchProducer | undefined,
    release: (builder: RecordBatchBuilder) => void,
    reopen: () => RecordBatchBuilder,
  ): Buffer {
    if (this.#bytes !== null && sameProducer(producer, this.#producer)) return this.#bytes;
    if (this.#bytes !== null) {
      this.#builder = reopen();
      copyRecords(this.#bytes, this.#builder);
    }
    const builder = this.#builder!;
    this.#bytes = builder.build(producer);
    this.#producer = producer;
    this.#builder = null;
    release(builder);
    return this.#bytes;
  }

  /** Whether it comes before the other one of its partition. */
  isBefore(other: ProducerBatch): boolean {
    if (this.order !== other.order) return this.order < other.order;
    return this.firstRecord < other.firstRecord;
  }

  /** Takes note of the last record's tag and callback. */
  note(tag: unknown, delivered: Delivered | undefined): void {
    if (tag !== undefined) {
      this.tags.push(tag);
      this.tagged.push(this.count - 1);
    }
    if (delivered !== undefined) {
      this.callbacks.push(delivered);
      this.calling.push(this.count - 1);
    }
  }

  /** Calls `visit` for every record with what was noted of it. */
  forEachNoted(
    visit: (record: RecordView, tag: unknown, delivered: Delivered | undefined) => void,
  ): void {
    let [record, tag, callback] = [0, 0, 0];
    this.#forEach((view) => {
      const hasTag = this.tagged[tag] === record;
      const hasCallback = this.calling[callback] === record;
      visit(
        view,
        hasTag ? this.tags[tag++] : undefined,
        hasCallback ? this.callbacks[callback++] : undefined,
      );
      record++;
    });
  }

  /**
   * The same records in two batches, which keep its place, its age, its share of memory and, with
   * idempotence, its sequence numbers. Must hold more than one record.
   */
  split(builder: () => RecordBatchBuilder): [ProducerBatch, ProducerBatch] {
    const half = Math.ceil(this.count / 2);
    const part = (from: number): ProducerBatch => {
      const at = this.firstRecord + from;
      const batch = new ProducerBatch(this.queue, this.order, this.createdAt, builder(), at);
      batch.attempts = this.attempts;
      if (this.#producer !== undefined) batch.#producer = shifted(this.#producer, from);
      return batch;
    };
    const parts: [ProducerBatch, ProducerBatch] = [part(0), part(half)];
    let n = 0;
    this.forEachNoted((record, tag, delivered) => {
      const target = parts[n < half ? 0 : 1]!;
      copyRecord(record, target.#builder!);
      target.count++;
      target.note(tag, delivered);
      n++;
    });
    parts[0].size = Math.floor((this.size * half) / this.count);
    parts[1].size = this.size - parts[0].size;
    return parts;
  }

  /** The records, for those who must write them elsewhere. */
  #forEach(visit: (record: RecordView) => void): void {
    const bytes = this.#bytes ?? this.#builder!.build();
    this.#builder = null;
    this.#bytes = bytes;
    forEachRecord(bytes, 0, visit);
  }

  /** Lets go of the memory. */
  discard(): void {
    this.#builder = null;
    this.#bytes = null;
  }
}

const SEQUENCES = 0x8000_0000;

const shifted = (producer: BatchProducer, records: number): BatchProducer => ({
  ...producer,
  baseSequence: (producer.baseSequence + records) % SEQUENCES,
});

const sameProducer = (a: BatchProducer | undefined, b: BatchProducer | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.id === b.id &&
    a.epoch === b.epoch &&
    a.baseSequence === b.baseSequence);

/** Appends every record of a batch to another one. */
function copyRecords(from: Buffer, to: RecordBatchBuilder): void {
  forEachRecord(from, 0, (record) => copyRecord(record, to));
}

export function copyRecord(record: RecordView, to: RecordBatchBuilder): void {
  const { buffer, timestamp } = record;
  const key = record.keyEnd < 0 ? null : buffer.subarray(record.keyStart, record.keyEnd);
  const headers = buffer.subarray(record.headersStart, record.headersEnd);
  if (record.valueEnd < 0) to.append(timestamp, key, null, headers);
  else to.appendRange(timestamp, key, buffer, record.valueStart, record.valueEnd, headers);
}
