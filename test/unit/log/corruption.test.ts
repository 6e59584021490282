import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { batchSize } from '../../../src/protocol/record-batch.ts';
import { appendValues, codeThrown, makeRig, numbered, readAll } from './support.ts';

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
