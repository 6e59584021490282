/**
 * Produce requests of one transactional producer, each with a batch for every partition, as Kafka's
 * own client fills them: encoded once, and sealed anew for each time that they are sent. Only the bytes that differ are touched: the records stay where
 * they are, and the checksum is put together of that of the batch's header and that of the records.
 */
import { crc32c } from '../../src/base/crc32c.ts';
import { apis } from '../../src/protocol/apis.ts';
import { writeRequest } from '../../src/protocol/frame.ts';
import { BATCH_OVERHEAD, BatchAttribute, writeInt64 } from '../../src/protocol/record-batch.ts';
import { type BatchShape, encodeBatch } from './batches.ts';
import { CLIENT_ID } from './raw-connection.ts';

/** The first one in which a partition joins a transaction by being written to (KIP-890). */
export const TRANSACTIONAL_PRODUCE_VERSION = 12;

const OFFSET_OF_CRC = 17;
const OFFSET_OF_ATTRIBUTES = 21;
const OFFSET_OF_PRODUCER_ID = 43;
const OFFSET_OF_PRODUCER_EPOCH = 51;
const OFFSET_OF_BASE_SEQUENCE = 53;

/**
 * The checksum of bytes of which only the beginning changes. That of the whole is a linear function
 * of that of the beginning, so 33 values of it tell all.
 */
class ChecksumBehind {
  readonly #ofZero: number;
  readonly #byBit: readonly number[];

  constructor(rest: Uint8Array) {
    this.#ofZero = crc32c(rest, 0);
    this.#byBit = Array.from({ length: 32 }, (_, bit) => crc32c(rest, 2 ** bit) ^ this.#ofZero);
  }

  of(beginning: number): number {
    let sum = this.#ofZero;
    for (let bit = 0; bit < 32; bit++) if ((beginning >>> bit) & 1) sum ^= this.#byBit[bit]!;
    return sum >>> 0;
  }
}

export interface FramesOptions extends BatchShape {
  readonly topic: string;
  readonly partitions: number;
  readonly transactionalId: string;
}

/** What is sent for one partition: what lies before its records and changes, and what does not. */
interface Part {
  readonly head: Buffer;
  /** Where the batch begins in the head. */
  readonly batchAt: number;
  readonly rest: Buffer;
  readonly checksum: ChecksumBehind;
}

export class SealedFrames {
  /** Of one request and partition: records. */
  readonly records: number;
  /** Of one request: bytes of its records' values. */
  readonly values: number;
  readonly #parts: readonly Part[];

  constructor(options: FramesOptions) {
    const { topic, partitions, transactionalId } = options;
    const { batch, records, values } = encodeBatch(options, BatchAttribute.transactional);
    const indexes = Array.from({ length: partitions }, (_, index) => index);
    const body = {
      transactionalId,
      acks: -1,
      timeoutMs: 30_000,
      topicData: [
        { name: topic, partitionData: indexes.map((index) => ({ index, records: batch })) },
      ],
    };
    const frame = Buffer.concat(
      writeRequest(apis.get(0)!, TRANSACTIONAL_PRODUCE_VERSION, 1, CLIENT_ID, body),
    );
    this.records = records;
    this.values = values * partitions;
    const checksum = new ChecksumBehind(batch.subarray(BATCH_OVERHEAD));
    let from = 0;
    this.#parts = indexes.map((index) => {
      const batchAt = frame.indexOf(batch, from);
      const recordsAt = batchAt + BATCH_OVERHEAD;
      const batchEnd = batchAt + batch.length;
      const head = frame.subarray(from, recordsAt);
      // Behind the last batch the request's own end follows.
      const rest = frame.subarray(recordsAt, index === partitions - 1 ? frame.length : batchEnd);
      const part = { head, batchAt: batchAt - from, rest, checksum };
      from = batchEnd;
      return part;
    });
  }

  /** The request in pieces, of which those with records are shared by all. */
  sealed(producerId: number, producerEpoch: number, baseSequence: number): Uint8Array[] {
    return this.#parts.flatMap(({ head: template, batchAt: at, rest, checksum }) => {
      const head = Buffer.from(template);
      writeInt64(head, producerId, at + OFFSET_OF_PRODUCER_ID);
      head.writeInt16BE(producerEpoch, at + OFFSET_OF_PRODUCER_EPOCH);
      head.writeInt32BE(baseSequence, at + OFFSET_OF_BASE_SEQUENCE);
      const beginning = crc32c(head.subarray(at + OFFSET_OF_ATTRIBUTES));
      head.writeUInt32BE(checksum.of(beginning), at + OFFSET_OF_CRC);
      return [head, rest];
    });
  }
}
