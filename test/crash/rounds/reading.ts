/** Everything of a partition that is for readers of committed records. */
import { forEachFetchedRecord } from '../../../src/client/fetched-batch.ts';
import { batchSize, keyOf, lastOffset, valueOf } from '../../../src/protocol/record-batch.ts';
import { fetch, type WireClient } from '../../unit/broker/fixture.ts';

export interface ReadRecord {
  readonly offset: number;
  readonly key: string;
  /** Null: a tombstone. */
  readonly value: string | null;
}

const READ_COMMITTED = 1;
const PATIENCE_MS = 5_000;
const WAIT_MS = 50;

/** From that offset to the end. A transaction that hangs in the way is one of the `faults`. */
export async function readCommitted(
  client: WireClient,
  topic: string,
  partition: number,
  from: number,
  faults: string[],
): Promise<{ records: ReadRecord[]; end: number }> {
  const found: ReadRecord[] = [];
  const until = performance.now() + PATIENCE_MS;
  for (let at = from; ; ) {
    const answer = await fetch(client, topic, at, {
      partition,
      isolationLevel: READ_COMMITTED,
      partitionMaxBytes: 16_000_000,
      maxWaitMs: WAIT_MS,
    });
    if (answer.errorCode !== 0) throw new Error(`${topic}-${partition}: error ${answer.errorCode}`);
    const records = answer.records as Buffer;
    if (records.length === 0) {
      const { highWatermark, lastStableOffset } = answer;
      if (at < highWatermark && performance.now() < until) continue;
      if (at < highWatermark) {
        faults.push(`${topic}-${partition} of ${highWatermark} is stable to ${lastStableOffset}`);
      }
      return { records: found, end: at };
    }
    const batch = {
      topic,
      topicId: '',
      partition,
      fetchOffset: at,
      nextOffset: at,
      highWatermark: answer.highWatermark,
      lastStableOffset: answer.lastStableOffset,
      logStartOffset: answer.logStartOffset,
      abortedTransactions: answer.abortedTransactions ?? [],
      records,
    };
    forEachFetchedRecord(batch, (record) => {
      const { offset } = record;
      found.push({
        offset,
        key: String(keyOf(record)),
        value: valueOf(record)?.toString() ?? null,
      });
    });
    for (let i = 0; i < records.length; i += batchSize(records, i)) at = lastOffset(records, i) + 1;
  }
}
