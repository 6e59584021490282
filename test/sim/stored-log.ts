/** What lies on a simulated disk, read without the broker's own reader. */
import {
  attributes,
  BATCH_OVERHEAD,
  batchSize,
  forEachRecord,
  isControl,
  keyOf,
  partitionLeaderEpoch,
  valueOf,
} from '../../src/protocol/record-batch.ts';
import type { KeyedRecord, StoredRecord } from '../check/history.ts';
import type { SimDisk } from './sim-disk.ts';

/** Records of a partition's segments up to `end`, in the order in which they lie there. */
export function storedRecords(disk: SimDisk, directory: string, end: number): StoredRecord[] {
  const records: StoredRecord[] = [];
  forEachBatch(disk, directory, (bytes, at) => {
    const epoch = partitionLeaderEpoch(bytes, at);
    const control = isControl(attributes(bytes, at));
    forEachRecord(bytes, at, (record) => {
      if (record.offset >= end) return;
      const value = control ? '' : (valueOf(record)?.toString('latin1') ?? '');
      records.push({ offset: record.offset, epoch, value });
    });
  });
  return records;
}

/** Records with keys in `[start, end)`, without markers. */
export function storedKeys(
  disk: SimDisk,
  directory: string,
  start: number,
  end: number,
): KeyedRecord[] {
  const records: KeyedRecord[] = [];
  forEachBatch(disk, directory, (bytes, at) => {
    if (isControl(attributes(bytes, at))) return;
    const epoch = partitionLeaderEpoch(bytes, at);
    forEachRecord(bytes, at, (record) => {
      if (record.offset < start || record.offset >= end) return;
      const key = keyOf(record)!.toString('latin1');
      const value = valueOf(record)?.toString('latin1') ?? null;
      records.push({ offset: record.offset, epoch, key, value });
    });
  });
  return records;
}

function forEachBatch(
  disk: SimDisk,
  directory: string,
  visit: (bytes: Buffer, at: number) => void,
): void {
  const segments = disk
    .paths()
    .filter((path) => path.startsWith(`${directory}/`) && path.endsWith('.log'))
    .sort();
  for (const path of segments) {
    const bytes = disk.content(path)!;
    let at = 0;
    while (bytes.length - at >= BATCH_OVERHEAD) {
      const size = batchSize(bytes, at);
      if (size < BATCH_OVERHEAD || size > bytes.length - at) break;
      visit(bytes, at);
      at += size;
    }
  }
}

/** The leader epochs as the partition's checkpoint has them. */
export function storedEpochs(
  disk: SimDisk,
  directory: string,
): { epoch: number; startOffset: number }[] {
  const text = disk.content(`${directory}/leader-epoch-checkpoint`)?.toString() ?? '';
  return text
    .split('\n')
    .slice(2)
    .filter((line) => line !== '')
    .map((line) => {
      const [epoch, startOffset] = line.split(' ');
      return { epoch: Number(epoch), startOffset: Number(startOffset) };
    });
}
