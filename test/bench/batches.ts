/** Batches as busy senders build them, encoded before anything is measured. */
import { CompressionType } from '../../src/protocol/compression.ts';
import { RecordBatchBuilder } from '../../src/protocol/record-batch-builder.ts';

export interface BatchShape {
  readonly recordBytes: number;
  readonly compression: keyof typeof CompressionType;
  /** Of the whole batch, before compression. */
  readonly batchBytes: number;
}

export interface EncodedBatch {
  readonly batch: Buffer;
  readonly records: number;
  /** Bytes of the records' values, before compression. */
  readonly values: number;
}

function logLikeRecord(size: number, i: number): Buffer {
  const line = `{"@timestamp":"2026-01-01T00:00:${i % 60}.123Z","message":"GET /items/${(i * 7919) % 100_003} ${i % 7 ? 200 : 404} in ${(i * 31) % 977} ms","user":${(i * 104_729) % 1_000_003}}`;
  return Buffer.from(line.repeat(Math.ceil(size / line.length)).slice(0, size));
}

/** `attributes`: bits of the batch beside its compression. */
export function encodeBatch(shape: BatchShape, attributes = 0): EncodedBatch {
  const builder = new RecordBatchBuilder({
    compression: CompressionType[shape.compression],
    initialBytes: shape.batchBytes + 4096,
    attributes,
  });
  // Of now: old records would be deleted by retention while they are measured.
  const now = Date.now() - 60_000;
  for (let i = 0; builder.sizeInBytes + shape.recordBytes + 20 < shape.batchBytes; i++) {
    builder.append(now + i, null, logLikeRecord(shape.recordBytes, i));
  }
  const records = builder.count;
  return { batch: builder.build(), records, values: records * shape.recordBytes };
}
