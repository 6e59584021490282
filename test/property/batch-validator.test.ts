/**
 * Batches with a right checksum over wrong contents: each is refused with an error of the protocol
 * and leaves the log as it was, or is taken, read back whole, and still there after a kill.
 */
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/base/crc32c.ts';
import { below, type Random, seededRandom } from '../../src/base/random.ts';
import type { LogConfig } from '../../src/log/log-config.ts';
import type { PartitionLog } from '../../src/log/partition-log.ts';
import { CompressionType } from '../../src/protocol/compression.ts';
import { batchSize, lastOffset, validateBatch } from '../../src/protocol/record-batch.ts';
import { fuzzRounds, fuzzSeed } from '../support/fuzz.ts';
import { batchOf, bytesOf, codeThrown, makeRig, NO_BOUND, numbered } from '../unit/log/support.ts';

const ROUNDS = fuzzRounds(2_000);
const SEED = fuzzSeed(20_261_130);
/** The checksum, and what it covers. */
const CRC_AT = 17;
const COVERED_AT = 21;
const CODECS = Object.values(CompressionType);
const HOSTILE = [-1, -2, 0, 1, 2, 6, 7, 0x7fff, 0x7fff_ffff, -0x8000_0000] as const;

/** Where the fields of the header behind the checksum begin, and the records behind them. */
const FIELDS = [21, 23, 27, 35, 43, 51, 53, 57, 61];

/** A good batch, most of the time with some of its bytes changed and the checksum made right. */
function drawn(random: Random): Buffer {
  const batch = batchOf(numbered(1 + below(random, 5)), {
    compression: CODECS[below(random, CODECS.length)]!,
    ...(below(random, 2) === 0 ? { key: 'k' } : {}),
    ...(below(random, 2) === 0 ? { producer: { id: 7, epoch: 0, baseSequence: 0 } } : {}),
  });
  for (let changes = below(random, 4); changes > 0; changes--) {
    const at = FIELDS[below(random, FIELDS.length)]!;
    const value = HOSTILE[below(random, HOSTILE.length)]!;
    if (below(random, 3) === 0) {
      batch[COVERED_AT + below(random, batch.length - COVERED_AT)] = below(random, 256);
    } else if (at === 21 || at === 51) batch.writeUInt16BE(value & 0xffff, at);
    else if (at + 4 <= batch.length) batch.writeInt32BE(value, at);
  }
  batch.writeUInt32BE(crc32c(batch.subarray(COVERED_AT)), CRC_AT);
  // The length, sometimes: the checksum does not cover it.
  if (below(random, 20) === 0) batch.writeInt32BE(HOSTILE[below(random, HOSTILE.length)]!, 8);
  return batch;
}

/** Ends of the batches from an offset on; throws when one of them is not whole. */
function endsFrom(log: PartitionLog, from: number): number[] {
  const ends: number[] = [];
  for (let offset = from; offset < log.logEndOffset; offset = ends.at(-1)!) {
    const read = log.read(offset, 1_000_000, NO_BOUND);
    const bytes = bytesOf(read);
    read.release?.();
    for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
      expect(validateBatch(bytes, at, bytes.length)).toBeNull();
      ends.push(lastOffset(bytes, at) + 1);
    }
  }
  return ends;
}

const topics: readonly [name: string, config: Partial<LogConfig>][] = [
  ['a usual topic', {}],
  ['a compacted topic', { cleanupPolicy: ['compact'] }],
  ['a topic with times of appending', { messageTimestampType: 'LogAppendTime' }],
  ['a topic with bounds of age', { messageTimestampBeforeMaxMs: 1000 }],
  ['a topic that packs anew', { compressionType: 'zstd' }],
];

describe.each(topics)('%s', (_, config) => {
  it('takes whole batches, or nothing', async () => {
    const random = seededRandom(SEED);
    const rig = makeRig({ segmentBytes: 50_000, ...config });
    const { manager, log } = await rig.open();
    const ends: number[] = [];
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const before = log.logEndOffset;
      const batch = drawn(random);
      const code = codeThrown(() => {
        const { lastOffset: last, duplicate } = log.append(batch, {
          leaderEpoch: 0,
          origin: 'client',
        });
        if (duplicate) return;
        expect(log.logEndOffset).toBe(last + 1);
        ends.push(last + 1);
      });
      if (code === 0) continue;
      refused++;
      expect(log.logEndOffset).toBe(before);
    }
    // Both ways must have been walked for the comparison to mean anything.
    expect(refused).toBeGreaterThan(ROUNDS / 10);
    expect(ends.length).toBeGreaterThan(ROUNDS / 50);
    expect(endsFrom(log, 0)).toEqual(ends);

    manager.abandon();
    const again = await rig.open();
    expect(again.log.logEndOffset).toBe(ends.at(-1));
    expect(endsFrom(again.log, 0)).toEqual(ends);
    await again.manager.stop();
  });
});
