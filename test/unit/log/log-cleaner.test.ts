import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { type CleanerSettings, defaultCleanerSettings } from '../../../src/log/log-cleaner.ts';
import type { LogConfig } from '../../../src/log/log-config.ts';
import type { LogManager } from '../../../src/log/log-manager.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { CompressionType } from '../../../src/protocol/compression.ts';
import { encodeMarkerBatch } from '../../../src/protocol/end-transaction-marker.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  BatchAttribute,
  batchSize,
  setBaseOffset,
  setPartitionLeaderEpoch,
} from '../../../src/protocol/record-batch.ts';
import { type FaultyDisk, systemError } from '../../support/faulty-disk.ts';
import { clean, close, keyedBatch, type Pair, pairsOf, put, stored } from './compacted.ts';
import { appendValues, codeThrown, makeRig, numbered, type Rig, START_MS } from './support.ts';

const DAY_MS = 24 * 3_600_000;

const COMPACTED: Partial<LogConfig> = {
  cleanupPolicy: ['compact'],
  minCleanableDirtyRatio: 0,
  retentionMs: -1,
  segmentBytes: 1000,
};

const settingsWith =
  (settings: Partial<CleanerSettings>): (() => CleanerSettings) =>
  () => ({ ...defaultCleanerSettings, ...settings });

const filesOf = (names: readonly string[], suffix: string): string[] =>
  names.filter((name) => name.endsWith(suffix));

describe('compaction', () => {
  it('keeps the last record of each key, at its offset and in order', async () => {
    const rig = makeRig(COMPACTED);
    const { manager, log } = await rig.open();
    put(log, [
      ['a', '1'],
      ['b', '1'],
      ['a', '2'],
    ]);
    put(log, [
      ['c', '1'],
      ['b', '2'],
    ]);
    put(log, [['a', '3']]);
    await close(log);
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['3 c=1', '4 b=2', '5 a=3']);
    expect([log.logStartOffset, log.logEndOffset, log.highWatermark]).toEqual([0, 6, 6]);
    expect(log.cleanedTo).toBe(6);
    expect(manager.cleaner.stats.passes).toBe(1);
  });

  it('leaves a batch of which everything stays as it is, byte for byte', async () => {
    const rig = makeRig({ ...COMPACTED, segmentBytes: 100_000 });
    const { manager, log } = await rig.open();
    for (const compression of Object.values(CompressionType)) {
      put(log, [[`k${compression}`, 'x'.repeat(50)]], { compression });
    }
    await close(log);
    const before = rig.disk.content(`${log.path}/00000000000000000000.log`);
    await clean(rig, manager);
    expect(rig.disk.content(`${log.path}/00000000000000000000.log`).equals(before)).toBe(true);
  });

  it('keeps the codec of a batch that it writes anew', async () => {
    const rig = makeRig({ ...COMPACTED, segmentBytes: 100_000 });
    const { manager, log } = await rig.open();
    for (const compression of Object.values(CompressionType)) {
      put(
        log,
        [
          ['same', 'x'.repeat(50)],
          [`k${compression}`, 'y'],
        ],
        { compression },
      );
    }
    await close(log);
    await clean(rig, manager);
    const bytes = rig.disk.content(`${log.path}/00000000000000000000.log`);
    const codecs: number[] = [];
    for (let at = 0; at < bytes.length; at += 12 + bytes.readInt32BE(at + 8)) {
      codecs.push(bytes.readInt16BE(at + 21) & 7);
    }
    expect(codecs).toEqual(Object.values(CompressionType));
    expect(pairsOf(log)).toEqual([
      '1 k0=y',
      '3 k1=y',
      '5 k2=y',
      '7 k3=y',
      `8 same=${'x'.repeat(50)}`,
      '9 k4=y',
    ]);
  });

  it('never touches the active segment', async () => {
    const rig = makeRig(COMPACTED);
    const { manager, log } = await rig.open();
    put(log, [
      ['a', '1'],
      ['a', '2'],
    ]);
    await close(log);
    put(log, [
      ['a', '3'],
      ['a', '4'],
    ]);
    await log.flush();
    await clean(rig, manager);
    // What is in there pushes nothing out either.
    expect(pairsOf(log)).toEqual(['1 a=2', '2 a=3', '3 a=4']);
  });

  it('lets nothing that is not committed push out what is', async () => {
    const rig = makeRig(COMPACTED);
    const { manager, log } = await rig.open();
    put(log, [
      ['a', '1'],
      ['a', '2'],
    ]);
    await close(log);
    log.append(keyedBatch([['a', '3']]), { leaderEpoch: 0, origin: 'client' });
    await close(log);
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['1 a=2', '2 a=3']);
    log.setHighWatermark(3);
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['2 a=3']);
  });

  it('marks tombstones when it first meets them, and drops them delete.retention.ms later', async () => {
    const rig = makeRig({ ...COMPACTED, deleteRetentionMs: DAY_MS });
    const { manager, log } = await rig.open();
    put(log, [
      ['a', '1'],
      ['b', '1'],
    ]);
    put(log, [
      ['a', null],
      ['c', '1'],
    ]);
    await close(log);
    const seenAt = rig.clock.now();
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['1 b=1', '2 a=null', '3 c=1']);
    const [, marked] = stored(log).batches;
    expect(marked?.deleteHorizon).toBeGreaterThanOrEqual(seenAt + DAY_MS);
    expect(marked?.deleteHorizon).toBeLessThan(seenAt + DAY_MS + 1000);
    // Times are told from the horizon on, and stay what they were.
    expect(stored(log).records.every(({ timestamp }) => timestamp === START_MS)).toBe(true);

    rig.clock.advance(DAY_MS - 1000);
    put(log, [['d', '1']]);
    await close(log);
    await clean(rig, manager);
    expect(pairsOf(log)).toContain('2 a=null');

    rig.clock.advance(2000);
    put(log, [['e', '1']]);
    await close(log);
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['1 b=1', '3 c=1', '4 d=1', '5 e=1']);
  });

  it('keeps a tombstone for as long as a replica may not have it', async () => {
    const rig = makeRig({ ...COMPACTED, deleteRetentionMs: 1000 });
    let replicated = 2;
    const { manager, log } = await rig.open({ replicatedTo: () => replicated });
    put(log, [['a', '1']]);
    put(log, [
      ['b', '1'],
      ['a', null],
    ]);
    await close(log);
    await clean(rig, manager);
    for (let i = 0; i < 3; i++) {
      rig.clock.advance(DAY_MS);
      put(log, [['x', String(i)]]);
      await close(log);
      await clean(rig, manager);
      expect(pairsOf(log)).toContain('2 a=null');
    }
    replicated = 3;
    put(log, [['x', 'last']]);
    await close(log);
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['1 b=1', '6 x=last']);
  });

  it('has on the device that tombstones may be gone before one is, whenever power is lost', async () => {
    let gone = 0;
    for (let n = 1; ; n++) {
      const rig = makeRig({ ...COMPACTED, deleteRetentionMs: 1000 });
      let replicated = 1;
      const { manager, log } = await rig.open({ replicatedTo: () => replicated });
      put(log, [
        ['a', '1'],
        ['a', null],
      ]);
      await close(log);
      await clean(rig, manager);
      await manager.checkpoint();
      replicated = 2;
      rig.clock.advance(DAY_MS);
      put(log, [['b', '1']]);
      await close(log);
      await log.flush();
      const before = rig.disk.calls;
      let isHit = false;
      rig.disk.fault = ({ number }) => {
        if (number < before + n) return null;
        isHit = true;
        return systemError('EIO');
      };
      await clean(rig, manager);
      manager.abandon();
      rig.disk.crash(seededRandom(n));
      rig.disk.restart();
      rig.disk.fault = () => null;
      const { log: again } = await rig.open();
      if (!pairsOf(again).includes('1 a=null')) {
        gone++;
        expect(again.removedTo, `call ${n}`).toBe(2);
      }
      if (!isHit) break;
    }
    expect(gone).toBeGreaterThan(3);
  });

  it('gives a cleaning up when a replica has come meanwhile that lacks what was left out', async () => {
    const rig = makeRig({ ...COMPACTED, deleteRetentionMs: 1000 });
    let replicatedTo = (): number => 100;
    const { manager, log } = await rig.open({ replicatedTo: () => replicatedTo() });
    put(log, [
      ['a', '1'],
      ['a', null],
    ]);
    await close(log);
    await clean(rig, manager);
    rig.clock.advance(DAY_MS);
    put(log, [['b', '1']]);
    await close(log);
    let asked = 0;
    const { size } = log;
    replicatedTo = () => (asked++ === 0 ? 100 : 0);
    await clean(rig, manager);
    expect(log.size).toBe(size);
    expect(pairsOf(log)).toEqual(['1 a=null', '2 b=1']);
    expect(filesOf(rig.disk.list(log.path), '.cleaned')).toEqual([]);
    replicatedTo = () => 100;
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['2 b=1']);
  });

  it('keeps the batches that are remembered of a producer, without records, so that its sequence goes on and repetitions are known', async () => {
    const rig = makeRig({ ...COMPACTED, segmentBytes: 100_000 });
    const { manager, log } = await rig.open();
    const producer = { id: 7, epoch: 0 };
    for (let n = 0; n < 8; n++) {
      put(log, [['a', String(n)]], { producer: { ...producer, baseSequence: n } });
    }
    put(log, [
      ['a', '9'],
      ['b', '1'],
    ]);
    await close(log);
    await clean(rig, manager);
    expect(stored(log).batches.map(({ lastOffset, count }) => [lastOffset, count])).toEqual([
      [3, 0],
      [4, 0],
      [5, 0],
      [6, 0],
      [7, 0],
      [9, 2],
    ]);
    manager.abandon();
    for (const name of filesOf(rig.disk.list('/data/t-0'), '.snapshot')) {
      rig.disk.remove(`/data/t-0/${name}`);
    }
    const { log: again } = await rig.open();
    expect([...again.activeProducers()].map((p) => [p.producerId, p.lastSequence])).toEqual([
      [7, 7],
    ]);
    for (const n of [3, 7, 5]) {
      const repeated = { producer: { ...producer, baseSequence: n } };
      expect(put(again, [['a', String(n)]], repeated)).toBe(n);
    }
    expect(again.logEndOffset).toBe(10);
    put(again, [['a', '10']], { producer: { ...producer, baseSequence: 8 } });
    expect(again.logEndOffset).toBe(11);
  });

  it('keeps where the log ends when nothing of its last batch stays', async () => {
    const rig = makeRig({ ...COMPACTED, deleteRetentionMs: 0 });
    const { manager, log } = await rig.open();
    put(log, [['a', '1']]);
    put(log, [['a', null]]);
    await close(log);
    await clean(rig, manager);
    rig.clock.advance(1);
    put(log, [['b', '1']]);
    await close(log);
    await clean(rig, manager);
    rig.clock.advance(1);
    put(log, [['b', null]]);
    await close(log);
    for (let i = 0; i < 3; i++) {
      rig.clock.advance(10);
      await clean(rig, manager);
    }
    manager.abandon();
    rig.disk.remove('/data/t-0/00000000000000000004.log');
    const { log: again } = await rig.open();
    expect(again.logEndOffset).toBe(4);
  });

  it('joins segments up to segment.bytes', async () => {
    const rig = makeRig({ ...COMPACTED, segmentBytes: 2000 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 40; i++) put(log, [[`k${i % 10}`, 'x'.repeat(300)]]);
    await close(log);
    const before = log.segmentCount;
    await clean(rig, manager);
    const after = log.segmentCount;
    // A second time, what was thinned out is small enough to be joined.
    put(log, [['k0', 'again']]);
    await close(log);
    await clean(rig, manager);
    expect(after).toBeLessThanOrEqual(before);
    expect(log.segmentCount).toBeLessThan(before / 2);
    expect(stored(log).records).toHaveLength(10);
    for (const segment of log.segments) expect(segment.size).toBeLessThanOrEqual(2000);
  });

  it('cleans as much as the map has room for, and the rest in the next pass', async () => {
    const rig = makeRig({ ...COMPACTED, segmentBytes: 4000 });
    // Room for 36 keys: fewer than there are in a segment, and in one batch.
    const cleanerSettings = settingsWith({ dedupeBytes: 24 * 40 });
    const { manager, log } = await rig.open({ cleanerSettings });
    const many = (from: number, value: string): Pair[] =>
      Array.from({ length: 100 }, (_, i) => [`key-${from + i}`, value]);
    for (const value of ['1', '2', '3']) put(log, many(0, value));
    await close(log);
    await clean(rig, manager);
    expect(manager.cleaner.stats.passes).toBeGreaterThan(5);
    expect(manager.cleaner.uncleanable).toEqual([]);
    expect(log.cleanedTo).toBe(300);
    expect(stored(log).records.map(({ offset }) => offset)).toEqual(
      Array.from({ length: 100 }, (_, i) => 200 + i),
    );
  });

  it('waits until enough is dirty', async () => {
    const rig = makeRig({ ...COMPACTED, minCleanableDirtyRatio: 0.5, segmentBytes: 100_000 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 10; i++) put(log, [[`a${i}`, 'x'.repeat(100)]]);
    await close(log);
    await clean(rig, manager);
    expect(log.cleanedTo).toBe(10);
    put(log, [['a1', '2']]);
    await close(log);
    await clean(rig, manager);
    expect(log.cleanedTo).toBe(10);
    for (let i = 0; i < 20; i++) put(log, [['a2', 'x'.repeat(100)]]);
    await close(log);
    await clean(rig, manager);
    expect(log.cleanedTo).toBe(31);
  });

  it('lets records be for min.compaction.lag.ms', async () => {
    const rig = makeRig({ ...COMPACTED, minCompactionLagMs: 60_000 });
    const { manager, log } = await rig.open();
    put(
      log,
      [
        ['a', '1'],
        ['a', '2'],
      ],
      { timestamp: START_MS },
    );
    await close(log);
    put(log, [['a', '3']], { timestamp: START_MS + 30_000 });
    await close(log);
    rig.clock.advance(61_000);
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['1 a=2', '2 a=3']);
    rig.clock.advance(30_000);
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['2 a=3']);
  });

  it('comes to what was too young, or not committed, though nothing is appended meanwhile', async () => {
    const rig = makeRig({ ...COMPACTED, minCompactionLagMs: 60_000 });
    const { log } = await rig.open();
    put(log, [['a', '1']]);
    put(log, [['a', '2']]);
    await close(log);
    for (let i = 0; i < 100; i++) await rig.pass(1000);
    expect(pairsOf(log)).toEqual(['1 a=2']);
    // Its followers are long in coming.
    log.append(keyedBatch([['a', '3']]), { leaderEpoch: 0, origin: 'client' });
    await close(log);
    for (let i = 0; i < 100; i++) await rig.pass(1000);
    log.setHighWatermark(3);
    for (let i = 0; i < 100; i++) await rig.pass(1000);
    expect(pairsOf(log)).toEqual(['2 a=3']);
    // It has nothing to wait for any more; retention has.
    expect(rig.clock.pending).toBe(1);
  });

  it('comes after max.compaction.lag.ms however little is dirty', async () => {
    const rig = makeRig({
      ...COMPACTED,
      minCleanableDirtyRatio: 0.99,
      maxCompactionLagMs: 60_000,
      segmentBytes: 100_000,
    });
    const { manager, log } = await rig.open();
    put(
      log,
      numbered(20).map((key) => [key, 'x'.repeat(100)] as const),
    );
    await close(log);
    rig.clock.advance(60_001);
    await clean(rig, manager);
    put(log, [['value-1', '2']], { timestamp: rig.clock.now() });
    // The segment is closed by age, too, although segment.ms is a week.
    rig.clock.advance(60_001);
    put(log, [['value-2', '2']], { timestamp: rig.clock.now() });
    await log.flush();
    await clean(rig, manager);
    expect(pairsOf(log)).not.toContain(`1 value-1=${'x'.repeat(100)}`);
    expect(manager.cleaner.stats.passes).toBe(2);
  });

  it('goes with deletion where the policy has both', async () => {
    const rig = makeRig({
      ...COMPACTED,
      cleanupPolicy: ['compact', 'delete'],
      retentionMs: DAY_MS,
    });
    const { manager, log } = await rig.open();
    put(log, [
      ['a', '1'],
      ['a', '2'],
      ['b', '1'],
    ]);
    await close(log);
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['1 a=2', '2 b=1']);
    rig.clock.advance(DAY_MS + 10 * 60_000);
    for (let i = 0; i < 300; i++) {
      rig.clock.advance(60_000);
      manager.deleteOldSegments();
    }
    expect(log.logStartOffset).toBe(3);
  });

  it('drops records without a key from before the topic was compacted', async () => {
    const rig = makeRig({ ...COMPACTED, cleanupPolicy: ['delete'] });
    const { manager, log } = await rig.open();
    appendValues(log, ['no key']);
    log.updateConfig({ ...rig.config, cleanupPolicy: ['compact'] });
    put(log, [['a', '1']]);
    await close(log);
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['1 a=1']);
    expect(manager.cleaner.stats.keyless).toBe(1);
  });

  it('puts the dirtiest log first, and leaves one alone that is damaged', async () => {
    const rig = makeRig(COMPACTED);
    const { manager, log } = await rig.open();
    const other = manager.create('other', 'b3RoZXItdG9waWMtaWQtMQ', 0);
    for (const one of [log, other]) {
      put(one, [
        ['a', '1'],
        ['a', '2'],
      ]);
      await close(one);
    }
    const path = `${log.path}/00000000000000000000.log`;
    const bytes = rig.disk.content(path);
    bytes[bytes.length - 1]! ^= 1;
    rig.disk.setContent(path, bytes);
    await clean(rig, manager);
    expect(manager.cleaner.uncleanable).toEqual([log]);
    expect(pairsOf(other)).toEqual(['1 a=2']);
    expect(rig.disk.content(path).equals(bytes)).toBe(true);
    expect(rig.logger.lines.join()).toMatch(/t-0 can't be cleaned.*CRC/);
    await clean(rig, manager);
    expect(manager.cleaner.stats.failures).toBe(1);
  });

  it('serves nothing more of what it has found damaged, and cleans it once that is mended', async () => {
    const rig = makeRig(COMPACTED);
    const { manager, log } = await rig.open();
    put(log, [
      ['a', '1'],
      ['a', '2'],
    ]);
    await close(log);
    const path = `${log.path}/00000000000000000000.log`;
    const whole = rig.disk.content(path);
    const damaged = Buffer.from(whole);
    damaged[damaged.length - 1]! ^= 1;
    rig.disk.setContent(path, damaged);
    await clean(rig, manager);
    expect([log.isDamaged, manager.cleaner.uncleanable]).toEqual([true, [log]]);
    expect(codeThrown(() => pairsOf(log))).toBe(ErrorCode.CORRUPT_MESSAGE);
    const range = log.damagedRange()!;
    const records = whole.subarray(range.position);
    expect((await log.mend(range, records)).kind).toBe('mended');
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['1 a=2']);
    expect(manager.cleaner.uncleanable).toEqual([]);
  });

  it.each([0, 1, 2, 40])(
    'cleans nothing by an offset that is out of place (bit %i)',
    async (bit) => {
      const rig = makeRig(COMPACTED);
      const { manager, log } = await rig.open();
      for (const value of ['1', '2', '3', '4']) put(log, [['a', value]]);
      await close(log);
      const path = `${log.path}/00000000000000000000.log`;
      const whole = rig.disk.content(path);
      for (let position = 0; position < whole.length; position += batchSize(whole, position)) {
        const damaged = Buffer.from(whole);
        damaged[position + 7 - (bit >> 3)]! ^= 1 << (bit & 7);
        rig.disk.setContent(path, damaged);
        await clean(rig, manager);
        expect(manager.cleaner.uncleanable).toEqual([log]);
        expect(rig.disk.content(path).equals(damaged)).toBe(true);
        const range = log.damagedRange()!;
        expect((await log.mend(range, whole.subarray(range.position))).kind).toBe('mended');
        expect(rig.disk.content(path).equals(whole)).toBe(true);
        expect(manager.cleaner.uncleanable).toEqual([]);
      }
      await clean(rig, manager);
      expect(pairsOf(log)).toEqual(['3 a=4']);
    },
  );

  it('tries again when there was no room', async () => {
    const rig = makeRig(COMPACTED);
    const { manager, log } = await rig.open();
    put(log, [
      ['a', '1'],
      ['a', '2'],
    ]);
    await close(log);
    rig.disk.fault = ({ operation, path }) =>
      operation === 'write' && path.endsWith('.cleaned') ? systemError('ENOSPC') : null;
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['0 a=1', '1 a=2']);
    expect(filesOf(rig.disk.list(log.path), '.cleaned')).toEqual([]);
    rig.disk.fault = () => null;
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['1 a=2']);
    expect(manager.cleaner.uncleanable).toEqual([]);
  });

  it('takes the directory offline when the disk fails', async () => {
    const rig = makeRig(COMPACTED);
    const { manager, log } = await rig.open();
    put(log, [
      ['a', '1'],
      ['a', '2'],
    ]);
    await close(log);
    rig.disk.fault = ({ path }) => (path.endsWith('.cleaned') ? systemError('EIO') : null);
    await clean(rig, manager);
    expect(log.logDirectory.failure).not.toBeNull();
    expect(manager.cleaner.uncleanable).toEqual([]);
  });

  const interrupted: readonly (readonly [what: string, how: (log: PartitionLog) => void])[] = [
    ['cut', (log) => log.truncateTo(1)],
    ['begun anew', (log) => log.truncateFullyAndStartAt(50)],
    [
      'deleted from its start on',
      (log) => {
        log.advanceLogStartOffset(2);
        log.deleteOldSegments(0);
      },
    ],
  ];
  for (const [what, how] of interrupted) {
    it(`comes to nothing for a log that is ${what} meanwhile`, async () => {
      const rig = makeRig({ ...COMPACTED, segmentBytes: 100 });
      const { manager, log } = await rig.open();
      for (const value of ['1', '2', '3']) put(log, [['a', value]]);
      await close(log);
      const run = manager.cleaner.run();
      await Promise.resolve();
      how(log);
      const [start, end] = [log.logStartOffset, log.logEndOffset];
      await run;
      expect([log.logStartOffset, log.logEndOffset]).toEqual([start, end]);
      expect(rig.disk.list(log.path).filter((n) => /cleaned|swap/.test(n))).toEqual([]);
      // Files that are not there any more are no failure of the disk, nor of the log.
      expect(log.logDirectory.failure).toBeNull();
      expect(manager.cleaner.uncleanable).toEqual([]);
      expect(manager.cleaner.stats.failures).toBe(0);
    });
  }

  it('comes to nothing for a log that is cut behind what was read of the segment', async () => {
    const rig = makeRig({ ...COMPACTED, segmentBytes: 10_000 });
    const { manager, log } = await rig.open({
      cleanerSettings: settingsWith({ bytesPerSecond: 1000, ioBytes: 1000 }),
    });
    for (let i = 0; i < 20; i++) put(log, [['a', 'x'.repeat(300)]]);
    await close(log);
    const run = manager.cleaner.run();
    await Promise.resolve();
    log.truncateTo(1);
    let reads = 0;
    rig.disk.fault = ({ operation }) =>
      operation === 'read' && ++reads > 100 ? systemError('EIO') : null;
    while (manager.cleaner.current !== null) await rig.pass(1000);
    await run;
    expect(log.logDirectory.failure).toBeNull();
    expect(manager.cleaner.uncleanable).toEqual([]);
    expect(manager.cleaner.stats.failures).toBe(0);
    expect(stored(log).records).toHaveLength(1);
  });

  it('leaves a segment alone whose file has become shorter', async () => {
    const rig = makeRig({ ...COMPACTED, segmentBytes: 10_000 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 20; i++) put(log, [['a', 'x'.repeat(300)]]);
    await close(log);
    const path = `${log.path}/00000000000000000000.log`;
    rig.disk.setContent(path, rig.disk.content(path).subarray(0, 1000));
    let reads = 0;
    rig.disk.fault = ({ operation }) =>
      operation === 'read' && ++reads > 100 ? systemError('EIO') : null;
    await clean(rig, manager);
    expect(log.logDirectory.failure).toBeNull();
    expect(manager.cleaner.uncleanable).toEqual([log]);
    expect(rig.logger.lines.join()).toMatch(/0\.log ends at 1000 of \d+ bytes/);
  });

  it('is not undone by what an earlier one has left', async () => {
    const rig = makeRig({ ...COMPACTED, segmentBytes: 300 });
    const { manager, log } = await rig.open({ checkpointMs: 60_000 });
    for (let i = 0; i < 6; i++) {
      put(log, [
        [`k${i}`, 'x'.repeat(150)],
        [`l${i}`, ''],
      ]);
    }
    await close(log);
    await manager.checkpoint();
    // Of a topic of the same name, say, that was deleted while it was cleaned.
    rig.disk.setContent(`${log.path}/00000000000000000001.log.cleaned`, Buffer.from('left'));
    const killed: FaultyDisk[] = [];
    rig.disk.watch = ({ operation, path }) => {
      if (operation === 'rename' && path.endsWith('.log.swap')) killed.push(rig.disk.clone());
    };
    await clean(rig, manager);
    expect(killed.length).toBeGreaterThan(2);
    const kept = pairsOf(log);
    for (const disk of killed) {
      const { log: again } = await makeRig({ ...COMPACTED, segmentBytes: 300 }, disk).open();
      expect(pairsOf(again)).toEqual(kept);
    }
  });

  it('goes no faster than it may', async () => {
    const rig = makeRig({ ...COMPACTED, segmentBytes: 10_000 });
    const cleanerSettings = settingsWith({ bytesPerSecond: 10_000 });
    const { manager, log } = await rig.open({ cleanerSettings });
    for (let i = 0; i < 50; i++) put(log, [['a', 'x'.repeat(1000)]]);
    await close(log);
    const startedAt = rig.clock.now();
    await clean(rig, manager);
    // Read twice, 53 KB each time.
    const seconds = (rig.clock.now() - startedAt) / 1000;
    expect(seconds).toBeGreaterThan(9);
    expect(seconds).toBeLessThan(12);
  });

  it('starts by itself, and ends when the broker stops', async () => {
    const rig = makeRig(COMPACTED);
    const { manager, log } = await rig.open({
      cleanerSettings: settingsWith({ backoffMs: 5000, bytesPerSecond: 100 }),
    });
    for (let i = 0; i < 20; i++) put(log, [['a', 'x'.repeat(100)]]);
    await close(log);
    rig.clock.advance(5000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(manager.cleaner.current).toBe(log);
    await manager.stop();
    const { log: again } = await rig.open();
    expect(stored(again).records).toHaveLength(20);
  });

  it('begins log.cleaner.backoff.ms after there is something to clean, whenever checkpoints are due', async () => {
    const rig = makeRig(COMPACTED);
    const { manager, log } = await rig.open({
      cleanerSettings: settingsWith({ backoffMs: 100, bytesPerSecond: 100 }),
      checkpointMs: 60_000,
    });
    // Nothing can be cleaned yet: it is all in the active segment.
    put(log, [['a', 'x']]);
    rig.clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
    expect(manager.cleaner.current).toBeNull();
    for (let i = 0; i < 20; i++) put(log, [['a', 'x'.repeat(100)]]);
    await close(log);
    rig.clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
    expect(manager.cleaner.current).toBe(log);
    await manager.stop();
  });

  /** What a start knows that has not read the metadata yet. */
  const forgetPolicy = (rig: Rig): void => {
    rig.config = { ...rig.config, cleanupPolicy: ['delete'] };
  };

  it('leaves gaps that a start after a crash takes for what they are', async () => {
    const rig = makeRig(COMPACTED);
    const { manager, log } = await rig.open();
    put(log, [['a', '1']]);
    put(log, [['b', '1']]);
    put(log, [['a', '2']]);
    await close(log);
    put(log, [['c', '1']]);
    await clean(rig, manager);
    const left = pairsOf(log);
    expect(left).toEqual(['1 b=1', '2 a=2', '3 c=1']);
    manager.abandon();
    // Nothing was flushed, for all that it knows: every batch is looked at.
    rig.disk.remove('/data/recovery-point-offset-checkpoint');
    forgetPolicy(rig);
    const { log: again } = await rig.open();
    expect(pairsOf(again)).toEqual(left);
  });

  it('leaves gaps in copies, which they outlive as well', async () => {
    const rig = makeRig(COMPACTED);
    const { manager, log } = await rig.open();
    for (const [offset, key] of [
      [0, 'a'],
      [4, 'b'],
      [9, 'c'],
    ] as const) {
      const batch = keyedBatch([[key, '1']]);
      setBaseOffset(batch, 0, offset);
      setPartitionLeaderEpoch(batch, 0, 0);
      log.append(batch, { leaderEpoch: 0, origin: 'replication' });
    }
    log.setHighWatermark(log.logEndOffset);
    manager.abandon();
    forgetPolicy(rig);
    const { log: again } = await rig.open();
    expect(pairsOf(again)).toEqual(['0 a=1', '4 b=1', '9 c=1']);
    expect(again.logEndOffset).toBe(10);
  });

  it('remembers over a restart how far it came', async () => {
    const rig = makeRig(COMPACTED);
    const { manager, log } = await rig.open();
    put(log, [
      ['a', '1'],
      ['a', '2'],
    ]);
    await close(log);
    await clean(rig, manager);
    await manager.stop();
    expect(rig.disk.content('/data/cleaner-offset-checkpoint').toString()).toBe('0\n1\nt 0 2\n');
    const { log: again } = await rig.open();
    expect(again.cleanedTo).toBe(2);
  });
});

describe('a cleaned segment whose names the device does not have yet', () => {
  const swapsOf = (rig: Rig, log: PartitionLog): string[] =>
    filesOf(rig.disk.list(log.path), '.swap');

  /** A log of three segments, and a cleaning that waits for the device before it makes one of them. */
  async function waiting(): Promise<{
    rig: Rig;
    manager: LogManager;
    log: PartitionLog;
    run: Promise<void>;
    goOn: () => void;
  }> {
    const rig = makeRig({ ...COMPACTED, segmentBytes: 100 });
    const { manager, log } = await rig.open();
    put(log, [['a', '1']]);
    put(log, [['b', '1']]);
    put(log, [['a', '2']]);
    await close(log);
    rig.config = { ...rig.config, segmentBytes: 100_000 };
    log.updateConfig(rig.config);
    const { promise: isOver, resolve: goOn } = Promise.withResolvers<void>();
    const sync = rig.disk.syncDirectoryLater.bind(rig.disk);
    rig.disk.syncDirectoryLater = async (path) => {
      if (path === log.path && swapsOf(rig, log).length > 0) await isOver;
      await sync(path);
    };
    const run = manager.cleaner.run();
    while (swapsOf(rig, log).length === 0) await rig.pass(1);
    await rig.pass(1);
    expect(log.segmentCount).toBe(4);
    return { rig, manager, log, run, goOn };
  }

  /** What a start finds when the power is lost now, of names that the device may or may not have. */
  async function afterPowerCut(rig: Rig, kept: number): Promise<PartitionLog> {
    const disk = rig.disk.clone();
    disk.crash({ next: () => kept, fill: () => {} });
    const after = makeRig(rig.config, disk);
    return (await after.open()).log;
  }
  const ALL_OR_NOTHING = [0, 0.999];

  it('lets the log be used meanwhile, and comes in then', async () => {
    const { rig, log, run, goOn } = await waiting();
    expect(put(log, [['c', '1']])).toBe(3);
    expect(pairsOf(log)).toEqual(['0 a=1', '1 b=1', '2 a=2', '3 c=1']);
    goOn();
    await run;
    expect([log.segmentCount, swapsOf(rig, log)]).toEqual([2, []]);
    expect(pairsOf(log)).toEqual(['1 b=1', '2 a=2', '3 c=1']);
    expect(log.cleanedTo).toBe(3);
  });

  it.each(ALL_OR_NOTHING)('is there or not after a power cut (%d)', async (kept) => {
    const { rig, log } = await waiting();
    const after = await afterPowerCut(rig, kept);
    expect(pairsOf(after).slice(-2)).toEqual(['1 b=1', '2 a=2']);
    expect(swapsOf(rig, log).length).toBeGreaterThan(0);
  });

  it.each(ALL_OR_NOTHING)('does not bring back what is cut meanwhile (%d)', async (kept) => {
    const { rig, manager, log, run, goOn } = await waiting();
    log.truncateTo(2);
    expect(pairsOf(log)).toEqual(['0 a=1', '1 b=1']);
    expect(pairsOf(await afterPowerCut(rig, kept))).toEqual(['0 a=1', '1 b=1']);
    goOn();
    await run;
    expect(rig.disk.list(log.path).filter((n) => /cleaned|swap/.test(n))).toEqual([]);
    expect([pairsOf(log), manager.cleaner.stats.failures]).toEqual([['0 a=1', '1 b=1'], 0]);
  });

  it.each(ALL_OR_NOTHING)('does not come into a log that is begun anew (%d)', async (kept) => {
    const { rig, log, run, goOn } = await waiting();
    log.truncateFullyAndStartAt(50);
    put(log, [['z', '1']]);
    await log.flush();
    expect(pairsOf(await afterPowerCut(rig, kept))).toEqual(['50 z=1']);
    goOn();
    await run;
    expect(pairsOf(log)).toEqual(['50 z=1']);
  });

  it('keeps what it replaces from retention until then', async () => {
    const { log, run, goOn } = await waiting();
    log.advanceLogStartOffset(2);
    expect(log.deleteOldSegments(0)).toBe(0);
    goOn();
    await run;
    expect([log.segmentCount, pairsOf(log)]).toEqual([2, ['2 a=2']]);
  });

  it('is not wanted in a log that is being copied, or has been closed', async () => {
    const copied = await waiting();
    copied.log.onCut = () => {};
    copied.goOn();
    await copied.run;
    expect(pairsOf(copied.log)).toEqual(['0 a=1', '1 b=1', '2 a=2']);
    expect(swapsOf(copied.rig, copied.log)).toEqual([]);
    const closed = await waiting();
    await closed.log.close();
    const calls = closed.rig.disk.calls;
    closed.goOn();
    await closed.run;
    // But for the sync that was under way.
    expect(closed.rig.disk.calls - calls).toBe(1);
    expect(pairsOf((await closed.rig.open()).log)).toEqual(['1 b=1', '2 a=2']);
  });

  it('takes the directory offline when the device fails', async () => {
    const { rig, manager, log, run, goOn } = await waiting();
    rig.disk.fault = ({ operation }) => (operation === 'syncDirectory' ? systemError('EIO') : null);
    goOn();
    await run;
    expect(log.logDirectory.failure).not.toBeNull();
    expect(manager.cleaner.uncleanable).toEqual([]);
  });
});

describe('compaction of transactions', () => {
  const options = { attributes: BatchAttribute.transactional };

  async function transactions(deleteRetentionMs: number) {
    const rig = makeRig({ ...COMPACTED, deleteRetentionMs, segmentBytes: 100_000 });
    const opened = await rig.open({ tailCacheBytes: 0 });
    const { log } = opened;
    const end = (producerId: number, committed: boolean): void => {
      const marker = { producerId, producerEpoch: 0, coordinatorEpoch: 1, timestamp: START_MS };
      log.append(encodeMarkerBatch({ ...marker, committed }), {
        leaderEpoch: 0,
        origin: 'coordinator',
      });
      log.setHighWatermark(log.logEndOffset);
    };
    const write = (id: number, baseSequence: number, pairs: readonly Pair[]): void => {
      const batch = keyedBatch(pairs, { ...options, producer: { id, epoch: 0, baseSequence } });
      // As a leader's, which has asked the coordinator.
      setBaseOffset(batch, 0, log.logEndOffset);
      setPartitionLeaderEpoch(batch, 0, 0);
      log.append(batch, { leaderEpoch: 0, origin: 'replication' });
      log.setHighWatermark(log.logEndOffset);
    };
    return { rig, ...opened, end, write };
  }

  it('drops what was aborted, and does not let it push out what was committed', async () => {
    const { rig, manager, log, end, write } = await transactions(DAY_MS);
    write(1, 0, [
      ['a', 'committed'],
      ['b', '1'],
    ]);
    end(1, true);
    write(2, 0, [['a', 'aborted']]);
    end(2, false);
    await close(log);
    expect(log.abortedTransactions(0, log.logEndOffset)).toHaveLength(1);
    await clean(rig, manager);
    const { records } = stored(log);
    const data = records.filter(({ offset }) => ![2, 4].includes(offset));
    expect(data.map(({ offset, value }) => [offset, value])).toEqual([
      [0, 'committed'],
      [1, '1'],
    ]);
    // Both markers stay: there was something that they speak of.
    expect(records.map(({ offset }) => offset)).toEqual([0, 1, 2, 4]);
    expect(log.abortedTransactions(0, log.logEndOffset)).toHaveLength(1);
  });

  it('drops markers of which nothing is left, delete.retention.ms later', async () => {
    const { rig, manager, log, end, write } = await transactions(1000);
    write(1, 0, [['a', '1']]);
    end(1, true);
    write(2, 0, [['b', '1']]);
    end(2, false);
    write(1, 1, [['a', '2']]);
    end(1, true);
    write(2, 1, [['c', '1']]);
    end(2, true);
    const offsets = (): number[] => stored(log).records.map(({ offset }) => offset);
    for (let i = 0; i < 2; i++) {
      put(log, [['z', String(i)]]);
      await close(log);
      await clean(rig, manager);
    }
    // Found without its records, a marker is given its time; it does not go at once.
    expect(offsets()).toEqual([1, 3, 4, 5, 6, 7, 9]);
    rig.clock.advance(2000);
    put(log, [['z', 'last']]);
    await close(log);
    await clean(rig, manager);
    expect(offsets()).toEqual([4, 5, 6, 7, 10]);
    expect(log.abortedTransactions(0, log.logEndOffset)).toEqual([]);
    manager.abandon();
    const { log: again } = await rig.open({ tailCacheBytes: 0 });
    expect(again.abortedTransactions(0, again.logEndOffset)).toEqual([]);
  });

  it('lets what was committed push out what an earlier pass has left', async () => {
    const { rig, manager, log, end, write } = await transactions(1000);
    write(1, 0, [['a', 'old']]);
    end(1, true);
    write(1, 1, [['b', 'aborted']]);
    end(1, false);
    await close(log);
    await clean(rig, manager);
    // The same producer, of whose aborted transaction the pass before has seen the end.
    write(1, 2, [['a', null]]);
    end(1, true);
    for (let i = 0; i < 3; i++) {
      put(log, [['z', String(i)]]);
      await close(log);
      await clean(rig, manager);
      expect(pairsOf(log)).not.toContain('0 a=old');
      rig.clock.advance(2000);
    }
  });

  it('leaves an open transaction and everything behind it alone', async () => {
    const { rig, manager, log, end, write } = await transactions(0);
    put(log, [
      ['a', '1'],
      ['a', '2'],
    ]);
    await close(log);
    write(1, 0, [['b', '1']]);
    await close(log);
    put(log, [
      ['c', '1'],
      ['c', '2'],
    ]);
    await close(log);
    await clean(rig, manager);
    expect(pairsOf(log)).toEqual(['1 a=2', '2 b=1', '3 c=1', '4 c=2']);
    end(1, true);
    await close(log);
    await clean(rig, manager);
    expect(pairsOf(log).slice(0, 3)).toEqual(['1 a=2', '2 b=1', '4 c=2']);
  });
});
