import {
  attributes,
  BATCH_OVERHEAD,
  baseOffset,
  batchSize,
  forEachRecord,
  isControl,
  isTransactional,
  lastOffset,
  producerId,
  type RecordView,
} from '../protocol/record-batch.ts';

/** Whole record batches of one partition, as the broker keeps them, whose checksums are right. */
export interface FetchedBatch {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  /** Offset that was asked for; the first batch may begin before it. */
  readonly fetchOffset: number;
  /** Offset behind the last record. */
  readonly nextOffset: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  /** With read_committed: whose transactional records to skip, from which offset on. */
  readonly abortedTransactions: readonly { producerId: number; firstOffset: number }[];
  readonly records: Buffer;
}

/**
 * Calls `visit` with the position of every batch in `records`. Stops before a batch cut short, and
 * before one for which `visit` returns false; returns where it has stopped.
 */
export function forEachBatch(records: Buffer, visit: (position: number) => boolean | void): number {
  let position = 0;
  while (records.length - position >= BATCH_OVERHEAD) {
    const size = batchSize(records, position);
    if (size < BATCH_OVERHEAD || size > records.length - position) break;
    if (visit(position) === false) break;
    position += size;
  }
  return position;
}

/**
 * Visits the records that are for applications: from the offset asked for on, without control
 * batches, and with read_committed without what was aborted. `visit` gets one reused view; it may
 * return false to stop. Throws RangeError on records that are damaged.
 */
export function forEachFetchedRecord(
  fetched: FetchedBatch,
  visit: (record: RecordView) => boolean | void,
): void {
  const { records, fetchOffset } = fetched;
  const aborted = [...fetched.abortedTransactions].sort((a, b) => a.firstOffset - b.firstOffset);
  const abortedProducers = new Set<number>();
  let stopped = false;
  forEachBatch(records, (position) => {
    const last = lastOffset(records, position);
    if (stopped || last < fetchOffset) return;
    while (aborted.length > 0 && aborted[0]!.firstOffset <= last) {
      abortedProducers.add(aborted.shift()!.producerId);
    }
    const bits = attributes(records, position);
    if (isControl(bits)) {
      // Any marker ends the producer's transaction.
      abortedProducers.delete(producerId(records, position));
      return;
    }
    if (isTransactional(bits) && abortedProducers.has(producerId(records, position))) return;
    const whole = baseOffset(records, position) >= fetchOffset;
    forEachRecord(records, position, (record) => {
      if (!whole && record.offset < fetchOffset) return undefined;
      const more = visit(record);
      if (more === false) stopped = true;
      return more;
    });
  });
}
