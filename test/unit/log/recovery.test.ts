import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import type { LogConfig } from '../../../src/log/log-config.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  batchSize,
  lastOffset,
  partitionLeaderEpoch,
  setPartitionLeaderEpoch,
} from '../../../src/protocol/record-batch.ts';
import type { FaultyDisk } from '../../support/faulty-disk.ts';
import {
  appendValues,
  batchOf,
  codeThrown,
  makeRig,
  numbered,
  type Rig,
  readAll,
} from './support.ts';

const SEGMENT = '/data/t-0/00000000000000000000.log';

/** A log of `batches` batches with two records each, abandoned as if the process had been killed. */
async function killedLog(batches: number, flush: boolean): Promise<Rig> {
  const rig = makeRig({ indexIntervalBytes: 100 });
  const { manager, log } = await rig.open();
  for (let i = 0; i < batches; i++) appendValues(log, numbered(2, 2 * i));
  if (flush) await log.flush();
  await manager.checkpoint();
  manager.abandon();
  return rig;
}

const onDisk = (disk: FaultyDisk): Rig => makeRig({ indexIntervalBytes: 100 }, disk);

/** Positions of the batches in a segment. */
function positions(bytes: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) found.push(at);
  return found;
}

describe('recovery', () => {
  it('cuts a torn tail at every length that the last batch can have', async () => {
    const rig = await killedLog(5, false);
    const bytes = rig.disk.content(SEGMENT);
    const last = positions(bytes).at(-1)!;
    for (let size = last; size < bytes.length; size++) {
      const disk = rig.disk.clone();
      disk.setContent(SEGMENT, bytes.subarray(0, size));
      const { manager, log } = await onDisk(disk).open();
      expect(log.logEndOffset).toBe(8);
      expect(log.size).toBe(last);
      expect(manager.probe.truncatedTailBytes).toBe(size - last);
      expect(appendValues(log, ['new'])).toBe(8);
      expect([...readAll(log).values()]).toEqual([...numbered(8), 'new']);
      manager.abandon();
    }
  });

  it('finds every flipped bit behind the recovery point and cuts there', async () => {
    const rig = await killedLog(4, false);
    const bytes = rig.disk.content(SEGMENT);
    const starts = positions(bytes);
    const random = seededRandom(7);
    for (let at = 0; at < bytes.length; at++) {
      const inBatch = starts.findLastIndex((start) => start <= at);
      const field = at - starts[inBatch]!;
      // Base offset and leader epoch are not under the CRC: Kafka patches them in place.
      if (field < 8 || (field >= 12 && field < 16)) continue;
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1 << Math.floor(random.next() * 8);
      const disk = rig.disk.clone();
      disk.setContent(SEGMENT, damaged);
      const { manager, log } = await onDisk(disk).open();
      expect(log.logEndOffset, `bit at ${at}`).toBe(inBatch * 2);
      expect([...readAll(log).values()]).toEqual(numbered(inBatch * 2));
      manager.abandon();
    }
  });

  it('cuts behind the recovery point where an epoch goes back, and believes none that does', async () => {
    const rig = makeRig();
    const { disk } = rig;
    const { manager, log } = await rig.open();
    for (const epoch of [3, 5, 5, 5])
      log.append(batchOf(['x']), { leaderEpoch: epoch, origin: 'client' });
    manager.abandon();
    const bytes = disk.content(SEGMENT);
    const [, , third] = positions(bytes);
    for (const [claimed, end] of [
      [4, 2],
      [5, 4],
    ] as const) {
      const damaged = disk.clone();
      setPartitionLeaderEpoch(bytes, third!, claimed);
      damaged.setContent(SEGMENT, bytes);
      const { manager: again, log: recovered } = await makeRig({}, damaged).open();
      expect(recovered.logEndOffset).toBe(end);
      expect(recovered.endOffsetForEpoch(3)).toEqual({ epoch: 3, endOffset: 1 });
      expect(recovered.latestEpoch).toBe(5);
      again.abandon();
    }
  });

  it('never cuts what had been flushed: damage is answered as corrupt, the rest is served', async () => {
    const rig = await killedLog(6, true);
    const bytes = rig.disk.content(SEGMENT);
    const [, , third] = positions(bytes);
    for (const at of [third! + 10, third! + 16, third! + 40, third! + 65]) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x40;
      const disk = rig.disk.clone();
      disk.setContent(SEGMENT, damaged);
      const { manager, log } = await onDisk(disk).open();
      expect(log.logEndOffset, `byte ${at}`).toBe(12);
      expect(log.size).toBe(bytes.length);
      expect(manager.probe.truncatedTailBytes).toBe(0);
      expect(codeThrown(() => readAll(log, 1000, 4))).toBe(ErrorCode.CORRUPT_MESSAGE);
      expect(readAll(log, 1000, 6).get(11)).toBe('value-11');
      expect(manager.probe.corruptBatches).toBeGreaterThan(0);
      manager.abandon();
    }
  });

  it('goes on behind the recovery point when the flushed end is damaged', async () => {
    const rig = await killedLog(3, true);
    const bytes = rig.disk.content(SEGMENT);
    bytes[positions(bytes)[2]! + 50]! ^= 1;
    rig.disk.setContent(SEGMENT, bytes);
    const first = await onDisk(rig.disk).open();
    expect([first.log.logEndOffset, first.log.segmentCount]).toEqual([6, 2]);
    expect(appendValues(first.log, ['behind'])).toBe(6);
    expect(codeThrown(() => readAll(first.log, 1000, 4))).toBe(ErrorCode.CORRUPT_MESSAGE);
    first.manager.abandon();
    const second = await onDisk(rig.disk).open();
    expect(second.log.logEndOffset).toBe(7);
    expect(readAll(second.log, 1000, 6).get(6)).toBe('behind');
  });

  it('goes on with the next segment when the flushed end of one is damaged', async () => {
    const config = { indexIntervalBytes: 100, segmentBytes: 360 };
    const rig = makeRig(config);
    const { manager, log } = await rig.open();
    for (let i = 0; i < 4; i++) appendValues(log, numbered(2, 2 * i));
    await log.flush();
    await manager.checkpoint();
    for (let i = 4; i < 6; i++) appendValues(log, numbered(2, 2 * i));
    await log.flush();
    manager.abandon();
    const bytes = rig.disk.content(SEGMENT);
    expect(positions(bytes)).toHaveLength(4);
    bytes[bytes.length - 1]! ^= 1;
    rig.disk.setContent(SEGMENT, bytes);
    const { log: again } = await makeRig(config, rig.disk).open();
    expect(again.logEndOffset).toBe(12);
    expect([...readAll(again, 1000, 8).values()]).toEqual(numbered(4, 8));
    expect(codeThrown(() => readAll(again, 1000, 6))).toBe(ErrorCode.CORRUPT_MESSAGE);
    expect(appendValues(again, ['new'])).toBe(12);
  });

  it('cuts a torn tail that lies close behind damage', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    for (let i = 0; i < 4; i++) appendValues(log, numbered(2, 2 * i));
    await log.flush();
    await manager.checkpoint();
    appendValues(log, numbered(2, 8));
    appendValues(log, numbered(2, 10));
    manager.abandon();
    const bytes = rig.disk.content(SEGMENT);
    const starts = positions(bytes);
    // The length of one that was flushed: nobody gets from its header to the next one.
    bytes[starts[1]! + 8]! ^= 0x40;
    rig.disk.setContent(SEGMENT, bytes.subarray(0, bytes.length - 5));
    const again = await makeRig({}, rig.disk).open();
    expect(again.log.logEndOffset).toBe(10);
    expect(appendValues(again.log, ['new'])).toBe(10);
    expect(readAll(again.log, 1000, 4).get(10)).toBe('new');
    expect(codeThrown(() => readAll(again.log, 1000, 2))).toBe(ErrorCode.CORRUPT_MESSAGE);
  });

  it('takes a recovery point that is ahead of the log back to its end', async () => {
    const rig = await killedLog(2, true);
    rig.disk.setContent(
      '/data/recovery-point-offset-checkpoint',
      Buffer.from('0\n1\nt 0 1000000\n'),
    );
    const { log } = await onDisk(rig.disk).open();
    expect(log.logEndOffset).toBe(4);
    expect(log.flushedOffset).toBe(4);
    expect(appendValues(log, ['x'])).toBe(4);
  });

  it('reads everything again when the checkpoint files are damaged', async () => {
    const rig = await killedLog(4, true);
    for (const name of ['recovery-point', 'log-start', 'replication']) {
      rig.disk.setContent(`/data/${name}-offset-checkpoint`, Buffer.from('0\n7\nt 0'));
    }
    const { log } = await onDisk(rig.disk).open();
    expect([...readAll(log).values()]).toEqual(numbered(8));
    expect(log.logStartOffset).toBe(0);
  });

  it('rebuilds indexes that are missing, short, garbled or of another log', async () => {
    const rig = makeRig({ indexIntervalBytes: 100, segmentBytes: 1200 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 60; i++) appendValues(log, numbered(2, 2 * i), { timestamp: 1000 + i });
    expect(log.segmentCount).toBeGreaterThan(3);
    await manager.stop();
    const garble: ((disk: FaultyDisk, path: string) => void)[] = [
      (disk, path) => disk.remove(path),
      (disk, path) => disk.setContent(path, Buffer.alloc(0)),
      (disk, path) => disk.setContent(path, disk.content(path).subarray(0, 13)),
      (disk, path) => disk.setContent(path, Buffer.alloc(48, 0x5a)),
      (disk, path) => disk.setContent(path, Buffer.alloc(24 * 100)),
      (disk, path) => {
        const bytes = disk.content(path);
        bytes[bytes.length - 1]! ^= 3;
        disk.setContent(path, bytes);
      },
    ];
    const names = rig.disk.list('/data/t-0').filter((name) => /\.(time)?index$/.test(name));
    for (const [n, damage] of garble.entries()) {
      for (const name of names) {
        const disk = rig.disk.clone();
        damage(disk, `/data/t-0/${name}`);
        const opened = await makeRig({ indexIntervalBytes: 100, segmentBytes: 1200 }, disk).open();
        const label = `${name} damaged in way ${n}`;
        expect(opened.log.logEndOffset, label).toBe(120);
        for (let from = 0; from < 120; from += 7) {
          expect(readAll(opened.log, 200, from).get(from), label).toBe(`value-${from}`);
        }
        for (let i = 0; i < 60; i += 7) {
          expect(opened.log.offsetForTimestamp(1000 + i)?.offset, label).toBe(2 * i);
        }
        opened.manager.abandon();
      }
    }
  });

  it('rebuilds a damaged leader epoch file from the batches', async () => {
    const rig = makeRig({ segmentBytes: 400 });
    const { manager, log } = await rig.open();
    for (let epoch = 3; epoch < 9; epoch++) {
      log.append(batchOf(['a', 'b']), { leaderEpoch: epoch, origin: 'client' });
    }
    await manager.stop();
    const path = '/data/t-0/leader-epoch-checkpoint';
    expect(rig.disk.content(path).toString()).toBe('0\n6\n3 0\n4 2\n5 4\n6 6\n7 8\n8 10\n');
    for (const text of ['', '0\n2\n3 0\n', '0\n1\nx y\n', '0\n2\n4 0\n3 9\n', '7\n0\n']) {
      const disk = rig.disk.clone();
      disk.setContent(path, Buffer.from(text));
      const opened = await makeRig({ segmentBytes: 400 }, disk).open();
      expect(opened.log.latestEpoch).toBe(8);
      expect(opened.log.endOffsetForEpoch(5)).toEqual({ epoch: 5, endOffset: 6 });
    }
  });

  it('takes back what claims an epoch that there was not yet, in the batches too', async () => {
    const config = { segmentBytes: 400 };
    const rig = makeRig(config);
    const { manager, log } = await rig.open();
    for (let epoch = 3; epoch < 9; epoch++) {
      log.append(batchOf(['a', 'b']), { leaderEpoch: epoch, origin: 'client' });
    }
    await manager.stop();
    const checkpoint = '/data/t-0/leader-epoch-checkpoint';
    const bytes = Buffer.from(rig.disk.content(SEGMENT));
    for (const damaged of [0, 2]) {
      const disk = rig.disk.clone();
      disk.setContent(checkpoint, Buffer.from('damaged'));
      const content = Buffer.from(bytes);
      // One alone would not be believed.
      for (const i of [damaged, damaged + 1]) {
        content.writeInt32BE(0xff_0007, positions(bytes)[i]! + 12);
      }
      disk.setContent(SEGMENT, content);
      const opened = await makeRig(config, disk).open();
      expect(opened.log.latestEpoch).toBeGreaterThan(0xff_0000);
      opened.log.denyEpochsAbove(8);
      const right = [3, 4, 5, 6, 7, 8];
      right.fill(right[damaged - 1] ?? 0, damaged, damaged + 2);
      const known = (of: PartitionLog): number[] =>
        right.map((_, i) => of.epochForOffset(2 * i + 1));
      expect(known(opened.log)).toEqual(right);
      const epochs = positions(disk.content(SEGMENT)).map((at) =>
        partitionLeaderEpoch(disk.content(SEGMENT), at),
      );
      expect(epochs).toEqual(right.slice(0, epochs.length));
      await opened.manager.stop();
      disk.setContent(checkpoint, Buffer.from('damaged'));
      expect(known((await makeRig(config, disk).open()).log)).toEqual(right);
    }
  });

  it('rebuilds it from those behind a damaged batch, too', async () => {
    const rig = makeRig({ segmentBytes: 1_000 });
    const { manager, log } = await rig.open();
    for (let epoch = 3; epoch < 12; epoch++) {
      log.append(batchOf(['a', 'b']), { leaderEpoch: epoch, origin: 'client' });
    }
    await manager.stop();
    rig.disk.setContent('/data/t-0/leader-epoch-checkpoint', Buffer.from('damaged'));
    const bytes = rig.disk.content(SEGMENT);
    const [, , third] = positions(bytes);
    // Magic, length, last offset delta, base offset up and down.
    for (const [byte, bit] of [
      [16, 0],
      [10, 2],
      [24, 3],
      [5, 0],
      [7, 2],
    ] as const) {
      const disk = rig.disk.clone();
      const damaged = Buffer.from(bytes);
      damaged[third! + byte]! ^= 1 << bit;
      disk.setContent(SEGMENT, damaged);
      const opened = await makeRig({ segmentBytes: 1_000 }, disk).open();
      const label = `bit ${bit} of byte ${byte}`;
      expect(opened.log.latestEpoch, label).toBe(11);
      for (const offset of [0, 1, 2, 3, 6, 7, 8, 16, 17]) {
        expect(opened.log.epochForOffset(offset), label).toBe(3 + Math.floor(offset / 2));
      }
    }
  });

  it('rebuilds it without what one batch alone says that those behind it contradict', async () => {
    const rig = makeRig({ segmentBytes: 200 });
    const { manager, log } = await rig.open();
    const terms = [1, 1, 2, 4, 4, 4, 4];
    for (const leaderEpoch of terms) {
      log.append(batchOf(['a', 'b']), { leaderEpoch, origin: 'client' });
    }
    await manager.stop();
    const checkpoint = '/data/t-0/leader-epoch-checkpoint';
    const right = rig.disk.content(checkpoint).toString();
    expect(right).toBe('0\n3\n1 0\n2 4\n4 6\n');
    rig.disk.setContent(checkpoint, Buffer.from('damaged'));
    const names = rig.disk.list('/data/t-0').filter((name) => name.endsWith('.log'));
    expect(names.length).toBeGreaterThan(2);
    let i = 0;
    for (const path of names.map((name) => `/data/t-0/${name}`)) {
      const bytes = rig.disk.content(path);
      for (const at of positions(bytes)) {
        const disk = rig.disk.clone();
        const damaged = Buffer.from(bytes);
        damaged.writeInt32BE(77, at + 12);
        disk.setContent(path, damaged);
        const opened = await makeRig({}, disk).open();
        // A term that began with it is seen to begin behind it, or not at all; nobody contradicts the last one.
        const expected = new Map([
          [2, '0\n2\n1 0\n4 6\n'],
          [3, '0\n3\n1 0\n2 4\n4 8\n'],
          [6, '0\n4\n1 0\n2 4\n4 6\n77 12\n'],
        ]).get(i);
        expect(disk.content(checkpoint).toString(), `batch ${i}`).toBe(expected ?? right);
        opened.manager.abandon();
        i++;
      }
    }
    expect(i).toBe(terms.length);
  });

  it.each([['delete'], ['compact']] as const)(
    'cuts where the end of a segment is lost and the next one is not (%s)',
    async (policy) => {
      const config = { cleanupPolicy: [policy], segmentBytes: 250 };
      const rig = makeRig(config);
      const { manager, log } = await rig.open();
      for (let i = 0; i < 8; i++) appendValues(log, [`v${i}`], { key: `k${i}` });
      const next = [...log.segments][1]!.baseOffset;
      manager.abandon();
      const bytes = rig.disk.content(SEGMENT);
      const disk = rig.disk.clone();
      // As a power cut may leave it: whole batches, one less than were written.
      disk.setContent(SEGMENT, bytes.subarray(0, positions(bytes).at(-1)));
      const again = await makeRig(config, disk).open();
      expect(next).toBeGreaterThan(1);
      expect(again.log.logEndOffset).toBe(next - 1);
      expect([...readAll(again.log).keys()].at(-1)).toBe(next - 2);
    },
  );

  it('keeps gaps between segments that Kafka’s compaction has left, as far as they were flushed', async () => {
    const config: Partial<LogConfig> = { cleanupPolicy: ['compact'], segmentBytes: 250 };
    const rig = makeRig(config);
    const { manager, log } = await rig.open();
    for (let i = 0; i < 8; i++) appendValues(log, [`v${i}`], { key: `k${i}` });
    await log.flush();
    const next = [...log.segments][1]!.baseOffset;
    manager.abandon();
    const bytes = rig.disk.content(SEGMENT);
    rig.disk.setContent(SEGMENT, bytes.subarray(0, positions(bytes).at(-1)));
    for (const recoveryPoint of [next, 8]) {
      const disk = rig.disk.clone();
      const points = Buffer.from(`0\n1\nt 0 ${recoveryPoint}\n`);
      disk.setContent('/data/recovery-point-offset-checkpoint', points);
      const { log: again } = await makeRig(config, disk).open();
      expect(again.logEndOffset).toBe(8);
      expect([...readAll(again).keys()]).toEqual(
        [0, 1, 2, 3, 4, 5, 6, 7].filter((i) => i !== next - 1),
      );
    }
  });

  it('rebuilds leader epochs whole or not at all, wherever a crash interrupts it', async () => {
    const rig = makeRig({ segmentBytes: 100 });
    const { manager, log } = await rig.open();
    for (const epoch of [3, 4, 5, 6, 7, 8]) {
      log.append(batchOf(['a', 'b']), { leaderEpoch: epoch, origin: 'client' });
    }
    await log.flush();
    manager.abandon();
    // No start reads again what lies before it.
    rig.disk.setContent('/data/recovery-point-offset-checkpoint', Buffer.from('0\n1\nt 0 8\n'));
    const path = '/data/t-0/leader-epoch-checkpoint';
    rig.disk.setContent(path, Buffer.from('damaged'));
    const interrupted: FaultyDisk[] = [];
    rig.disk.watch = ({ path: name }) => {
      if (name.startsWith(path)) interrupted.push(rig.disk.clone());
    };
    await onDisk(rig.disk).open();
    expect(interrupted.length).toBeGreaterThan(2);
    for (const disk of interrupted) {
      const opened = await onDisk(disk).open();
      expect(opened.log.latestEpoch).toBe(8);
      expect(opened.log.endOffsetForEpoch(4)).toEqual({ epoch: 4, endOffset: 4 });
    }
  });

  it('survives a crash between creating a segment and writing to it', async () => {
    const rig = await killedLog(3, true);
    rig.disk.setContent('/data/t-0/00000000000000000006.log', Buffer.alloc(0));
    const { manager, log } = await onDisk(rig.disk).open();
    expect(log.logEndOffset).toBe(6);
    expect(log.segmentCount).toBe(2);
    log.roll();
    expect(log.segmentCount).toBe(2);
    expect(appendValues(log, ['x'])).toBe(6);
    await manager.stop();
    const again = await onDisk(rig.disk).open();
    expect(again.log.logEndOffset).toBe(7);
  });

  it('removes what interrupted deletions left and keeps what it does not know', async () => {
    const rig = await killedLog(1, true);
    const stray = [
      '00000000000000000000.log.deleted',
      '00000000000000000000.index.cleaned',
      '00000000000000000099.index',
      '00000000000000000099.timeindex',
      'leader-epoch-checkpoint.tmp',
    ];
    for (const name of [...stray, 'notes.txt']) {
      rig.disk.setContent(`/data/t-0/${name}`, Buffer.from('x'));
    }
    await onDisk(rig.disk).open();
    const names = rig.disk.list('/data/t-0');
    for (const name of stray) expect(names).not.toContain(name);
    expect(names).toContain('notes.txt');
  });

  it('does not recover a log that was shut down cleanly, and reads only its end', async () => {
    const rig = makeRig({ indexIntervalBytes: 100, segmentBytes: 2000 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 200; i++) appendValues(log, numbered(2, 2 * i));
    await manager.stop();
    expect(rig.disk.content('/data/.kafka_cleanshutdown').toString()).toContain('"version":0');
    let reads = 0;
    rig.disk.watch = ({ operation, path }) => {
      if (operation === 'read' && path.endsWith('.log')) reads++;
    };
    const again = await onDisk(rig.disk).open();
    expect(again.log.logEndOffset).toBe(400);
    expect(again.log.flushedOffset).toBe(400);
    expect(again.manager.probe.segmentsRecovered).toBe(0);
    expect(reads).toBeLessThanOrEqual(2);
    expect(rig.disk.exists('/data/.kafka_cleanshutdown')).toBe(false);
  });

  it('takes nothing while it is closed that a clean shutdown would promise', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    appendValues(log, ['before']);
    const stopped = manager.stop();
    const closed = log.close();
    expect(codeThrown(() => appendValues(log, ['late']))).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    expect(codeThrown(() => log.truncateTo(0))).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    await Promise.all([stopped, closed]);
    rig.disk.crash(rig.random);
    const again = await makeRig({}, rig.disk).open();
    expect([...readAll(again.log).values()]).toEqual(['before']);
  });

  it('recovers all the same when a clean log is not whole', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    for (let i = 0; i < 4; i++) appendValues(log, numbered(2, 2 * i));
    await manager.stop();
    const bytes = rig.disk.content(SEGMENT);
    rig.disk.setContent(SEGMENT, Buffer.concat([bytes, Buffer.from('garbage behind the end')]));
    const again = await onDisk(rig.disk).open();
    expect([...readAll(again.log).values()]).toEqual(numbered(8));
    expect(appendValues(again.log, ['x'])).toBe(8);
  });

  it('keeps what was flushed through power loss', async () => {
    for (let seed = 0; seed < 300; seed++) {
      const rig = makeRig({ segmentBytes: 700, indexIntervalBytes: 100 });
      const { manager, log } = await rig.open();
      const random = seededRandom(seed);
      let flushed = 0;
      let written = 0;
      for (let i = 0; i < 30; i++) {
        appendValues(log, numbered(2, written));
        written += 2;
        if (random.next() < 0.2) {
          await log.flush();
          flushed = written;
        }
        if (random.next() < 0.1) await manager.checkpoint();
      }
      await Promise.resolve();
      manager.abandon();
      rig.disk.crash(random);
      const again = await onDisk(rig.disk).open();
      const values = [...readAll(again.log).values()];
      expect(values.length, `seed ${seed}`).toBeGreaterThanOrEqual(flushed);
      expect(values, `seed ${seed}`).toEqual(numbered(values.length));
      const next = appendValues(again.log, ['after']);
      expect(next).toBe(values.length);
      again.manager.abandon();
    }
  });
});

describe('a batch at the end of a recovered log', () => {
  it('keeps last offsets equal to those on disk', async () => {
    const rig = await killedLog(3, false);
    const bytes = rig.disk.content(SEGMENT);
    expect(positions(bytes).map((at) => lastOffset(bytes, at))).toEqual([1, 3, 5]);
  });
});
