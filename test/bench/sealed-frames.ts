/**
 * Produce requests of one transactional producer for one partition: encoded once, and sealed anew
 * for each time that they are sent. Only the bytes that differ are touched: the records stay where
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
  readonly partition: number;
  readonly transactionalId: string;
}

export class SealedFrames {
  /** Of one request: records, and bytes of their values. */
  readonly records: number;
  readonly values: number;
  readonly #head: Buffer;
  readonly #rest: Buffer;
  readonly #batchAt: number;
  readonly #checksum: ChecksumBehind;

  constructor(options: FramesOptions) {
    const { topic, partition, transactionalId } = options;
    const { batch, records, values } = encodeBatch(options, BatchAttribute.transactional);
    const body = {
      transactionalId,
      acks: -1,
      timeoutMs: 30_000,
      topicData: [{ name: topic, partitionData: [{ index: partition, records: batch }] }],
    };
    const frame = Buffer.concat(
      writeRequest(apis.get(0)!, TRANSACTIONAL_PRODUCE_VERSION, 1, CLIENT_ID, body),
    );
    this.records = records;
    this.values = values;
    this.#batchAt = frame.indexOf(batch);
    this.#head = frame.subarray(0, this.#batchAt + BATCH_OVERHEAD);
    this.#rest = frame.subarray(this.#batchAt + BATCH_OVERHEAD);
    this.#checksum = new ChecksumBehind(batch.subarray(BATCH_OVERHEAD));
  }

  /** The request in two pieces, the second of which is shared by all. */
  sealed(producerId: number, producerEpoch: number, baseSequence: number): Uint8Array[] {
    const head = Buffer.from(this.#head);
    const at = this.#batchAt;
    writeInt64(head, producerId, at + OFFSET_OF_PRODUCER_ID);
    head.writeInt16BE(producerEpoch, at + OFFSET_OF_PRODUCER_EPOCH);
    head.writeInt32BE(baseSequence, at + OFFSET_OF_BASE_SEQUENCE);
    const beginning = crc32c(head.subarray(at + OFFSET_OF_ATTRIBUTES));
    head.writeUInt32BE(this.#checksum.of(beginning), at + OFFSET_OF_CRC);
    return [head, this.#rest];
  }
}
