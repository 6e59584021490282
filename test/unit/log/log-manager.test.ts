import { describe, expect, it } from 'vitest';
import { FatalError } from '../../../src/base/errors.ts';
import type { LogManager } from '../../../src/log/log-manager.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { type FaultyDisk, systemError } from '../../support/faulty-disk.ts';
import {
  appendValues,
  batchOf,
  codeThrown,
  makeRig,
  numbered,
  type Rig,
  readAll,
  TOPIC_ID,
} from './support.ts';

const OTHER_ID = 'b3RoZXItdG9waWMtaWQtMQ';

describe('LogManager', () => {
  it("keeps Kafka's files: meta.properties, partition.metadata, checkpoints, marker", async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    appendValues(log, numbered(3));
    log.setHighWatermark(2);
    await manager.stop();
    const text = (name: string): string => rig.disk.content(`/data/${name}`).toString();
    expect(text('meta.properties')).toMatch(
      /^cluster\.id=cluster\ndirectory\.id=[A-Za-z0-9_][A-Za-z0-9_-]{21}\nnode\.id=1\nversion=1\n$/,
    );
    expect(text('t-0/partition.metadata')).toBe(`version: 0\ntopic_id: ${TOPIC_ID}`);
    expect(text('recovery-point-offset-checkpoint')).toBe('0\n1\nt 0 3\n');
    expect(text('replication-offset-checkpoint')).toBe('0\n1\nt 0 2\n');
    expect(text('log-start-offset-checkpoint')).toBe('0\n0\n');
    expect(text('.kafka_cleanshutdown')).toBe('{"version":0,"brokerEpoch":-1}');
    expect(text('t-0/leader-epoch-checkpoint')).toBe('0\n1\n0 0\n');
  });

  it('opens all partitions again, with topic ids and high watermarks', async () => {
    const rig = makeRig();
    const manager = rig.manager();
    await manager.start();
    for (let p = 0; p < 20; p++) {
      const log = manager.create('with-dash.and_dot', TOPIC_ID, p);
      if (p > 0) appendValues(log, numbered(p));
      log.setHighWatermark(p);
    }
    await manager.stop();
    await manager.stop();
    const again = rig.manager();
    await again.start();
    expect([...again.all()].length).toBe(20);
    for (let p = 0; p < 20; p++) {
      const log = again.get('with-dash.and_dot', p)!;
      expect([log.logEndOffset, log.highWatermark, log.topicId]).toEqual([p, p, TOPIC_ID]);
    }
    expect(again.get('with-dash.and_dot', 20)).toBeUndefined();
  });

  it('never gives one topic the data of another', async () => {
    const rig = makeRig();
    const { manager } = await rig.open();
    expect(codeThrown(() => manager.create('t', OTHER_ID, 0))).toBe(
      ErrorCode.INCONSISTENT_TOPIC_ID,
    );
    expect(manager.create('t', TOPIC_ID, 0)).toBe(manager.get('t', 0));
    manager.abandon();
    rig.disk.setContent('/data/t-0/partition.metadata', Buffer.from('garbage'));
    const again = rig.manager();
    await again.start();
    expect(again.get('t', 0)!.topicId).toBeNull();
    expect(again.create('t', OTHER_ID, 0).topicId).toBe(OTHER_ID);
  });

  it('knows whose data these are when it has lost power', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    appendValues(log, numbered(3));
    await log.flush();
    manager.abandon();
    // Of what was not synced nothing is left.
    rig.disk.crash({ next: () => 0.99, fill: () => {} });
    const again = rig.manager();
    await again.start();
    expect(again.get('t', 0)?.topicId).toBe(TOPIC_ID);
    expect(again.get('t', 0)?.logEndOffset).toBe(3);
  });

  it('deletes a partition on a disk that has no room for the name of a dead one', async () => {
    const rig = makeRig({ segmentBytes: 200 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 10; i++) appendValues(log, numbered(2));
    await log.flush();
    const killed: FaultyDisk[] = [];
    rig.disk.watch = ({ path }) => {
      if (path.includes('t-0')) killed.push(rig.disk.clone());
    };
    rig.disk.fault = ({ operation }) => (operation === 'rename' ? systemError('ENOSPC') : null);
    manager.delete('t', 0);
    expect(manager.get('t', 0)).toBeUndefined();
    expect(rig.disk.list('/data')).not.toContain('t-0');
    expect(log.logDirectory.failure).toBeNull();
    rig.disk.fault = () => null;
    const next = manager.create('t', OTHER_ID, 0);
    expect(appendValues(next, ['x'])).toBe(0);
    manager.abandon();
    expect(killed.length).toBeGreaterThan(10);
    // A power cut leaves no records of which nobody knows whose they are.
    for (const disk of killed) {
      disk.crash(rig.random);
      const again = makeRig({}, disk).manager();
      await again.start();
      const left = again.get('t', 0);
      if (left !== undefined && left.logEndOffset > 0) expect(left.topicId).toBe(TOPIC_ID);
      again.abandon();
    }
  });

  it('deletes a partition at once and its files after the delay', async () => {
    const rig = makeRig({ fileDeleteDelayMs: 1000 });
    const { manager, log } = await rig.open();
    appendValues(log, numbered(5));
    const flushing = log.flush();
    manager.delete('t', 0);
    await flushing;
    expect(manager.get('t', 0)).toBeUndefined();
    expect(codeThrown(() => appendValues(log, ['x']))).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    const dead = (): string[] => rig.disk.list('/data').filter((name) => name.endsWith('-delete'));
    expect(dead()[0]).toMatch(/^t-0\.[0-9a-f]{32}-delete$/);
    const fresh = manager.create('t', OTHER_ID, 0);
    expect(fresh.logEndOffset).toBe(0);
    expect(appendValues(fresh, ['new'])).toBe(0);
    await rig.pass(1000);
    expect(dead()).toEqual([]);
    expect([...readAll(fresh).values()]).toEqual(['new']);
    expect(log.logDirectory.failure).toBeNull();
  });

  it('calls no log safe before the device knows of its folder, whoever has asked first', async () => {
    const rig = makeRig();
    const manager = rig.manager();
    await manager.start();
    const logs = [0, 1].map((partition) => manager.create('t', TOPIC_ID, partition));
    for (const log of logs) appendValues(log, ['x']);
    const { promise: isKnown, resolve } = Promise.withResolvers<void>();
    const sync = rig.disk.syncDirectoryLater.bind(rig.disk);
    rig.disk.syncDirectoryLater = async (path) => {
      if (path === '/data') await isKnown;
      await sync(path);
    };
    const flushes = logs.map((log) => log.flush());
    await rig.pass(0);
    expect(logs.map((log) => log.flushedOffset)).toEqual([0, 0]);
    resolve();
    await Promise.all(flushes);
    expect(logs.map((log) => log.flushedOffset)).toEqual([1, 1]);
    manager.abandon();
  });

  it('knows the epoch of the last stop only if every directory tells it', async () => {
    const rig = makeRig();
    const dirs = ['/a', '/b'];
    const stopped = rig.manager({ dirs });
    await stopped.start();
    await stopped.stop(7);
    const again = rig.manager({ dirs });
    await again.start();
    expect(again.previousBrokerEpoch).toBe(7);
    await again.stop(8);
    rig.disk.fault = ({ path }) => (path.startsWith('/b') ? systemError('EIO') : null);
    const without = rig.manager({ dirs });
    await without.start();
    expect(without.previousBrokerEpoch).toBe(-1);
    without.abandon();
    rig.disk.fault = () => null;
    await expect(rig.manager({ dirs }).start()).resolves.toBeUndefined();
  });

  it.each([false, true])(
    'knows nothing of a deleted log in the one that has its name, after a power cut either (restarted between: %s)',
    async (restarts) => {
      const rig = makeRig();
      let { manager, log } = await rig.open();
      for (let i = 0; i < 5; i++) appendValues(log, [`old${i}`]);
      log.setHighWatermark(5);
      await log.flush();
      log.advanceLogStartOffset(3);
      await manager.checkpoint();
      await log.flush();
      manager.delete('t', 0);
      if (restarts) {
        manager.abandon();
        manager = rig.manager();
        await manager.start();
      }
      log = manager.create('t', OTHER_ID, 0);
      appendValues(log, ['new']);
      await log.flush();
      manager.abandon();
      // All that was not synced is lost.
      rig.disk.crash({ next: () => 0.99, fill: () => {} });
      const again = rig.manager();
      await again.start();
      const kept = again.get('t', 0)!;
      expect([kept.logStartOffset, kept.logEndOffset, kept.flushedOffset <= 1]).toEqual([
        0,
        1,
        true,
      ]);
      expect([...readAll(kept).values()]).toEqual(['new']);
    },
  );

  it('removes on start what a deletion before a crash left', async () => {
    const rig = makeRig();
    const { manager } = await rig.open();
    manager.delete('t', 0);
    manager.abandon();
    const again = rig.manager();
    await again.start();
    await rig.pass(1);
    expect(rig.disk.list('/data').filter((name) => name.startsWith('t-0'))).toEqual([]);
  });

  it('refuses a directory of another cluster or node, and a damaged meta.properties', async () => {
    const rig = makeRig();
    const { manager } = await rig.open();
    await manager.stop();
    await expect(rig.manager({ clusterId: 'other' }).start()).rejects.toThrow(FatalError);
    await expect(rig.manager({ brokerId: 2 }).start()).rejects.toThrow(/expected .* node 2/);
    rig.disk.setContent('/data/meta.properties', Buffer.from('nonsense'));
    await expect(rig.manager().start()).rejects.toThrow(/damaged/);
  });

  it('uses no partition that has records in two directories before the metadata are known', async () => {
    const rig = makeRig();
    for (const dir of ['/data', '/more']) {
      const { manager, log } = await rig.open({ dirs: [dir] });
      appendValues(log, numbered(1));
      await manager.stop();
    }
    const manager = rig.manager({ dirs: ['/data', '/more'] });
    await manager.start();
    expect(() => manager.create('t', TOPIC_ID, 0, false)).toThrow(FatalError);
  });

  it('refuses two directories of which nothing tells whose the records are', async () => {
    const rig = makeRig();
    for (const dir of ['/data', '/more']) {
      const { manager, log } = await rig.open({ dirs: [dir] });
      appendValues(log, numbered(1));
      await manager.stop();
      rig.disk.remove(`${dir}/t-0/partition.metadata`);
    }
    await expect(rig.manager({ dirs: ['/data', '/more'] }).start()).rejects.toThrow(/two log dir/);
  });

  describe.each([
    ['/data', '/more'],
    ['/more', '/data'],
  ])('a directory that was offline while the partition came again, %s before %s', (...dirs) => {
    const NEW_ID = 'c29tZS10b3BpYy1pZC0yMg';
    const openBoth = async (rig: Rig): Promise<LogManager> => {
      const manager = rig.manager({ dirs });
      await manager.start();
      return manager;
    };
    /** `/more` fails with three records of the topic, and `id` comes to be in `/data`. */
    async function comesAgain(rig: Rig, id: string): Promise<LogManager> {
      const manager = await openBoth(rig);
      manager.prefer('t', 0, '/more');
      const old = manager.create('t', TOPIC_ID, 0);
      appendValues(old, ['a', 'b', 'c']);
      await old.flush();
      old.logDirectory.takeOffline('test', systemError('EIO'));
      expect(codeThrown(() => manager.delete('t', 0))).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
      const log = manager.create('t', id, 0);
      expect([log.path, log.topicId]).toEqual(['/data/t-0', id]);
      expect(manager.get('t', 0)).toBe(log);
      return manager;
    }
    async function openAgain(rig: Rig, known: string | undefined, removed: string[] = []) {
      rig.disk.restart();
      const again = await openBoth(rig);
      again.settle({ idOf: () => known, wasRemoved: (id) => removed.includes(id) });
      return again;
    }
    const namesIn = (rig: Rig, dir: string): string[] =>
      rig.disk
        .list(dir)
        .filter((name) => name.startsWith('t-0'))
        .map((name) => name.replace(/[0-9a-f]{32}/, 'U'));

    it.each([
      ['goes with the topic that was deleted', [TOPIC_ID], 't-0.U-delete'],
      ['keeps aside what it has of a topic of which nobody knows', [], 't-0.U-stray'],
    ])('%s', async (_, removed, left) => {
      const rig = makeRig();
      const manager = await comesAgain(rig, NEW_ID);
      appendValues(manager.get('t', 0)!, ['new']);
      await manager.stop();
      const again = await openAgain(rig, NEW_ID, removed);
      const log = again.create('t', NEW_ID, 0, false);
      expect([log.path, ...readAll(log).values()]).toEqual(['/data/t-0', 'new']);
      expect(namesIn(rig, '/more')).toEqual([left]);
      await again.stop();
      // Nothing is open any more.
      const last = await openBoth(rig);
      expect(last.create('t', NEW_ID, 0, false).path).toBe('/data/t-0');
    });

    it('has what counts where the new one was copied less far', async () => {
      const rig = makeRig();
      const manager = await comesAgain(rig, TOPIC_ID);
      appendValues(manager.get('t', 0)!, ['a']);
      await manager.stop();
      const again = await openAgain(rig, TOPIC_ID);
      const log = again.create('t', TOPIC_ID, 0, false);
      expect([log.path, ...readAll(log).values()]).toEqual(['/more/t-0', 'a', 'b', 'c']);
      expect(namesIn(rig, '/data')).toEqual(['t-0.U-stray']);
    });

    it('has nothing that counts where the new one has records of a later term', async () => {
      const rig = makeRig();
      const manager = await comesAgain(rig, TOPIC_ID);
      const made = manager.get('t', 0)!;
      appendValues(made, ['a']);
      made.append(batchOf(['later']), { leaderEpoch: 1, origin: 'client' });
      await manager.stop();
      const again = await openAgain(rig, TOPIC_ID);
      const log = again.create('t', TOPIC_ID, 0, false);
      expect([log.path, ...readAll(log).values()]).toEqual(['/data/t-0', 'a', 'later']);
      expect(namesIn(rig, '/more')).toEqual(['t-0.U-stray']);
    });
  });

  for (const [first, second] of [
    ['/data', '/more'],
    ['/more', '/data'],
  ] as const) {
    it(`drops what a directory that failed has of a partition that was made elsewhere, ${first} before ${second}`, async () => {
      const rig = makeRig();
      const dirs = [first, second];
      const manager = rig.manager({ dirs });
      await manager.start();
      manager.prefer('t', 0, '/more');
      rig.disk.fault = ({ operation, path }) =>
        operation === 'write' && path.startsWith('/more/t-0') ? systemError('EIO') : null;
      expect(codeThrown(() => manager.create('t', TOPIC_ID, 0))).toBe(
        ErrorCode.KAFKA_STORAGE_ERROR,
      );
      appendValues(manager.create('t', TOPIC_ID, 0), numbered(2));
      expect(manager.get('t', 0)!.path).toBe('/data/t-0');
      manager.abandon();
      rig.disk.fault = () => null;
      rig.disk.restart();
      expect(rig.disk.exists('/more/t-0')).toBe(true);
      const again = rig.manager({ dirs });
      await again.start();
      expect([...readAll(again.get('t', 0)!).values()]).toEqual(numbered(2));
      expect(rig.disk.exists('/more/t-0')).toBe(false);
    });
  }

  it('keeps a log that was emptied, and goes on at its offset, beside a folder that was never finished', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open({ dirs: ['/more'] });
    log.truncateFullyAndStartAt(1000);
    await manager.stop();
    const other = rig.manager({ dirs: ['/data'] });
    await other.start();
    other.create('t', TOPIC_ID, 0);
    await other.stop();
    const again = rig.manager({ dirs: ['/data', '/more'] });
    await again.start();
    expect([again.get('t', 0)!.path, again.get('t', 0)!.logEndOffset]).toEqual(['/more/t-0', 1000]);
  });

  it('spreads partitions over its directories', async () => {
    const rig = makeRig();
    const manager = rig.manager({ dirs: ['/a', '/b', '/c'] });
    await manager.start();
    for (let p = 0; p < 9; p++) manager.create('t', TOPIC_ID, p);
    expect(manager.directories().map((d) => [...d.logs].length)).toEqual([3, 3, 3]);
  });

  it('checkpoints while there is something new, and not when idle', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open({ checkpointMs: 1000, retentionCheckMs: 1e9 });
    rig.clock.advance(5000);
    const idle = rig.clock.pending;
    expect(idle).toBe(1);
    appendValues(log, numbered(3));
    await log.flush();
    expect(rig.clock.pending).toBe(2);
    await rig.pass(1000);
    expect(rig.disk.content('/data/recovery-point-offset-checkpoint').toString()).toContain(
      't 0 3',
    );
    expect(rig.clock.pending).toBe(idle);
    manager.abandon();
    expect(rig.clock.pending).toBe(0);
  });

  it('tries again to write what there was no room for, and takes a bug for one', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open({ checkpointMs: 1000, retentionCheckMs: 1e9 });
    const saved = (): string =>
      rig.disk.readFile('/data/recovery-point-offset-checkpoint')?.toString() ?? '';
    const failing = (error: Error): void => {
      rig.disk.fault = ({ operation, path }) =>
        operation === 'write' && path.includes('checkpoint.') ? error : null;
    };
    appendValues(log, numbered(3));
    await log.flush();
    failing(systemError('ENOSPC'));
    await rig.pass(1000);
    expect(saved()).not.toContain('t 0 3');
    rig.disk.fault = () => null;
    await rig.pass(1000);
    expect([saved(), log.logDirectory.failure]).toEqual(['0\n1\nt 0 3\n', null]);
    for (const bug of [new TypeError('not a function'), systemError('ERR_OUT_OF_RANGE')]) {
      failing(bug);
      appendValues(log, numbered(1));
      await log.flush();
      await expect(manager.checkpoint()).rejects.toBe(bug);
      expect(log.logDirectory.failure).toBeNull();
    }
    manager.abandon();
  });

  it('leaves no timer and no memory behind deleted partitions', async () => {
    const rig = makeRig({ fileDeleteDelayMs: 10, flushMs: 1000 });
    const manager = rig.manager();
    await manager.start();
    for (let i = 0; i < 500; i++) {
      appendValues(manager.create('t', TOPIC_ID, i), ['x']);
      manager.delete('t', i);
    }
    await rig.pass(10_000);
    expect([...manager.all()]).toEqual([]);
    expect(rig.disk.list('/data').filter((name) => name.startsWith('t-'))).toEqual([]);
    expect(rig.clock.pending).toBe(1);
  });

  it.each(['EMFILE', 'EBUSY'])(
    'removes a deleted partition as soon as it can be, and tells once of %s',
    async (code) => {
      const rig = makeRig({ fileDeleteDelayMs: 10 });
      const { manager } = await rig.open();
      const dead = (): string[] =>
        rig.disk.list('/data').filter((name) => name.endsWith('-delete'));
      manager.create('t', TOPIC_ID, 1);
      rig.disk.fault = ({ operation, path }) =>
        operation === 'removeDirectory' && path.startsWith('/data/t-0') ? systemError(code) : null;
      for (const partition of [0, 1]) manager.delete('t', partition);
      for (let i = 0; i < 3; i++) await rig.pass(60_000);
      expect(dead()).toEqual([expect.stringMatching(/^t-0\./)]);
      expect(rig.logger.lines).toEqual([expect.stringContaining(code)]);
      rig.disk.fault = () => null;
      await rig.pass(60_000);
      expect(dead()).toEqual([]);
      await rig.pass(60_000);
      expect(rig.clock.pending).toBe(1);
    },
  );

  it('leaves to the next start what a disk that is broken does not remove', async () => {
    const rig = makeRig({ fileDeleteDelayMs: 10 });
    const { manager } = await rig.open();
    let attempts = 0;
    rig.disk.fault = ({ operation }) => {
      if (operation !== 'removeDirectory') return null;
      attempts++;
      return systemError('EIO');
    };
    manager.delete('t', 0);
    for (let i = 0; i < 3; i++) await rig.pass(60_000);
    expect([attempts, rig.clock.pending]).toEqual([1, 1]);
  });

  it('opens hundreds of partitions with a handful of calls each', async () => {
    const rig = makeRig();
    const manager = rig.manager();
    await manager.start();
    for (let p = 0; p < 300; p++) appendValues(manager.create('t', TOPIC_ID, p), numbered(3));
    await manager.stop();
    const before = rig.disk.calls;
    await rig.manager().start();
    expect((rig.disk.calls - before) / 300).toBeLessThan(10);
  });

  it('applies a changed configuration to the log that it is of', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    const other = manager.create('u', TOPIC_ID, 0);
    log.updateConfig({ ...rig.config, segmentBytes: 200 });
    for (let i = 0; i < 10; i++) {
      appendValues(log, numbered(2));
      appendValues(other, numbered(2));
    }
    expect(log.segmentCount).toBeGreaterThan(4);
    expect(other.segmentCount).toBe(1);
  });

  it('keeps every segment open that is appended to', async () => {
    const rig = makeRig();
    const manager = rig.manager();
    await manager.start();
    const logs = Array.from({ length: 200 }, (_, p) => manager.create('t', TOPIC_ID, p));
    for (const log of logs) {
      appendValues(log, numbered(3));
      log.roll();
      appendValues(log, numbered(3));
    }
    expect(manager.probe.segmentEvictions).toBeGreaterThan(0);
    expect(logs.filter((log) => ![...log.segments].at(-1)!.isOpen)).toEqual([]);
    manager.abandon();
  });

  it('keeps few idle segments open', async () => {
    const rig = makeRig({ segmentBytes: 100 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 400; i++) appendValues(log, [`value-${i}`]);
    await manager.stop();
    const again = await rig.open();
    expect([...readAll(again.log).values()]).toEqual(numbered(400));
    expect([...readAll(again.log).values()]).toEqual(numbered(400));
    expect(again.manager.probe.segmentEvictions).toBeGreaterThan(200);
    for (let i = 0; i < 400; i += 3) {
      expect(readAll(again.log, 1000, i).get(i)).toBe(`value-${i}`);
    }
  });
});
