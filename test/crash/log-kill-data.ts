/** What the crash test and the process it kills agree on. */
import { defaultLogConfig, type LogConfig } from '../../src/log/log-config.ts';
import { RecordBatchBuilder } from '../../src/protocol/record-batch-builder.ts';

export const TOPIC_ID = 'Y3Jhc2gtdG9waWMtaWQtMQ';
export const PARTITIONS = 4;

export const crashConfig: LogConfig = {
  ...defaultLogConfig,
  segmentBytes: 200_000,
  indexIntervalBytes: 4096,
  fileDeleteDelayMs: 0,
};

/** What the record at an offset says; a reader can tell whether it is the one that was sent. */
export const crashValue = (seed: number, partition: number, offset: number): string =>
  `run ${seed} partition ${partition} offset ${offset} `;

/** A batch that is to begin at `first`. */
export function crashBatch(
  seed: number,
  partition: number,
  first: number,
  count: number,
  padding: number,
): Buffer {
  const builder = new RecordBatchBuilder();
  const filler = '.'.repeat(padding);
  for (let i = 0; i < count; i++) {
    const value = crashValue(seed, partition, first + i) + filler;
    builder.append(1_700_000_000_000 + first + i, null, Buffer.from(value));
  }
  return builder.build();
}
