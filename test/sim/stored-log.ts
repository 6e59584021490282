/** What lies on a simulated disk, read without the broker's own reader. */
import {
  attributes,
  BATCH_OVERHEAD,
  batchSize,
  forEachRecord,
  isControl,
  partitionLeaderEpoch,
  valueOf,
} from '../../src/protocol/record-batch.ts';
import type { StoredRecord } from '../check/history.ts';
import type { SimDisk } from './sim-disk.ts';

/** Records of a partition's segments up to `end`, in the order in which they lie there. */
export function storedRecords(disk: SimDisk, directory: string, end: number): StoredRecord[] {
  const records: StoredRecord[] = [];
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
      const epoch = partitionLeaderEpoch(bytes, at);
      const control = isControl(attributes(bytes, at));
      forEachRecord(bytes, at, (record) => {
        if (record.offset >= end) return;
        const value = control ? '' : (valueOf(record)?.toString('latin1') ?? '');
        records.push({ offset: record.offset, epoch, value });
      });
      at += size;
    }
  }
  return records;
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
