/**
 * `__cluster_metadata-0`: the log of metadata records, in the same format as every other log.
 *
 * A batch is one step: it is on the device before anybody acts on it, and a crash leaves all of its
 * records or none. What was not acknowledged may be there after a crash nevertheless; that is a
 * step that happened.
 */
import type { Clock } from '../base/clock.ts';
import { FatalError, reasonOf } from '../base/errors.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { batchSize, forEachRecord, valueOf } from '../protocol/record-batch.ts';
import { RecordBatchBuilder } from '../protocol/record-batch-builder.ts';
import { MetadataDelta, MetadataImage } from './metadata-image.ts';
import { decodeRecord, encodeRecord, type MetadataRecord } from './metadata-records.ts';
import type { MetadataListener, MetadataStore } from './metadata-store.ts';

/** Kafka's id of its own metadata topic. */
export const METADATA_TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';

const REPLAY_READ_BYTES = 1024 * 1024;

/** One writer, for ever in its first term. */
const LEADER_EPOCH = 1;

export class MetadataLog implements MetadataStore {
  readonly image: MetadataImage;
  readonly leaderId: number;
  readonly epoch = LEADER_EPOCH;
  readonly isActive = true;
  readonly #log: PartitionLog;
  readonly #clock: Clock;
  readonly #listeners: MetadataListener[] = [];
  #appliedOffset = -1;
  #appliedTimestamp = 0;

  constructor(log: PartitionLog, clock: Clock, image: MetadataImage, nodeId: number) {
    this.#log = log;
    this.#clock = clock;
    this.image = image;
    this.leaderId = nodeId;
  }

  onCommitted(listener: MetadataListener): void {
    this.#listeners.push(listener);
  }
  /** It never does. */
  onLeaderChange(): void {}

  /** Offset of the last record that was appended or replayed; -1: none. */
  get lastOffset(): number {
    return this.#appliedOffset;
  }
  /** Milliseconds since 1970 of the same. */
  get lastTimestamp(): number {
    return this.#appliedTimestamp;
  }

  /** Makes the image. Throws FatalError on a record that can't be read. */
  replay(): void {
    const end = this.#log.logEndOffset;
    for (let offset = this.#log.logStartOffset; offset < end; ) {
      const read = this.#log.read(offset, REPLAY_READ_BYTES, { upTo: end, minOneMessage: true });
      const bytes = joined(read.records);
      if (bytes.length === 0) break;
      for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
        forEachRecord(bytes, at, (record) => {
          try {
            this.image.apply(decodeRecord(valueOf(record) ?? Buffer.alloc(0)));
          } catch (error) {
            throw new FatalError(
              `metadata record at offset ${record.offset} is of no use: ${reasonOf(error)}`,
            );
          }
          this.#appliedTimestamp = record.timestamp;
          offset = record.offset + 1;
        });
      }
    }
    this.#appliedOffset = end - 1;
  }

  /** Appends one step and resolves when it is on the device. */
  async append(records: readonly MetadataRecord[]): Promise<number> {
    const now = this.#clock.now();
    const builder = new RecordBatchBuilder({ initialBytes: 1024 });
    for (const record of records) builder.append(now, null, encodeRecord(record));
    const info = this.#log.append(builder.build(), {
      leaderEpoch: LEADER_EPOCH,
      origin: 'coordinator',
    });
    await this.#log.flush();
    this.#log.setHighWatermark(this.#log.logEndOffset);
    this.#appliedOffset = info.lastOffset;
    this.#appliedTimestamp = now;
    const delta = new MetadataDelta();
    for (const record of records) this.image.apply(record, delta);
    for (const listener of this.#listeners) listener(delta, this.image);
    return info.lastOffset;
  }
}

const joined = (records: Uint8Array | readonly Uint8Array[]): Buffer =>
  records instanceof Uint8Array
    ? Buffer.from(records.buffer, records.byteOffset, records.length)
    : Buffer.concat(records);
