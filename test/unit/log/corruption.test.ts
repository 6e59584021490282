import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { batchSize, partitionLeaderEpoch } from '../../../src/protocol/record-batch.ts';
import {
  appendValues,
  batchOf,
  bytesOf,
  codeThrown,
  makeRig,
  numbered,
  readAll,
} from './support.ts';

const SEGMENT = '/data/t-0/00000000000000000000.log';

describe('a bit that flips on the disk after a clean stop', () => {
  it('is never served, and what lies around it is', async () => {
    const rig = makeRig({ indexIntervalBytes: 150 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 12; i++) appendValues(log, numbered(2, i * 2));
    await manager.stop();
    const bytes = rig.disk.content(SEGMENT);
    const size = batchSize(bytes, 0);
    for (let at = 3 * size; at < 4 * size; at++) {
      const field = at - 3 * size;
      // Base offset and leader epoch are not under the CRC.
      if (field < 8 || (field >= 12 && field < 16)) continue;
      const disk = rig.disk.clone();
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x04;
      disk.setContent(SEGMENT, damaged);
      const opened = await makeRig({ indexIntervalBytes: 150 }, disk).open();
      const label = `byte ${field} of the batch`;
      expect(opened.log.logEndOffset, label).toBe(24);
      for (const offset of [6, 7]) {
        const code = codeThrown(() => readAll(opened.log, 60, offset));
        expect(code, label).toBe(ErrorCode.CORRUPT_MESSAGE);
      }
      expect(readAll(opened.log, 10_000, 8).size, label).toBe(16);
      expect(opened.log.read(0, 10_000, { upTo: 24, minOneMessage: true }).bytes).toBe(3 * size);
      expect(opened.manager.probe.corruptBatches, label).toBeGreaterThan(0);
      expect(opened.log.logDirectory.failure).toBeNull();
      opened.manager.abandon();
    }
  });

  it.each(['stopped', 'killed'] as const)(
    'is taken back in the term of a batch, which no checksum covers (%s)',
    async (how) => {
      const rig = makeRig({ segmentBytes: 300 });
      const { manager, log } = await rig.open();
      const terms = [1, 1, 1, 1, 2, 2, 2, 6, 6, 6];
      for (const [i, leaderEpoch] of terms.entries()) {
        log.append(batchOf(numbered(2, i * 2)), { leaderEpoch, origin: 'client' });
      }
      await log.flush();
      if (how === 'stopped') await manager.stop();
      else {
        await manager.checkpoint();
        manager.abandon();
      }
      const segments = rig.disk.list('/data/t-0').filter((name) => name.endsWith('.log'));
      let i = 0;
      for (const path of segments.map((name) => `/data/t-0/${name}`)) {
        const bytes = rig.disk.content(path);
        for (let at = 0; at < bytes.length; at += batchSize(bytes, at), i++) {
          for (let bit = 0; bit < 32; bit++) {
            const term = (terms[i]! ^ (1 << bit)) | 0;
            const disk = rig.disk.clone();
            const damaged = Buffer.from(bytes);
            damaged.writeInt32BE(term, at + 12);
            disk.setContent(path, damaged);
            const { log: again, manager: life } = await makeRig({ segmentBytes: 300 }, disk).open();
            const label = `batch ${i} of term ${terms[i]} says ${term}`;
            const found = again.read(i * 2, 1, { upTo: 20, minOneMessage: true });
            expect(partitionLeaderEpoch(bytesOf(found), 0), label).toBe(terms[i]);
            expect(disk.content(path).readInt32BE(at + 12), label).toBe(terms[i]);
            expect([...readAll(again).values()], label).toEqual(numbered(20));
            const ends = [1, 2, 6].map((epoch) => again.endOffsetForEpoch(epoch).endOffset);
            expect(ends, label).toEqual([8, 14, 20]);
            expect(again.latestEpoch, label).toBe(6);
            life.abandon();
          }
        }
      }
      expect(i).toBe(10);
    },
  );

  // The batch of offsets 6 and 7 is damaged, the last one of a segment or not; with few index entries, or one
  // for nearly each batch.
  const cuts = [
    [6, 10_000],
    [6, 360],
    [8, 10_000],
    [8, 360],
    [20, 10_000],
  ].flatMap((given) => [100_000, 100, 1].map((interval) => [...given, interval] as const));
  it.each(cuts)(
    'takes along what is cut off at %i, and nothing else (segments of %i, index of %i)',
    async (...given) => {
      const [cut, segmentBytes, indexIntervalBytes] = given as [number, number, number];
      const config = { indexIntervalBytes, segmentBytes };
      const rig = makeRig(config);
      const { manager, log } = await rig.open();
      for (let i = 0; i < 12; i++) appendValues(log, numbered(2, i * 2));
      await manager.stop();
      const bytes = rig.disk.content(SEGMENT);
      const size = batchSize(bytes, 0);
      for (let at = 0; at < size; at++) {
        // The leader epoch is covered by nothing; nor is the base offset, which has its place.
        if (at >= 12 && at < 16) continue;
        for (const bit of [0, 2, 6]) {
          const disk = rig.disk.clone();
          const damaged = Buffer.from(bytes);
          damaged[3 * size + at]! ^= 1 << bit;
          disk.setContent(SEGMENT, damaged);
          const opened = await makeRig(config, disk).open();
          const label = `bit ${bit} of byte ${at}`;
          opened.log.truncateTo(cut);
          expect(appendValues(opened.log, ['new']), label).toBe(cut);
          const behind = cut > 8 ? numbered(cut - 8, 8) : [];
          const read = readAll(opened.log, 10_000, Math.min(cut, 8));
          expect([...read.values()], label).toEqual([...behind, 'new']);
          const { bytes: before } = opened.log.read(0, 10_000, { upTo: cut, minOneMessage: true });
          expect(before, label).toBe(3 * size);
          opened.manager.abandon();
        }
      }
    },
  );

  it('is not seen in a batch of which one has had the first records, and waits for the others', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    appendValues(log, numbered(4));
    appendValues(log, numbered(2, 4));
    await manager.stop();
    const { log: again } = await makeRig({}, rig.disk).open();
    for (let i = 0; i < 2; i++) {
      expect(again.read(2, 1000, { upTo: 3, minOneMessage: true }).bytes).toBe(0);
      expect(again.read(2, 10, { upTo: 6, minOneMessage: false }).bytes).toBe(0);
    }
    expect(again.read(2, 1000, { upTo: 6, minOneMessage: true }).nextOffset).toBe(6);
  });

  it('is looked for once: what was checked is not checked again', async () => {
    const rig = makeRig();
    const first = await rig.open();
    for (let i = 0; i < 12; i++) appendValues(first.log, numbered(2, i * 2));
    await first.manager.stop();
    const { log } = await rig.open();
    readAll(log);
    const bytes = rig.disk.content(SEGMENT);
    bytes[bytes.length - 1]! ^= 1;
    rig.disk.setContent(SEGMENT, bytes);
    expect(log.read(22, 1000, { upTo: 24, minOneMessage: true }).bytes).toBeGreaterThan(0);
    const unchecked = await makeRig({}, rig.disk).open({ verifyReads: false });
    expect(unchecked.log.read(22, 1000, { upTo: 24, minOneMessage: true }).bytes).toBeGreaterThan(
      0,
    );
  });
});
