/** Steps of the metadata log as bytes: a batch is a step, all of whose records happen or none. */
import { FatalError, reasonOf } from '../../base/errors.ts';
import {
  baseOffset,
  batchSize,
  forEachRecord,
  lastOffset,
  maxTimestamp,
  partitionLeaderEpoch,
  setBaseOffset,
  setPartitionLeaderEpoch,
  valueOf,
} from '../../protocol/record-batch.ts';
import { RecordBatchBuilder } from '../../protocol/record-batch-builder.ts';
import { decodeRecord, encodeRecord, type MetadataRecord } from '../metadata-records.ts';

const STEP_BYTES = 1024;

export interface Step {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly epoch: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly bytes: number;
  readonly records: readonly MetadataRecord[];
}

/** One batch of these records; `timestamp` in milliseconds since 1970. */
export function encodeStep(records: readonly MetadataRecord[], timestamp: number): Buffer {
  const builder = new RecordBatchBuilder({ initialBytes: STEP_BYTES });
  for (const record of records) builder.append(timestamp, null, encodeRecord(record));
  return builder.build();
}

/** The same, placed where it lies in a file that is not a log (a snapshot). */
export function encodeStepAt(
  records: readonly MetadataRecord[],
  timestamp: number,
  offset: number,
  epoch: number,
): Buffer {
  const batch = encodeStep(records, timestamp);
  setBaseOffset(batch, 0, offset);
  setPartitionLeaderEpoch(batch, 0, epoch);
  return batch;
}

/** Whole batches, one after another. Throws FatalError on a record that can't be read. */
export function* decodeSteps(bytes: Buffer): Generator<Step> {
  for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
    const records: MetadataRecord[] = [];
    forEachRecord(bytes, at, (record) => {
      try {
        records.push(decodeRecord(valueOf(record) ?? Buffer.alloc(0)));
      } catch (error) {
        throw new FatalError(
          `metadata record at offset ${record.offset} is of no use: ${reasonOf(error)}`,
        );
      }
    });
    yield {
      firstOffset: baseOffset(bytes, at),
      lastOffset: lastOffset(bytes, at),
      epoch: partitionLeaderEpoch(bytes, at),
      timestamp: maxTimestamp(bytes, at),
      bytes: batchSize(bytes, at),
      records,
    };
  }
}

/** The pieces of a read as one buffer of its own. */
export const copied = (pieces: Uint8Array | readonly Uint8Array[]): Buffer =>
  pieces instanceof Uint8Array ? Buffer.from(pieces) : Buffer.concat(pieces);
