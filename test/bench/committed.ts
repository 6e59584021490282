/**
 * Reads a topic at read_committed and holds it against what was committed: each producer's records
 * of each epoch are there in their order, each once, and nothing else is.
 */
import {
  attributes,
  baseSequence,
  isControl,
  lastOffsetDelta,
  producerEpoch,
  producerId,
} from '../../src/protocol/record-batch.ts';
import { PartitionReader } from './partition-reader.ts';
import type { Address } from './raw-connection.ts';
import type { CommittedTransaction } from './transaction-loader.ts';

const ANSWER_BYTES = 4 * 1024 * 1024;
/** The markers of the last transactions come behind the answers. */
const MARKERS_MS_MAX = 10_000;

const keyOf = (id: number, epoch: number): string => `producer ${id}, epoch ${epoch}`;

/** Throws when the records are not exactly those; resolves to how many there are. */
export async function checkCommitted(
  address: Address,
  topic: string,
  partitions: number,
  committed: readonly CommittedTransaction[],
): Promise<number> {
  const expected = new Map(committed.map((t) => [keyOf(t.producerId, t.producerEpoch), t.records]));
  const counts = await Promise.all(
    Array.from({ length: partitions }, (_, i) => checkPartition(address, topic, i, expected)),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

async function checkPartition(
  address: Address,
  topic: string,
  partition: number,
  expected: ReadonlyMap<string, number>,
): Promise<number> {
  const seen = new Map<string, number>();
  const wrong = (what: string): Error => new Error(`${topic}-${partition}: ${what}`);
  const source = { ...address, topic, partition, maxBytes: ANSWER_BYTES, committedOnly: true };
  const reader = await PartitionReader.open(source, (head) => {
    if (isControl(attributes(head, 0))) return;
    const key = keyOf(producerId(head, 0), producerEpoch(head, 0));
    const before = seen.get(key) ?? 0;
    const sequence = baseSequence(head, 0);
    if (sequence !== before) throw wrong(`${key}: sequence ${sequence} behind ${before} records`);
    seen.set(key, before + lastOffsetDelta(head, 0) + 1);
  });
  const until = performance.now() + MARKERS_MS_MAX;
  for (let offset = 0, end = 1; offset < end; ) {
    const before = offset;
    ({ nextOffset: offset, highWatermark: end } = await reader.fetch(offset));
    if (offset === before && offset < end && performance.now() > until) {
      throw wrong(`the records from ${offset} to ${end} are of no transaction that has ended`);
    }
  }
  reader.close();
  for (const [key, count] of seen) {
    if (expected.get(key) !== count) {
      throw wrong(`${key}: ${count} records, ${expected.get(key) ?? 0} were committed`);
    }
  }
  const missing = [...expected.keys()].find((key) => !seen.has(key));
  if (missing !== undefined) throw wrong(`${missing}: no record, but some were committed`);
  return [...seen.values()].reduce((sum, count) => sum + count, 0);
}
