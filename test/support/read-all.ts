/** Everything that a topic has for readers of committed records. */
import type { Client } from '../../src/client/client.ts';
import { forEachFetchedRecord } from '../../src/client/fetched-batch.ts';
import { Fetcher } from '../../src/client/fetcher.ts';
import { keyOf, valueOf } from '../../src/protocol/record-batch.ts';

export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly value: string;
}

const WAIT_MS = 300;
/** Polls without a record, after which there is no more. */
const SILENT_POLLS = 3;

/** In the order of each partition; from `offsets` on (by partition), where there are any. */
export async function readAll(
  client: Client,
  topic: string,
  partitions: number,
  offsets: readonly number[] = [],
): Promise<TopicRecord[]> {
  const fetcher = new Fetcher(client, { isolation: 'read_committed', maxWaitMs: 200 });
  fetcher.assign(
    Array.from({ length: partitions }, (_, partition) => {
      return { topic, partition, offset: offsets[partition] ?? 'earliest' };
    }),
  );
  const records: TopicRecord[] = [];
  for (let silent = 0; silent < SILENT_POLLS; ) {
    const batches = await fetcher.poll(WAIT_MS);
    silent = batches.length === 0 ? silent + 1 : 0;
    for (const batch of batches) {
      const { partition } = batch;
      forEachFetchedRecord(batch, (record) => {
        const [key, value] = [String(keyOf(record)), String(valueOf(record))];
        records.push({ partition, offset: record.offset, key, value });
      });
    }
  }
  fetcher.close();
  return records;
}
