import { crc32c } from '../base/crc32c.ts';
import { type CompressionCode, CompressionType, compress } from './compression.ts';
import {
  BATCH_OVERHEAD,
  encodeHeaders,
  type Header,
  LOG_OVERHEAD,
  MAGIC,
  NO_HEADERS,
  NO_PRODUCER_ID,
  NO_TIMESTAMP,
  varintSize,
  varlongSize,
  writeInt64,
  writeVarint,
  writeVarlong,
} from './record-batch.ts';

export interface BatchOptions {
  readonly compression?: CompressionCode;
  /** The codec's own level; its default when absent. */
  readonly level?: number | undefined;
  /** First size of the buffer; it grows by doubling. */
  readonly initialBytes?: number;
  /** Bits of `BatchAttribute`, or-ed. */
  readonly attributes?: number;
}

/** Who sent the batch, for idempotence (KIP-98); known only when it is sealed. */
export interface BatchProducer {
  readonly id: number;
  readonly epoch: number;
  readonly baseSequence: number;
}

const NO_PRODUCER: BatchProducer = { id: NO_PRODUCER_ID, epoch: -1, baseSequence: -1 };

/** Attributes byte, timestamp, offset, key length, value length: more than they ever take. */
const RECORD_OVERHEAD_MAX = 5 + 1 + 10 + 5 + 5 + 5;

/**
 * Encodes records straight into the bytes of a batch: no object and no intermediate copy a record.
 *
 * Append, then `build` once; `reset` starts the next batch. A batch that `build` returned belongs
 * to the caller for good: the builder never writes to it again.
 */
export class RecordBatchBuilder {
  readonly #compression: CompressionCode;
  readonly #level: number | undefined;
  readonly #initialBytes: number;
  readonly #attributes: number;
  #buffer: Buffer;
  #pos = BATCH_OVERHEAD;
  #count = 0;
  #baseTimestamp = 0;
  #maxTimestamp = NO_TIMESTAMP;

  constructor(options: BatchOptions = {}) {
    this.#compression = options.compression ?? CompressionType.none;
    this.#level = options.level;
    this.#initialBytes = Math.max(options.initialBytes ?? 16 * 1024, BATCH_OVERHEAD);
    this.#attributes = options.attributes ?? 0;
    this.#buffer = Buffer.allocUnsafeSlow(this.#initialBytes);
  }

  get count(): number {
    return this.#count;
  }
  /** Bytes so far, before compression. */
  get sizeInBytes(): number {
    return this.#pos;
  }
  get maxTimestamp(): number {
    return this.#maxTimestamp;
  }

  /** Appends one record; `headers` may be pre-encoded by `encodeHeaders`. */
  append(
    timestamp: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: Uint8Array | readonly Header[] = NO_HEADERS,
  ): void {
    if (value === null) this.#append(timestamp, key, EMPTY, 0, -1, headers);
    else this.#append(timestamp, key, value, 0, value.length, headers);
  }

  /** The same, the value being `bytes[start, end)`. */
  appendRange(
    timestamp: number,
    key: Uint8Array | null,
    bytes: Uint8Array,
    start: number,
    end: number,
    headers: Uint8Array | readonly Header[] = NO_HEADERS,
  ): void {
    this.#append(timestamp, key, bytes, start, end, headers);
  }

  #append(
    timestamp: number,
    key: Uint8Array | null,
    value: Uint8Array,
    start: number,
    end: number,
    headers: Uint8Array | readonly Header[],
  ): void {
    const packed = headers instanceof Uint8Array ? headers : encodeHeaders(headers);
    if (this.#count === 0) this.#baseTimestamp = timestamp;
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
    const keyLength = key === null ? -1 : key.length;
    const valueLength = end < 0 ? -1 : end - start;
    const delta = timestamp - this.#baseTimestamp;
    const length =
      1 +
      varlongSize(delta) +
      varintSize(this.#count) +
      varintSize(keyLength) +
      Math.max(keyLength, 0) +
      varintSize(valueLength) +
      Math.max(valueLength, 0) +
      packed.length;
    const needed = this.#pos + RECORD_OVERHEAD_MAX + length;
    if (needed > this.#buffer.length) this.#grow(needed);
    const b = this.#buffer;
    let at = writeVarint(b, length, this.#pos);
    b[at++] = 0;
    at = writeVarlong(b, delta, at);
    at = writeVarint(b, this.#count, at);
    at = writeVarint(b, keyLength, at);
    if (key !== null) {
      b.set(key, at);
      at += key.length;
    }
    at = writeVarint(b, valueLength, at);
    if (valueLength > 0) {
      copyBytes(value, start, end, b, at);
      at += valueLength;
    }
    if (packed.length === 1) b[at++] = packed[0]!;
    else {
      b.set(packed, at);
      at += packed.length;
    }
    this.#pos = at;
    this.#count++;
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, needed));
    this.#buffer.copy(larger, 0, 0, this.#pos);
    this.#buffer = larger;
  }

  /** The finished batch with base offset 0. Must hold at least one record. */
  build(producer: BatchProducer = NO_PRODUCER): Buffer {
    const compressed = this.#compression !== CompressionType.none;
    let batch: Buffer;
    if (compressed) {
      const records = compress(
        this.#compression,
        this.#buffer.subarray(BATCH_OVERHEAD, this.#pos),
        this.#level,
      );
      batch = Buffer.allocUnsafeSlow(BATCH_OVERHEAD + records.length);
      records.copy(batch, BATCH_OVERHEAD);
    } else {
      batch = this.#buffer.subarray(0, this.#pos);
      this.#buffer = EMPTY;
    }
    writeInt64(batch, 0, 0);
    batch.writeInt32BE(batch.length - LOG_OVERHEAD, 8);
    batch.writeInt32BE(-1, 12);
    batch.writeInt8(MAGIC, 16);
    batch.writeInt16BE(this.#attributes | this.#compression, 21);
    batch.writeInt32BE(this.#count - 1, 23);
    writeInt64(batch, this.#baseTimestamp, 27);
    writeInt64(batch, this.#maxTimestamp, 35);
    writeInt64(batch, producer.id, 43);
    batch.writeInt16BE(producer.epoch, 51);
    batch.writeInt32BE(producer.baseSequence, 53);
    batch.writeInt32BE(this.#count, 57);
    batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
    return batch;
  }

  /** Starts the next batch. */
  reset(): void {
    if (this.#buffer.length === 0) this.#buffer = Buffer.allocUnsafeSlow(this.#initialBytes);
    this.#pos = BATCH_OVERHEAD;
    this.#count = 0;
    this.#maxTimestamp = NO_TIMESTAMP;
  }
}

const EMPTY = Buffer.alloc(0);

/** Below this many bytes a loop beats the call that a block copy costs. */
const LOOP_BYTES_MAX = 24;

function copyBytes(from: Uint8Array, start: number, end: number, to: Buffer, at: number): void {
  if (end - start <= LOOP_BYTES_MAX) {
    for (let i = start; i < end; i++) to[at++] = from[i]!;
  } else if (start === 0 && end === from.length) to.set(from, at);
  else Buffer.prototype.copy.call(from, to, at, start, end);
}
