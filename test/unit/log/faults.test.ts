import { describe, expect, it } from 'vitest';
import { FatalError } from '../../../src/base/errors.ts';
import type { LogManager } from '../../../src/log/log-manager.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { ErrorCode, ProtocolError } from '../../../src/protocol/error-codes.ts';
import { setBaseOffset, setPartitionLeaderEpoch } from '../../../src/protocol/record-batch.ts';
import { type Fault, systemError } from '../../support/faulty-disk.ts';
import {
  appendValues,
  batchOf,
  codeThrown,
  makeRig,
  numbered,
  type Rig,
  readAll,
} from './support.ts';

const CONFIG = { segmentBytes: 700, indexIntervalBytes: 100, fileDeleteDelayMs: 0 };

/** What a scenario knows to be true of the log, whatever fails. */
interface Known {
  /** Values by offset that were acknowledged and not taken back. */
  acknowledged: string[];
  /** Values that were flushed. */
  flushed: number;
  /** An append or truncation failed: its outcome is open. */
  uncertain: boolean;
}

/** Append, roll, flush, truncate, restart: until something fails. */
async function scenario(rig: Rig, known: Known): Promise<LogManager | null> {
  const manager = rig.manager();
  try {
    await manager.start();
    let log = manager.create('t', 'c29tZS10b3BpYy1pZC0xMg', 0);
    await fill(log, known, 12);
    await manager.checkpoint();
    known.uncertain = true;
    log.truncateTo(16);
    known.acknowledged.length = 16;
    known.flushed = Math.min(known.flushed, 16);
    known.uncertain = false;
    await fill(log, known, 6);
    await manager.stop();
    const second = rig.manager();
    await second.start();
    log = second.create('t', 'c29tZS10b3BpYy1pZC0xMg', 0);
    await fill(log, known, 4);
    return second;
  } catch (error) {
    if (!(error instanceof ProtocolError) && !(error instanceof FatalError)) throw error;
    return manager;
  }
}

async function fill(log: PartitionLog, known: Known, batches: number): Promise<void> {
  for (let i = 0; i < batches; i++) {
    const values = numbered(2, known.acknowledged.length);
    const leaderEpoch = Math.floor(known.acknowledged.length / 6);
    const first = log.append(batchOf(values), { leaderEpoch, origin: 'client' });
    expect(first.firstOffset).toBe(known.acknowledged.length);
    known.acknowledged.push(...values);
    if (i % 3 === 2) {
      const target = known.acknowledged.length;
      await log.flush();
      known.flushed = target;
    }
  }
}

/** After the failure: reopen, and look whether what is known holds. */
async function check(rig: Rig, known: Known, label: string): Promise<void> {
  rig.disk.restart();
  const { manager, log } = await rig.open();
  const values = [...readAll(log).values()];
  if (known.uncertain) {
    expect(values.length, label).toBeGreaterThanOrEqual(Math.min(16, known.flushed));
  } else {
    expect(values.length, label).toBeGreaterThanOrEqual(known.acknowledged.length);
  }
  const common = Math.min(values.length, known.acknowledged.length);
  expect(values.slice(0, common), label).toEqual(known.acknowledged.slice(0, common));
  expect(appendValues(log, ['after']), label).toBe(values.length);
  manager.abandon();
}

async function failEach(what: string, faultAt: (n: number) => Fault): Promise<number> {
  for (let n = 1; ; n++) {
    const rig = makeRig(CONFIG);
    const known: Known = { acknowledged: [], flushed: 0, uncertain: false };
    let reached = false;
    const fault = faultAt(n);
    rig.disk.fault = (call) => {
      const result = fault(call);
      if (result !== null) reached = true;
      return result;
    };
    const manager = await scenario(rig, known);
    manager?.abandon();
    await check(rig, known, `${what} in call ${n}`);
    if (!reached) return n - 1;
    if (n > 2000) throw new Error('the scenario does not end');
  }
}

describe('a scenario of appends, rolls, flushes, truncation and restart', () => {
  it('loses nothing when the N-th call fails with EIO, for every N', async () => {
    const calls = await failEach('EIO', (n) => ({ number }) => {
      return number === n ? systemError('EIO') : null;
    });
    expect(calls).toBeGreaterThan(100);
  });

  it('loses nothing when the disk stays broken from the N-th call on', async () => {
    await failEach(
      'EIO from',
      (n) =>
        ({ number }) =>
          number >= n ? systemError('EIO') : null,
    );
  });

  it('loses nothing when the N-th call finds no room', async () => {
    await failEach('ENOSPC', (n) => ({ number, operation }) => {
      if (number !== n || operation === 'sync' || operation === 'read') return null;
      return operation === 'write' ? 'short' : systemError('ENOSPC');
    });
  });

  it('loses nothing when the N-th call of a recovery fails', async () => {
    for (let n = 1; n < 400; n++) {
      const rig = makeRig(CONFIG);
      const known: Known = { acknowledged: [], flushed: 0, uncertain: false };
      const { manager, log } = await rig.open();
      await fill(log, known, 9);
      await manager.checkpoint();
      appendValues(log, ['torn']);
      manager.abandon();
      const path = `/data/t-0/${rig.disk.list('/data/t-0').findLast((f) => f.endsWith('.log'))}`;
      rig.disk.setContent(path, rig.disk.content(path).subarray(0, -3));
      const first = rig.disk.calls;
      rig.disk.fault = ({ number }) => (number === first + n ? systemError('EIO') : null);
      const second = rig.manager();
      const failed = await second.start().then(
        () => false,
        (error: unknown) => error instanceof FatalError,
      );
      const reached = rig.disk.calls >= first + n;
      second.abandon();
      if (reached) expect(failed, `call ${n}`).toBe(true);
      await check(rig, known, `recovery call ${n}`);
      if (!reached) return;
    }
    throw new Error('the recovery does not end');
  });
});

describe('a full disk', () => {
  it('refuses appends, serves reads, and recovers when there is room again', async () => {
    const rig = makeRig(CONFIG);
    const { manager, log } = await rig.open({ tailCacheBytes: 0 });
    let count = 0;
    rig.disk.capacityBytes = rig.disk.usedBytes + 2000;
    for (; ; count++) {
      const code = codeThrown(() => appendValues(log, [`value-${count}`]));
      if (code === 0) continue;
      expect(code).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
      break;
    }
    expect(count).toBeGreaterThan(10);
    for (let i = 0; i < 5; i++) {
      expect(codeThrown(() => appendValues(log, [`value-${count}`]))).toBe(
        ErrorCode.KAFKA_STORAGE_ERROR,
      );
    }
    expect(log.logEndOffset).toBe(count);
    expect([...readAll(log).values()]).toEqual(numbered(count));
    expect(log.logDirectory.failure).toBeNull();
    expect(manager.probe.noSpaceErrors).toBe(6);
    rig.disk.capacityBytes = Number.POSITIVE_INFINITY;
    expect(appendValues(log, ['again'])).toBe(count);
    manager.abandon();
    const reopened = await makeRig(CONFIG, rig.disk).open();
    expect([...readAll(reopened.log).values()]).toEqual([...numbered(count), 'again']);
  });

  it('hinders no flush and no new epoch, which is written down when there is room', async () => {
    const rig = makeRig(CONFIG);
    const { manager, log } = await rig.open();
    appendValues(log, ['a']);
    rig.disk.capacityBytes = rig.disk.usedBytes;
    await log.flush();
    expect(log.flushedOffset).toBe(1);
    log.assignEpoch(7);
    expect(log.latestEpoch).toBe(7);
    await log.flush();
    const write = (): void => void log.append(batchOf(['b']), { leaderEpoch: 7, origin: 'client' });
    expect(codeThrown(write)).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    rig.disk.capacityBytes = Number.POSITIVE_INFINITY;
    write();
    await log.flush();
    expect(log.logDirectory.failure).toBeNull();
    manager.abandon();
    const reopened = await makeRig(CONFIG, rig.disk).open();
    expect(reopened.log.endOffsetForEpoch(0)).toEqual({ epoch: 0, endOffset: 1 });
    expect(reopened.log.latestEpoch).toBe(7);
  });

  it('takes back the epochs of batches that it had no room for', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    const replica = { leaderEpoch: 5, origin: 'replication' } as const;
    const of = (epoch: number, offset: number): Buffer => {
      const batch = batchOf(['x'.repeat(500)]);
      setBaseOffset(batch, 0, offset);
      setPartitionLeaderEpoch(batch, 0, epoch);
      return batch;
    };
    log.append(of(0, 0), replica);
    for (const roomBytes of [100, 0]) {
      rig.disk.capacityBytes = rig.disk.usedBytes + roomBytes;
      for (let attempt = 0; attempt < 2; attempt++) {
        const code = codeThrown(() => log.append(Buffer.concat([of(0, 1), of(2, 2)]), replica));
        expect(code).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
        expect(log.latestEpoch).toBe(0);
      }
    }
    rig.disk.capacityBytes = Number.POSITIVE_INFINITY;
    log.append(of(0, 1), replica);
    expect(log.endOffsetForEpoch(0)).toEqual({ epoch: 0, endOffset: 2 });
    expect(log.epochForOffset(0)).toBe(0);
    await manager.stop();
    const again = await makeRig({}, rig.disk).open();
    expect(again.log.epochForOffset(0)).toBe(0);
    expect(again.log.latestEpoch).toBe(0);
  });

  /** A file of epochs that has one of batches for which there was no room. */
  async function withEpochTooMany(): Promise<Rig> {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    appendValues(log, ['there']);
    const batch = batchOf(['x'.repeat(500)]);
    setBaseOffset(batch, 0, 1);
    setPartitionLeaderEpoch(batch, 0, 2);
    rig.disk.capacityBytes = rig.disk.usedBytes + 100;
    const replica = { leaderEpoch: 5, origin: 'replication' } as const;
    codeThrown(() => log.append(batch, replica));
    expect(rig.disk.content('/data/t-0/leader-epoch-checkpoint').toString()).toContain('2 1');
    manager.abandon();
    rig.disk.restart();
    return rig;
  }

  it('opens on a full disk what has epochs in its file that no batch has', async () => {
    const rig = await withEpochTooMany();
    rig.disk.capacityBytes = rig.disk.usedBytes;
    const { manager, log } = await rig.open();
    expect(log.logDirectory.failure).toBeNull();
    expect([...readAll(log).values()]).toEqual(['there']);
    expect(log.latestEpoch).toBe(0);
    expect(codeThrown(() => appendValues(log, ['no room']))).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    rig.disk.capacityBytes = Number.POSITIVE_INFINITY;
    appendValues(log, ['room']);
    await manager.stop();
    const again = await makeRig({}, rig.disk).open();
    expect(again.log.epochForOffset(1)).toBe(0);
    expect(again.log.latestEpoch).toBe(0);
  });

  it('opens on a full disk what lacks epochs that batches have, and flushes it when they are written', async () => {
    const rig = await withEpochTooMany();
    rig.disk.remove('/data/t-0/leader-epoch-checkpoint');
    rig.disk.capacityBytes = rig.disk.usedBytes;
    const { manager, log } = await rig.open();
    expect(log.logDirectory.failure).toBeNull();
    expect([log.latestEpoch, log.flushedOffset]).toEqual([0, 0]);
    await expect(log.flush()).rejects.toThrow(/can't flush/);
    await manager.stop();
    expect(rig.disk.exists('/data/.kafka_cleanshutdown')).toBe(false);
    rig.disk.capacityBytes = Number.POSITIVE_INFINITY;
    rig.disk.restart();
    const again = await rig.open();
    expect([again.log.latestEpoch, again.log.epochForOffset(0)]).toEqual([0, 0]);
    await again.log.flush();
    expect(again.log.flushedOffset).toBe(1);
    await again.manager.stop();
    const last = await makeRig({}, rig.disk).open();
    expect(last.log.epochForOffset(0)).toBe(0);
  });

  it('does not fail an append because an index or a snapshot could not be written', async () => {
    const rig = makeRig(CONFIG);
    const { manager, log } = await rig.open();
    rig.disk.fault = ({ operation, path }) => {
      const cache = /\.(index|timeindex|snapshot)(\.tmp)?$/.test(path);
      return cache && operation === 'write' ? systemError('ENOSPC') : null;
    };
    for (let i = 0; i < 60; i++) appendValues(log, [`value-${i}`]);
    expect(log.segmentCount).toBeGreaterThan(3);
    expect(manager.probe.cacheWriteFailures).toBeGreaterThan(0);
    expect([...readAll(log).values()]).toEqual(numbered(60));
    rig.disk.fault = () => null;
    await manager.stop();
    const again = await makeRig(CONFIG, rig.disk).open();
    expect([...readAll(again.log).values()]).toEqual(numbered(60));
  });
});

/** A log of several segments that starts within one, as after DeleteRecords. */
async function logToCut(rig: Rig): Promise<{ manager: LogManager; log: PartitionLog }> {
  const opened = await rig.open();
  const { manager, log } = opened;
  for (let i = 0; i < 12; i++) {
    log.append(batchOf(numbered(2, i * 2)), { leaderEpoch: i, origin: 'client' });
  }
  await log.flush();
  log.setHighWatermark(24);
  log.advanceLogStartOffset(3);
  await manager.checkpoint();
  return opened;
}

const CUTS: readonly [string, (log: PartitionLog) => void, number, number][] = [
  ['cut within a segment', (log) => log.truncateTo(16), 3, 16],
  ['cut behind its end, where a term without records began', (log) => log.truncateTo(24), 3, 24],
  ['begun anew behind its end', (log) => log.truncateFullyAndStartAt(100), 100, 100],
  ['begun anew where a segment begins', (log) => log.truncateFullyAndStartAt(0), 0, 0],
  ['begun anew before its start', (log) => log.truncateFullyAndStartAt(2), 2, 2],
  ['begun anew within itself', (log) => log.truncateFullyAndStartAt(13), 13, 13],
];

describe('a log that is truncated while a disk call fails', () => {
  const before = numbered(21, 3);

  /** In the process that saw the failure: one of the two, or nothing at all. */
  function expectUsable(log: PartitionLog, start: number, end: number, label: string): void {
    if (log.logDirectory.failure !== null) return;
    const isDone = log.logStartOffset === start && log.logEndOffset === end;
    if (!isDone) expect([log.logStartOffset, log.logEndOffset], label).toEqual([3, 24]);
    const values = [...readAll(log).values()];
    expect(values, label).toEqual(isDone ? before.slice(0, end - start) : before);
    expect(log.segmentCount, label).toBeGreaterThan(0);
    expect(log.latestEpoch, label).toBe(isDone ? (end > start ? end / 2 - 1 : -1) : 24);
  }

  for (const code of ['ENOSPC', 'EIO']) {
    for (const [what, cut, start, end] of CUTS) {
      it(`is whole, ${what} or not, whichever call fails with ${code}`, async () => {
        for (let n = 1; ; n++) {
          const label = `call ${n}`;
          const rig = makeRig(CONFIG);
          const { manager, log } = await logToCut(rig);
          log.assignEpoch(24);
          const first = rig.disk.calls;
          let needsRoom = false;
          rig.disk.fault = ({ number, operation, path }) => {
            if (number !== first + n) return null;
            // A sync that finds no room has failed for good, as any other.
            if (code === 'ENOSPC' && operation === 'sync') return null;
            needsRoom = operation === 'write' || (operation === 'open' && !rig.disk.exists(path));
            return systemError(code);
          };
          codeThrown(() => cut(log));
          const isReached = rig.disk.calls >= first + n;
          rig.disk.fault = () => null;
          expectUsable(log, start, end, label);
          const isInService = log.logDirectory.failure === null;
          if (code === 'ENOSPC' && needsRoom) expect(isInService, label).toBe(true);
          if (isInService) {
            cut(log);
            expectUsable(log, start, end, label);
            expect(appendValues(log, ['after']), label).toBe(end);
            await log.flush();
          }
          manager.abandon();
          rig.disk.crash(rig.random);
          const { log: again } = await makeRig(CONFIG, rig.disk).open();
          const values = [...readAll(again).values()];
          if (isInService) {
            const kept = end > start ? before.slice(0, end - start) : [];
            expect(values, label).toEqual([...kept, 'after']);
            expect(again.logStartOffset, label).toBe(start);
          }
          if (!isReached) return;
        }
      });
    }
  }
});

describe('a failing disk', () => {
  it('takes the directory offline in the tick of the failed write', async () => {
    const rig = makeRig(CONFIG);
    const offline: string[] = [];
    const { log } = await rig.open({
      onDirectoryOffline: (path, logs) => offline.push(`${path} with ${logs.length}`),
    });
    appendValues(log, ['kept']);
    rig.disk.fault = ({ operation }) => (operation === 'write' ? systemError('EIO') : null);
    expect(codeThrown(() => appendValues(log, ['lost']))).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(offline).toEqual(['/data with 1']);
    rig.disk.fault = () => null;
    expect(codeThrown(() => appendValues(log, ['fenced']))).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(codeThrown(() => readAll(log))).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    await expect(log.flush()).rejects.toMatchObject({ code: ErrorCode.KAFKA_STORAGE_ERROR });
  });

  it('acknowledges nothing after a sync has failed, however many wait', async () => {
    const rig = makeRig({});
    const { manager, log } = await rig.open();
    appendValues(log, ['a']);
    await log.flush();
    appendValues(log, ['b']);
    let syncs = 0;
    rig.disk.fault = ({ operation }) => {
      return operation === 'sync' && ++syncs === 1 ? systemError('EIO') : null;
    };
    const waiting = [log.flush(), log.flush()];
    appendValues(log, ['c']);
    waiting.push(log.flush());
    for (const result of await Promise.allSettled(waiting)) expect(result.status).toBe('rejected');
    expect(log.flushedOffset).toBe(1);
    expect(syncs).toBe(1);
    expect(manager.probe.flushFailures).toBe(1);
    await manager.stop();
    expect(rig.disk.exists('/data/.kafka_cleanshutdown')).toBe(false);
  });

  it('leaves the other directory in service', async () => {
    const rig = makeRig({});
    const dirs = ['/data', '/more'];
    const { manager, log } = await rig.open({ dirs });
    const other = manager.create('u', 'c29tZS10b3BpYy1pZC0xMg', 0);
    expect(other.path).toBe('/more/u-0');
    rig.disk.fault = ({ path }) => (path.startsWith('/data') ? systemError('EIO') : null);
    expect(codeThrown(() => appendValues(log, ['x']))).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(appendValues(other, ['y'])).toBe(0);
    expect(manager.create('v', 'c29tZS10b3BpYy1pZC0xMg', 0).path).toBe('/more/v-0');
    await manager.stop();
    rig.disk.fault = () => null;
    expect(rig.disk.exists('/data/.kafka_cleanshutdown')).toBe(false);
    expect(rig.disk.exists('/more/.kafka_cleanshutdown')).toBe(true);
  });

  it('says so when no directory is usable', async () => {
    const rig = makeRig({});
    rig.disk.fault = () => systemError('EIO');
    await expect(rig.manager().start()).rejects.toThrow(FatalError);
  });
});
