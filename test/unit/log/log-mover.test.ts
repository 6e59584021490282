import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import type { LogManager, LogManagerOptions } from '../../../src/log/log-manager.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { ErrorCode, ProtocolError } from '../../../src/protocol/error-codes.ts';
import { BatchAttribute } from '../../../src/protocol/record-batch.ts';
import { systemError } from '../../support/faulty-disk.ts';
import {
  appendValues,
  batchOf,
  codeThrown,
  makeRig,
  numbered,
  type Rig,
  readAll,
  START_MS,
  TOPIC_ID,
} from './support.ts';

const DIRS = ['/a', '/b', '/c'];

/** Lets the rig's time pass until `isDone`. */
async function until(rig: Rig, isDone: () => boolean, limitMs = 60_000): Promise<void> {
  for (let passed = 0; !isDone(); passed += 10) {
    if (passed > limitMs) throw new Error('it does not come to an end');
    rig.clock.advance(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const moved = (rig: Rig, manager: LogManager): Promise<void> =>
  until(rig, () => manager.mover.size === 0);

const open = (rig: Rig, options: Partial<LogManagerOptions> = {}) =>
  rig.open({ dirs: DIRS, ...options });

const values = (log: PartitionLog): string[] => [...readAll(log).values()];

/** Names of the partition's directories, by directory; the unique part is left out. */
const names = (rig: Rig): string[] =>
  DIRS.flatMap((dir) =>
    (rig.disk.exists(dir) ? rig.disk.list(dir) : [])
      .filter((name) => name.startsWith('t-'))
      .map((name) => `${dir}/${name.replace(/\.[0-9a-f]{32}-/, '-')}`),
  );

describe('LogMover', () => {
  it('loses nothing of closed segments when the power is lost behind a move', async () => {
    const rig = makeRig({ segmentBytes: 400, indexIntervalBytes: 50 });
    const { manager, log } = await open(rig);
    for (let i = 0; i < 10; i++) appendValues(log, numbered(2, i * 2));
    manager.move(log, '/b');
    // What comes while the copy's last sync is waited for is copied, and rolled, without one.
    const { future } = manager.mover.of(log)!;
    const hold = log.holdFlushes.bind(log);
    const flush = future.flush.bind(future);
    let isHeld = false;
    log.holdFlushes = (successor) => {
      isHeld = true;
      return hold(successor);
    };
    future.flush = async () => {
      await flush();
      if (!isHeld) return;
      for (let i = 10; i < 20; i++) {
        appendValues(log, numbered(2, i * 2), { timestamp: START_MS + i });
      }
    };
    await moved(rig, manager);
    const after = manager.get('t', 0)!;
    await after.flush();
    const unsynced = rig.disk
      .list('/b/t-0')
      .filter((name) => /(time)?index$/.test(name))
      .filter((name) => rig.disk.inodeOf(`/b/t-0/${name}`)!.changes.length > 0);
    // Those of the segment that is appended to are not safe before it is closed.
    expect(
      unsynced.filter(
        (name) => !name.startsWith(String(after.activeSegmentOffset).padStart(20, '0')),
      ),
    ).toEqual([]);
    manager.abandon();
  });

  it('moves a log to another directory, with everything that is known of it', async () => {
    const rig = makeRig({ segmentBytes: 500, fileDeleteDelayMs: 1000 });
    const replaced: PartitionLog[] = [];
    const { manager, log } = await open(rig, { onMoved: (_, after) => replaced.push(after) });
    // What it wrote is deleted below; what it may write next is known all the same.
    const gone = { id: 8, epoch: 0, baseSequence: 0 };
    for (let i = 0; i < 40; i++) {
      const producer = i === 0 ? gone : { id: 7, epoch: 1, baseSequence: i };
      log.append(batchOf([`value-${i}`], { producer: producer }), {
        leaderEpoch: i >> 3,
        origin: 'client',
      });
    }
    log.assignEpoch(9);
    log.setHighWatermark(38);
    log.advanceLogStartOffset(5);
    expect(log.path).toBe('/a/t-0');
    const asked = log.startVerification(9, 0, 0, false)!;
    manager.move(log, '/b');
    expect(names(rig)).toEqual(['/a/t-0', '/b/t-0-future']);
    expect(manager.get('t', 0)).toBe(log);
    await moved(rig, manager);
    const after = manager.get('t', 0)!;
    expect(replaced).toEqual([after]);
    expect(after.path).toBe('/b/t-0');
    expect([after.logStartOffset, after.highWatermark, after.logEndOffset]).toEqual([5, 38, 40]);
    expect(values(after)).toEqual(numbered(35, 5));
    expect([after.latestEpoch, after.epochForOffset(20)]).toEqual([9, 2]);
    expect(after.topicId).toBe(TOPIC_ID);
    expect(after.flushedOffset).toBe(40);
    // The producer goes on where it was, and what it sends again is known.
    const again = { id: 7, epoch: 1, baseSequence: 39 };
    const append = { leaderEpoch: 9, origin: 'client' } as const;
    expect(after.append(batchOf(['value-39'], { producer: again }), append)).toMatchObject({
      duplicate: true,
    });
    const late = batchOf(['x'], { producer: { ...gone, baseSequence: 2 } });
    expect(codeThrown(() => after.append(late, append))).toBe(
      ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    );
    const next = { id: 7, epoch: 1, baseSequence: 40 };
    expect(after.append(batchOf(['more'], { producer: next }), append).firstOffset).toBe(40);
    // The question that was asked before the move is answered behind it.
    const attributes = BatchAttribute.transactional;
    const part = batchOf(['part'], { attributes, producer: { id: 9, epoch: 0, baseSequence: 0 } });
    expect(codeThrown(() => after.append(part, append))).toBe(ErrorCode.INVALID_TXN_STATE);
    expect(after.append(part, { ...append, verification: asked }).firstOffset).toBe(41);
    expect(codeThrown(() => appendValues(log, ['x']))).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    await rig.pass(2000);
    expect(names(rig)).toEqual(['/b/t-0']);
    await manager.stop();
    const reopened = await open(rig);
    expect(values(reopened.log)).toEqual([...numbered(35, 5), 'more', 'part']);
    expect(reopened.log.highWatermark).toBe(38);
  });

  it('copies what comes meanwhile, and what is flushed meanwhile is on the device', async () => {
    const rig = makeRig({ segmentBytes: 20_000 });
    const { manager, log } = await open(rig, { onMoved: (_, after) => (held = after) });
    let held = log;
    const flushes: Promise<void>[] = [];
    appendValues(held, numbered(500));
    manager.move(log, '/b');
    let sent = 500;
    await until(rig, () => {
      appendValues(held, numbered(3, sent));
      sent += 3;
      const end = held.logEndOffset;
      flushes.push(
        held.flush().then(() => {
          expect(manager.get('t', 0)!.flushedOffset).toBeGreaterThanOrEqual(end);
        }),
      );
      return manager.mover.size === 0;
    });
    await Promise.all(flushes);
    expect(held.path).toBe('/b/t-0');
    expect(values(held)).toEqual(numbered(sent));
    manager.abandon();
    rig.disk.crash({ next: () => 0.99, fill: () => {} });
    expect(values((await open(rig)).log)).toEqual(numbered(sent));
  });

  it('answers a flush that is asked for at the last moment from the new place', async () => {
    const rig = makeRig();
    const { manager, log } = await open(rig);
    appendValues(log, numbered(5));
    manager.move(log, '/b');
    const flushes: Promise<void>[] = [];
    rig.disk.watch = ({ operation, path }) => {
      if (operation !== 'sync' || !path.includes('-future/') || flushes.length > 4) return;
      appendValues(log, numbered(1, log.logEndOffset));
      flushes.push(log.flush());
    };
    await moved(rig, manager);
    const after = manager.get('t', 0)!;
    expect(flushes.length).toBeGreaterThan(2);
    await Promise.all(flushes);
    expect(after.flushedOffset).toBe(5 + flushes.length);
    expect(values(after)).toEqual(numbered(5 + flushes.length));
  });

  it('follows a truncation, and a log start within a batch', async () => {
    const rig = makeRig({ segmentBytes: 2000 });
    const { manager, log } = await open(rig, { moveBytesPerSecond: () => 2000 });
    for (let i = 0; i < 100; i++) appendValues(log, numbered(10, i * 10));
    log.setHighWatermark(500);
    log.advanceLogStartOffset(123);
    manager.move(log, '/c');
    const move = manager.mover.of(log)!;
    await until(rig, () => move.future.logEndOffset > 720);
    expect(log.isClosed).toBe(false);
    log.truncateTo(705);
    appendValues(log, ['other'], {});
    await moved(rig, manager);
    const after = manager.get('t', 0)!;
    expect([after.logStartOffset, after.path]).toEqual([123, '/c/t-0']);
    expect(values(after)).toEqual([...numbered(577, 123), 'other']);
  });

  it('goes on after a clean stop, and after a crash, with what it has', async () => {
    for (const isClean of [true, false]) {
      const rig = makeRig({ segmentBytes: 2000 });
      const slow = { moveBytesPerSecond: () => 20_000 };
      const { manager, log } = await open(rig, slow);
      for (let i = 0; i < 100; i++) appendValues(log, numbered(10, i * 10));
      manager.move(log, '/b');
      const move = manager.mover.of(log)!;
      await until(rig, () => move.future.logEndOffset > 500);
      const copied = move.future.logEndOffset;
      if (isClean) await manager.stop();
      else manager.abandon();
      expect(names(rig)).toEqual(['/a/t-0', '/b/t-0-future']);
      const again = await open(rig, slow);
      expect(again.manager.mover.of(again.log)!.future.logEndOffset).toBe(copied);
      await moved(rig, again.manager);
      const after = again.manager.get('t', 0)!;
      expect([after.path, values(after).length]).toEqual(['/b/t-0', 1000]);
    }
  });

  it('takes only what the log has when they were apart', async () => {
    const rig = makeRig();
    const { manager, log } = await open(rig, { moveBytesPerSecond: () => 100 });
    const append = (to: PartitionLog, values: string[], leaderEpoch: number): void => {
      to.append(batchOf(values), { leaderEpoch, origin: 'client' });
    };
    append(log, numbered(5), 0);
    append(log, ['lost'], 1);
    append(log, ['lost, too'], 1);
    manager.move(log, '/b');
    await until(rig, () => manager.mover.of(log)!.future.logEndOffset === 6);
    await manager.stop();
    // The copy's disk is away, and the log becomes another one.
    const alone = await rig.open({ dirs: ['/a'] });
    alone.log.truncateTo(5);
    append(alone.log, ['kept', 'too'], 2);
    await alone.manager.stop();
    const again = await open(rig);
    expect(again.manager.mover.of(again.log)!.future.logEndOffset).toBe(5);
    await moved(rig, again.manager);
    expect(values(again.manager.get('t', 0)!)).toEqual([...numbered(5), 'kept', 'too']);
  });

  it('is given up when the log is wanted where it is, or elsewhere', async () => {
    const rig = makeRig({ fileDeleteDelayMs: 100 });
    const { manager, log } = await open(rig, { moveBytesPerSecond: () => 1 });
    for (let i = 0; i < 10; i++) appendValues(log, numbered(10, i * 10));
    manager.move(log, '/a');
    expect(manager.mover.size).toBe(0);
    manager.move(log, '/b');
    const { future } = manager.mover.of(log)!;
    manager.move(log, '/b');
    expect(manager.mover.of(log)!.future).toBe(future);
    manager.move(log, '/c');
    expect(names(rig)).toEqual(['/a/t-0', '/b/t-0-delete', '/c/t-0-future']);
    manager.move(log, '/a');
    await rig.pass(200);
    expect([names(rig), manager.mover.size]).toEqual([['/a/t-0'], 0]);
    expect(future.isClosed).toBe(true);
    expect(log.isMoving).toBe(false);
    appendValues(log, ['more']);
    expect(values(log)).toEqual([...numbered(100), 'more']);
  });

  it('goes with its topic', async () => {
    const rig = makeRig({ fileDeleteDelayMs: 100 });
    const { manager, log } = await open(rig, { moveBytesPerSecond: () => 1 });
    appendValues(log, numbered(10));
    manager.move(log, '/b');
    manager.delete('t', 0);
    await rig.pass(200);
    expect([names(rig), manager.mover.size]).toEqual([[], 0]);
  });

  it('keeps to its pace, which may change meanwhile', async () => {
    const rig = makeRig();
    let rate = 10_000;
    const { manager, log } = await open(rig, { moveBytesPerSecond: () => rate });
    for (let i = 0; i < 100; i++) appendValues(log, ['x'.repeat(1000)]);
    manager.move(log, '/b');
    const before = rig.clock.monotonic();
    const { future } = manager.mover.of(log)!;
    await until(rig, () => future.size > 50_000);
    expect(rig.clock.monotonic() - before).toBeGreaterThan(3500);
    expect(rig.clock.monotonic() - before).toBeLessThan(6500);
    rate = Number.POSITIVE_INFINITY;
    await until(rig, () => manager.mover.size === 0, 1000);
  });

  it('keeps compaction from what is being copied, which goes on behind', async () => {
    const rig = makeRig({
      segmentBytes: 500,
      cleanupPolicy: ['compact'],
      minCleanableDirtyRatio: 0.01,
    });
    let rate = 1;
    const { manager, log } = await open(rig, { moveBytesPerSecond: () => rate });
    for (let i = 0; i < 60; i++) appendValues(log, [`value-${i}`], { key: 'k' });
    log.setHighWatermark(60);
    await log.flush();
    manager.move(log, '/b');
    await manager.cleaner.run();
    expect([log.cleanedTo, manager.cleaner.stats.passes]).toEqual([null, 0]);
    rate = Number.POSITIVE_INFINITY;
    await moved(rig, manager);
    const after = manager.get('t', 0)!;
    await manager.cleaner.run();
    expect(manager.cleaner.stats.passes).toBe(1);
    expect(values(after).length).toBeLessThan(20);
    expect(after.cleanedTo).toBeGreaterThan(40);
    // It is known where it was cleaned up to, wherever it goes.
    manager.move(after, '/a');
    await moved(rig, manager);
    expect(manager.get('t', 0)!.cleanedTo).toBe(after.cleanedTo);
  });

  it('is known to lack tombstones when the process is killed behind the move', async () => {
    const rig = makeRig({
      segmentBytes: 500,
      cleanupPolicy: ['compact'],
      minCleanableDirtyRatio: 0.01,
    });
    const { manager, log } = await open(rig);
    for (let i = 0; i < 60; i++) appendValues(log, [`value-${i}`], { key: 'k' });
    log.setHighWatermark(60);
    await log.flush();
    await manager.cleaner.run();
    const { removedTo } = log;
    expect(removedTo).toBeGreaterThan(40);
    manager.move(log, '/b');
    await moved(rig, manager);
    expect(manager.get('t', 0)!.removedTo).toBe(removedTo);
    manager.abandon();
    const again = await open(rig);
    expect(again.log.path).toBe('/b/t-0');
    expect(again.log.removedTo).toBe(removedTo);
  });

  it('copies a compacted log anew after a start', async () => {
    const rig = makeRig({
      segmentBytes: 500,
      cleanupPolicy: ['compact'],
      minCleanableDirtyRatio: 0.01,
    });
    const { manager, log } = await open(rig, { moveBytesPerSecond: () => 1000 });
    for (let i = 0; i < 60; i++) appendValues(log, [`value-${i}`], { key: 'k' });
    manager.move(log, '/b');
    await until(rig, () => manager.mover.of(log)!.future.logEndOffset > 10);
    await manager.stop();
    const again = await open(rig);
    expect(again.manager.mover.of(again.log)!.future.logEndOffset).toBe(0);
    await moved(rig, again.manager);
    expect(values(again.manager.get('t', 0)!)).toEqual(numbered(60));
  });

  it('copies it anew once there is room where there was none', async () => {
    const rig = makeRig({ cleanupPolicy: ['compact'] });
    const { manager, log } = await open(rig, { moveBytesPerSecond: () => 1000 });
    for (let i = 0; i < 60; i++) appendValues(log, [`value-${i}`], { key: 'k' });
    manager.move(log, '/b');
    await until(rig, () => manager.mover.of(log)!.future.logEndOffset > 10);
    await manager.stop();
    let isFull = true;
    rig.disk.fault = ({ path, operation }) =>
      isFull && operation === 'open' && path.includes('-future/partition.metadata')
        ? systemError('ENOSPC')
        : null;
    const again = await open(rig);
    await until(rig, () => rig.clock.monotonic() > 70_000, 80_000);
    expect(again.log.path).toBe('/a/t-0');
    // Nothing of the attempts is left there.
    expect(names(rig)).toEqual(['/a/t-0']);
    isFull = false;
    await moved(rig, again.manager);
    expect(values(again.manager.get('t', 0)!)).toEqual(numbered(60));
    expect(again.manager.get('t', 0)!.path).toBe('/b/t-0');
    expect(rig.logger.lines.filter((line) => line.includes('for now'))).toHaveLength(1);
  });

  it('makes no copy anew of a log that is gone, or wanted elsewhere', async () => {
    const rig = makeRig({ cleanupPolicy: ['compact'], fileDeleteDelayMs: 50 });
    const { manager, log } = await open(rig, { moveBytesPerSecond: () => 1000 });
    for (let i = 0; i < 60; i++) appendValues(log, [`value-${i}`], { key: 'k' });
    manager.move(log, '/b');
    await until(rig, () => manager.mover.of(log)!.future.logEndOffset > 10);
    await manager.stop();
    let isFull = true;
    rig.disk.fault = ({ path, operation }) =>
      isFull && operation === 'open' && path.includes('-future/partition.metadata')
        ? systemError('ENOSPC')
        : null;
    const again = await open(rig);
    expect(again.manager.mover.size).toBe(1);
    again.manager.move(again.log, '/a');
    isFull = false;
    expect(again.manager.mover.size).toBe(0);
    await until(rig, () => rig.clock.monotonic() > 10_000);
    expect(names(rig)).toEqual(['/a/t-0']);
  });
});

describe('a log that is moved, and its disks', () => {
  const FLUSHED = 30;
  const rigOf = (): Rig => makeRig({ segmentBytes: 400, fileDeleteDelayMs: 50 });

  /** Moves a log, which is appended to, from /a to /b. */
  async function scenario(rig: Rig): Promise<void> {
    const { manager, log } = await open(rig);
    for (let i = 0; i < 10; i++) appendValues(log, numbered(3, i * 3));
    log.setHighWatermark(FLUSHED);
    log.advanceLogStartOffset(4);
    await log.saveLogStart();
    await log.flush();
    begun = rig.disk.calls;
    manager.move(log, '/b');
    await until(rig, () => manager.mover.size === 0);
    await until(rig, () => rig.clock.monotonic() > 1000);
    const after = manager.get('t', 0)!;
    try {
      appendValues(after, ['late']);
      await after.flush();
      rig.logger.lines.push(LATE);
    } finally {
      manager.abandon();
    }
  }
  let begun = 0;
  const LATE = 'late is acknowledged';

  /** Everything that was flushed is there, once, and the move comes to its end. */
  async function check(rig: Rig, isLate = rig.logger.lines.includes(LATE)): Promise<void> {
    const { manager, log } = await open(rig);
    const expected = numbered(FLUSHED - 4, 4);
    if (isLate) expected.push('late');
    expect(values(log).slice(0, expected.length)).toEqual(expected);
    expect(log.topicId).toBe(TOPIC_ID);
    await moved(rig, manager);
    const after = manager.get('t', 0)!;
    expect(values(after).slice(0, expected.length)).toEqual(expected);
    appendValues(after, ['more']);
    await until(rig, () => names(rig).length === 1);
    await manager.stop();
    expect(names(rig)).toEqual([after.path]);
  }

  it('loses nothing when the process is killed at any call, or power is lost', async () => {
    const calls = rigOf();
    await scenario(calls);
    const count = calls.disk.calls - begun;
    expect(count).toBeGreaterThan(40);
    for (let n = 1; n <= count; n++) {
      const rig = rigOf();
      const images: Rig[] = [];
      rig.disk.watch = ({ number }) => {
        if (begun === 0 || number !== begun + n) return;
        for (const isPower of [false, true, true]) {
          const disk = rig.disk.clone();
          if (isPower) disk.crash(seededRandom(n + images.length));
          images.push(Object.assign(rigOf(), { disk }));
        }
      };
      begun = 0;
      await scenario(rig);
      expect(images.length).toBe(3);
      for (const image of images) await check(image);
    }
  }, 60_000);

  it('loses nothing when any call fails, and ends up in one place', async () => {
    const calls = rigOf();
    await scenario(calls);
    const count = calls.disk.calls - begun;
    for (let n = 1; n <= count; n++) {
      for (const code of ['EIO', 'ENOSPC']) {
        const rig = rigOf();
        let isHit = false;
        rig.disk.fault = ({ number, operation }) => {
          if (begun === 0 || number !== begun + n || isHit) return null;
          // A sync that has failed fails for ever.
          if (code === 'ENOSPC' && operation === 'sync') return null;
          isHit = true;
          return systemError(code);
        };
        begun = 0;
        try {
          await scenario(rig);
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
        }
        rig.disk.restart();
        await check(rig);
      }
    }
  }, 60_000);

  it('ends with the disk of the copy, and the log is served on', async () => {
    const rig = makeRig();
    const { manager, log } = await open(rig, { moveBytesPerSecond: () => 1 });
    appendValues(log, numbered(10));
    manager.move(log, '/b');
    rig.disk.fault = ({ path }) => (path.startsWith('/b/t-') ? systemError('EIO') : null);
    await until(rig, () => manager.mover.size === 0);
    expect(manager.directories().map(({ failure }) => failure !== null)).toEqual([
      false,
      true,
      false,
    ]);
    appendValues(log, ['more']);
    expect(values(log)).toEqual([...numbered(10), 'more']);
    // While a disk is away, there may be a copy on it.
    expect(codeThrown(() => manager.move(log, '/c'))).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    manager.abandon();
    rig.disk.restart();
    const again = await open(rig);
    await moved(rig, again.manager);
    expect(values(again.manager.get('t', 0)!)).toEqual([...numbered(10), 'more']);
  });

  it('is not made anew while the disk that may hold it is away', async () => {
    const rig = makeRig();
    const { manager, log } = await open(rig);
    appendValues(log, numbered(10));
    await manager.stop();
    rig.disk.fault = ({ path }) => (path.startsWith('/a') ? systemError('EIO') : null);
    const away = rig.manager({ dirs: DIRS });
    await away.start();
    expect(codeThrown(() => away.create('t', TOPIC_ID, 0, false))).toBe(
      ErrorCode.KAFKA_STORAGE_ERROR,
    );
    appendValues(away.create('u', TOPIC_ID, 0, true), ['new']);
    await away.stop();
    rig.disk.restart();
    expect(values((await open(rig)).log)).toEqual(numbered(10));
  });

  it('is found again where its other half is away, and what was set aside stays until then', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open({ dirs: ['/b'] });
    appendValues(log, numbered(10));
    await manager.stop();
    const unique = '0123456789abcdef'.repeat(2);
    rig.disk.rename('/b/t-0', `/b/t-0.${unique}-future`);
    rig.disk.makeDirectory(`/a/t-0.${unique}-delete`);
    rig.disk.fault = ({ path }) => (path.startsWith('/b') ? systemError('EIO') : null);
    const away = rig.manager({ dirs: DIRS });
    await away.start();
    await rig.pass(1000);
    expect(away.get('t', 0)).toBeUndefined();
    expect(rig.disk.exists(`/a/t-0.${unique}-delete`)).toBe(true);
    await away.stop();
    rig.disk.restart();
    const again = await open(rig);
    await rig.pass(1000);
    expect([again.log.path, values(again.log)]).toEqual(['/b/t-0', numbered(10)]);
    expect(names(rig)).toEqual(['/b/t-0']);
  });

  it('is made where it is wished for', async () => {
    const rig = makeRig();
    const { manager } = await open(rig);
    manager.prefer('u', 1, '/c');
    expect(manager.create('u', TOPIC_ID, 0).path).toBe('/b/u-0');
    expect(manager.create('u', TOPIC_ID, 1).path).toBe('/c/u-1');
    manager.prefer('u', 2, '/gone');
    expect(manager.create('u', TOPIC_ID, 2).path).toBe('/a/u-2');
  });
});
