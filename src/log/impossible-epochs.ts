/**
 * Batches that claim a leader epoch that no leader has had yet. No checksum covers that field (the
 * leader writes it behind the producer's), so a start believes what a torn write or a flipped bit has
 * left there; who reads on behind such a batch would ask for an epoch of which no leader knows.
 *
 * What the batches hold is whole, so they stay: they count to the epoch before, in the file as well,
 * which the device has when this returns. A crash halfway leaves some as they were, to be found again
 * where a start looks for epochs in batches.
 */
import {
  BATCH_OVERHEAD,
  baseOffset,
  partitionLeaderEpoch,
  setPartitionLeaderEpoch,
} from '../protocol/record-batch.ts';
import type { EpochEntry } from './leader-epoch-file-cache.ts';
import type { LogParts } from './log-parts.ts';
import type { LogSegment } from './log-segment.ts';

/** Takes back all epochs above `highest`, of which there are some; throws what the disk does. */
export function takeBackImpossible(parts: LogParts, highest: number): void {
  const { epochs, segments, reader, tail, environment, path } = parts;
  const first = epochs.entries.find(({ epoch }) => epoch > highest)!;
  const entries = epochs.entries.filter(({ epoch }) => epoch <= highest);
  const { list } = segments;
  let corrected = 0;
  for (let i = Math.max(0, list.floor(first.startOffset)); i < list.length; i++) {
    corrected += correct(list.at(i)!, first.startOffset, highest, entries);
  }
  tail.clear();
  reader.forgetPlaces();
  epochs.restore(entries);
  environment.logger.error(`${path}: epochs above ${highest} are taken back`, {
    'weir.log.offset': first.startOffset,
    'weir.log.batches': corrected,
  });
}

/** Adds the epochs from `offset` on to `entries`; returns how many batches claimed an impossible one. */
function correct(
  segment: LogSegment,
  offset: number,
  highest: number,
  entries: EpochEntry[],
): number {
  const corrected: { readonly position: number; readonly header: Buffer }[] = [];
  segment.scanHeaders(segment.index.lookup(offset), (buffer, at, position) => {
    const before = entries.at(-1)?.epoch ?? -1;
    let epoch = partitionLeaderEpoch(buffer, at);
    if (epoch > highest) {
      epoch = Math.max(before, 0);
      const header = Buffer.from(buffer.subarray(at, at + BATCH_OVERHEAD));
      setPartitionLeaderEpoch(header, 0, epoch);
      corrected.push({ position, header });
    }
    if (epoch > before) entries.push({ epoch, startOffset: baseOffset(buffer, at) });
    return true;
  });
  for (const { position, header } of corrected) segment.overwrite(position, header);
  if (corrected.length > 0) segment.file.syncNow();
  return corrected.length;
}
