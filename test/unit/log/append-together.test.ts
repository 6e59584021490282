import { describe, expect, it } from 'vitest';
import { type ClientBatch, NotAppended } from '../../../src/log/log-appends.ts';
import { type PartitionLog } from '../../../src/log/partition-log.ts';
import { ErrorCode, ProtocolError } from '../../../src/protocol/error-codes.ts';
import { batchOf, makeRig, numbered, type Rig, readAll } from './support.ts';

const given = (records: Buffer): ClientBatch => ({ records, reused: false, verification: null });

const append = (log: PartitionLog, batches: readonly Buffer[]): (number | string)[] =>
  log.appendTogether(batches.map(given), 0).map((outcome) => {
    if (!(outcome instanceof NotAppended)) return outcome.firstOffset;
    if (!(outcome.error instanceof ProtocolError)) throw outcome.error;
    return `error ${outcome.error.code}`;
  });

const producer = { id: 7, epoch: 0 };

function countWrites(rig: Rig): () => number {
  let writes = 0;
  rig.disk.watch = ({ operation, path }) => {
    if (operation === 'write' && path.endsWith('.log')) writes++;
  };
  return () => writes;
}

describe('batches that came together', () => {
  it('are written with one call', async () => {
    const rig = makeRig();
    const { log } = await rig.open();
    const writes = countWrites(rig);
    const batches = [0, 2, 4].map((baseSequence) =>
      batchOf(numbered(2, baseSequence), { producer: { ...producer, baseSequence } }),
    );
    expect(append(log, [...batches, batchOf(['other'])])).toEqual([0, 2, 4, 6]);
    expect(writes()).toBe(1);
    expect([...readAll(log).values()]).toEqual([...numbered(6), 'other']);
  });

  it('are written with one call for each segment', async () => {
    const batch = (): Buffer => batchOf(['x'.repeat(100)]);
    const size = batch().length;
    const rig = makeRig({ segmentBytes: 2 * size });
    const { log } = await rig.open();
    const writes = countWrites(rig);
    expect(append(log, [batch(), batch(), batch()])).toEqual([0, 1, 2]);
    expect(writes()).toBe(2);
    expect([...log.segments].map((segment) => segment.size)).toEqual([2 * size, size]);
  });

  it('know a repetition of one another', async () => {
    const { log } = await makeRig().open();
    const first = (): Buffer => batchOf(['a'], { producer: { ...producer, baseSequence: 0 } });
    const second = batchOf(['b'], { producer: { ...producer, baseSequence: 1 } });
    expect(append(log, [first(), first(), second])).toEqual([0, 0, 1]);
    expect(log.logEndOffset).toBe(2);
  });

  it('are refused one by one', async () => {
    const { log } = await makeRig().open();
    const damaged = batchOf(['b']);
    damaged[damaged.length - 1]! ^= 1;
    const gap = batchOf(['c'], { producer: { ...producer, baseSequence: 0 } });
    const behindGap = batchOf(['d'], { producer: { ...producer, baseSequence: 5 } });
    expect(append(log, [batchOf(['a']), damaged, gap, behindGap, batchOf(['e'])])).toEqual([
      0,
      `error ${ErrorCode.CORRUPT_MESSAGE}`,
      1,
      `error ${ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER}`,
      2,
    ]);
    expect([...readAll(log).values()]).toEqual(['a', 'c', 'e']);
  });

  it.each(['short', 'ENOSPC'])(
    'are all refused by a full disk, which changes nothing (%s)',
    async (how) => {
      const rig = makeRig();
      const { log } = await rig.open();
      append(log, [batchOf(['before'])]);
      const sequenced = (baseSequence: number): Buffer =>
        batchOf([`s${baseSequence}`], { producer: { ...producer, baseSequence } });
      rig.disk.fault = ({ operation, path }) => {
        if (operation !== 'write' || !path.endsWith('.log')) return null;
        return how === 'short' ? 'short' : Object.assign(new Error('no room'), { code: how });
      };
      const refusal = `error ${ErrorCode.KAFKA_STORAGE_ERROR}`;
      expect(append(log, [sequenced(0), batchOf(['x']), sequenced(1)])).toEqual([
        refusal,
        refusal,
        refusal,
      ]);
      rig.disk.fault = () => null;
      expect(log.logEndOffset).toBe(1);
      expect(append(log, [sequenced(0), sequenced(1)])).toEqual([1, 2]);
      expect([...readAll(log).values()]).toEqual(['before', 's0', 's1']);
    },
  );
});
