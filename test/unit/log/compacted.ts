/** Compacted logs for tests: filling them, cleaning them, and reading them record by record. */
import type { LogManager } from '../../../src/log/log-manager.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import {
  attributes,
  baseOffset,
  baseTimestamp,
  batchSize,
  forEachRecord,
  hasDeleteHorizon,
  keyOf,
  lastOffset,
  recordCount,
  valueOf,
} from '../../../src/protocol/record-batch.ts';
import {
  type BatchOptions,
  type BatchProducer,
  RecordBatchBuilder,
} from '../../../src/protocol/record-batch-builder.ts';
import type { Rig } from './support.ts';
import { bytesOf, NO_BOUND, START_MS } from './support.ts';

/** A key with its value; null is a tombstone. */
export type Pair = readonly [key: string, value: string | null];

export interface StoredRecord {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
}

export interface StoredBatch {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly count: number;
  /** When its tombstones may go; null: not said. */
  readonly deleteHorizon: number | null;
}

export function keyedBatch(
  pairs: readonly Pair[],
  options: BatchOptions & { timestamp?: number; producer?: BatchProducer } = {},
): Buffer {
  const builder = new RecordBatchBuilder(options);
  for (const [key, value] of pairs) {
    builder.append(
      options.timestamp ?? START_MS,
      Buffer.from(key),
      value === null ? null : Buffer.from(value),
    );
  }
  return builder.build(options.producer);
}

/** Appends a batch, and has it committed. */
export function put(
  log: PartitionLog,
  pairs: readonly Pair[],
  options?: Parameters<typeof keyedBatch>[1],
): number {
  const { firstOffset } = log.append(keyedBatch(pairs, options), {
    leaderEpoch: 0,
    origin: 'client',
  });
  log.setHighWatermark(log.logEndOffset);
  return firstOffset;
}

/** Closes the active segment, so that all there is can be cleaned. */
export async function close(log: PartitionLog): Promise<void> {
  log.roll();
  await log.flush();
}

/** Cleans what is due, as the timer would. */
export async function clean(rig: Rig, manager: LogManager): Promise<void> {
  // What the timer has begun is not what is asked for.
  await new Promise((resolve) => setImmediate(resolve));
  let isDone = false;
  const run = manager.cleaner.run().finally(() => {
    isDone = true;
  });
  while (!isDone) {
    rig.clock.advance(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await run;
}

export function stored(log: PartitionLog): { records: StoredRecord[]; batches: StoredBatch[] } {
  const records: StoredRecord[] = [];
  const batches: StoredBatch[] = [];
  let offset = log.logStartOffset;
  while (offset < log.logEndOffset) {
    const read = log.read(offset, 4096, NO_BOUND);
    const bytes = bytesOf(read);
    read.release?.();
    if (bytes.length === 0) break; // Nothing is left up to the end.
    for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
      batches.push({
        firstOffset: baseOffset(bytes, at),
        lastOffset: lastOffset(bytes, at),
        count: recordCount(bytes, at),
        deleteHorizon: hasDeleteHorizon(attributes(bytes, at)) ? baseTimestamp(bytes, at) : null,
      });
      forEachRecord(bytes, at, (record) => {
        records.push({
          offset: record.offset,
          key: keyOf(record)?.toString() ?? null,
          value: valueOf(record)?.toString() ?? null,
          timestamp: record.timestamp,
        });
      });
      offset = lastOffset(bytes, at) + 1;
    }
  }
  return { records, batches };
}

export const pairsOf = (log: PartitionLog): string[] =>
  stored(log).records.map(({ offset, key, value }) => `${offset} ${key}=${value}`);
