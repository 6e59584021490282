import { describe, expect, it } from 'vitest';
import { RecordsError } from '../../../src/log/log-validator.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { CompressionType } from '../../../src/protocol/compression.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  attributes,
  BatchAttribute,
  baseOffset,
  batchSize,
  compressionOf,
  isLogAppendTime,
  lastOffset,
  maxTimestamp,
  partitionLeaderEpoch,
  setBaseOffset,
  setPartitionLeaderEpoch,
  validateBatch,
} from '../../../src/protocol/record-batch.ts';
import {
  appendValues,
  batchOf,
  bytesOf,
  codeThrown,
  makeRig,
  NO_BOUND,
  numbered,
  readAll,
  START_MS,
} from './support.ts';

const client = { leaderEpoch: 5, origin: 'client' } as const;

/** As a consumer that has read everything. */
const waitAtEnd = (log: PartitionLog): void => {
  expect(log.read(log.logEndOffset, 1, NO_BOUND).bytes).toBe(0);
};

describe('append', () => {
  it('writes offsets and leader epoch into the batch and leaves its CRC valid', async () => {
    const { log } = await makeRig().open();
    appendValues(log, numbered(3));
    const batch = batchOf(['a', 'b'], { timestamp: 77 });
    const info = log.append(batch, client);
    expect(info).toEqual({
      firstOffset: 3,
      lastOffset: 4,
      logAppendTime: -1,
      logStartOffset: 0,
      duplicate: false,
    });
    expect([baseOffset(batch, 0), lastOffset(batch, 0)]).toEqual([3, 4]);
    expect(partitionLeaderEpoch(batch, 0)).toBe(5);
    expect(validateBatch(batch, 0, batch.length)).toBeNull();
    expect(log.latestEpoch).toBe(5);
    expect(log.endOffsetForEpoch(0)).toEqual({ epoch: 0, endOffset: 3 });
  });

  it('stamps the time of appending when the topic says so', async () => {
    const { log } = await makeRig({ messageTimestampType: 'LogAppendTime' }).open();
    const info = log.append(batchOf(['a', 'b'], { timestamp: 5 }), client);
    expect(info.logAppendTime).toBe(START_MS);
    const bytes = bytesOf(log.read(0, 1000, NO_BOUND));
    expect(validateBatch(bytes, 0, bytes.length)).toBeNull();
    expect(isLogAppendTime(attributes(bytes, 0))).toBe(true);
    expect(maxTimestamp(bytes, 0)).toBe(START_MS);
    expect(log.offsetForTimestamp(START_MS)).toMatchObject({ offset: 0, timestamp: START_MS });
  });

  it('refuses what a client must not send, and stores nothing of it', async () => {
    const { manager, log } = await makeRig({ maxMessageBytes: 500, segmentBytes: 400 }).open();
    const good = batchOf(['x']);
    const damaged = Buffer.from(good);
    damaged[64]! ^= 1;
    const cases: [Buffer, number][] = [
      [damaged, ErrorCode.CORRUPT_MESSAGE],
      [good.subarray(0, 40), ErrorCode.CORRUPT_MESSAGE],
      [good.subarray(0, good.length - 1), ErrorCode.CORRUPT_MESSAGE],
      [Buffer.concat([batchOf(['x']), batchOf(['y'])]), ErrorCode.INVALID_RECORD],
      [batchOf(['x'], { attributes: BatchAttribute.control }), ErrorCode.INVALID_RECORD],
      [batchOf(['x'.repeat(600)]), ErrorCode.MESSAGE_TOO_LARGE],
      [batchOf(['x'.repeat(400)]), ErrorCode.RECORD_LIST_TOO_LARGE],
      [batchOf(['x'], { timestamp: START_MS + 3_600_001 }), ErrorCode.INVALID_TIMESTAMP],
      [batchOf(['x'], { attributes: BatchAttribute.logAppendTime }), ErrorCode.INVALID_TIMESTAMP],
    ];
    for (const [batch, code] of cases) {
      expect(codeThrown(() => log.append(batch, client))).toBe(code);
    }
    expect(log.logEndOffset).toBe(0);
    expect(log.size).toBe(0);
    expect(manager.probe.rejectedBatches).toBe(cases.length);
  });

  it('names the records that a compacted topic or an age limit refuses', async () => {
    const compacted = await makeRig({ cleanupPolicy: ['compact'] }).open();
    const batch = batchOf(['a', 'b']);
    expect(() => compacted.log.append(batch, client)).toThrow(RecordsError);
    try {
      compacted.log.append(batch, client);
    } catch (error) {
      expect((error as RecordsError).code).toBe(ErrorCode.INVALID_RECORD);
      expect((error as RecordsError).recordErrors.map((e) => e.batchIndex)).toEqual([0, 1]);
    }
    expect(compacted.log.append(batchOf(['a'], { key: 'k' }), client).firstOffset).toBe(0);
    const aged = await makeRig({ messageTimestampBeforeMaxMs: 1000 }).open();
    const old = batchOf(['a'], { timestamp: START_MS - 1001 });
    expect(codeThrown(() => aged.log.append(old, client))).toBe(ErrorCode.INVALID_TIMESTAMP);
    expect(appendValues(aged.log, ['b'], { timestamp: START_MS - 1000 })).toBe(0);
  });

  it("packs a batch anew only when the topic's codec differs", async () => {
    for (const [name, code] of Object.entries(CompressionType)) {
      const compressionType = name === 'none' ? 'uncompressed' : name;
      const { log } = await makeRig({ compressionType: compressionType as 'gzip' }).open();
      for (const compression of Object.values(CompressionType)) {
        appendValues(log, numbered(5), { compression, key: 'k' });
      }
      const bytes = bytesOf(log.read(0, 100_000, NO_BOUND));
      for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
        expect(compressionOf(attributes(bytes, at))).toBe(code);
      }
      expect([...readAll(log).values()]).toEqual(Array(5).fill(numbered(5)).flat());
    }
    const { log } = await makeRig({ compressionType: 'lz4' }).open();
    const batch = batchOf(numbered(4), { compression: CompressionType.lz4 });
    const sent = Buffer.from(batch);
    log.append(batch, client);
    expect(bytesOf(log.read(0, 1000, NO_BOUND)).subarray(16)).toEqual(sent.subarray(16));
  });

  it('takes several batches of the coordinator, control batches too', async () => {
    const { log } = await makeRig().open();
    const control = batchOf(['x'], { attributes: BatchAttribute.control });
    const records = Buffer.concat([batchOf(['a', 'b']), control, batchOf(['c'])]);
    const info = log.append(records, { leaderEpoch: 1, origin: 'coordinator' });
    expect([info.firstOffset, info.lastOffset]).toEqual([0, 3]);
    expect(readAll(log).get(3)).toBe('c');
  });

  it("keeps a leader's offsets and epochs, gaps included", async () => {
    const { log } = await makeRig().open();
    const first = batchOf(['a', 'b']);
    const second = batchOf(['c']);
    setBaseOffset(first, 0, 10);
    setPartitionLeaderEpoch(first, 0, 3);
    setBaseOffset(second, 0, 20);
    setPartitionLeaderEpoch(second, 0, 4);
    const replica = { leaderEpoch: 9, origin: 'replication' } as const;
    log.truncateFullyAndStartAt(10);
    log.append(Buffer.concat([first, second]), replica);
    expect([...readAll(log).keys()]).toEqual([10, 11, 20]);
    expect(log.endOffsetForEpoch(3)).toEqual({ epoch: 3, endOffset: 20 });
    expect(codeThrown(() => log.append(Buffer.from(second), replica))).toBe(
      ErrorCode.OFFSET_OUT_OF_RANGE,
    );
  });

  it('begins a new segment where a relative offset would not fit into an index', async () => {
    const rig = makeRig({ indexIntervalBytes: 0 });
    const { manager, log } = await rig.open();
    const at = (offset: number): void => {
      const batch = batchOf(['x', 'y']);
      setBaseOffset(batch, 0, offset);
      log.append(batch, { leaderEpoch: 0, origin: 'replication' });
    };
    at(2 ** 31 + 5);
    at(2 ** 31 + 7);
    at(2 ** 32 + 100);
    expect(log.segmentCount).toBe(2);
    expect([...readAll(log).keys()].length).toBe(6);
    await manager.stop();
    const again = await rig.open();
    expect(again.log.logEndOffset).toBe(2 ** 32 + 102);
    expect([...readAll(again.log).keys()].length).toBe(6);
  });
});

describe('read', () => {
  it('gives whole batches from the one that holds the offset, from memory and from disk', async () => {
    for (const tailCacheBytes of [0, 1 << 20]) {
      const rig = makeRig({ segmentBytes: 2000, indexIntervalBytes: 200 });
      const { log } = await rig.open({ tailCacheBytes });
      waitAtEnd(log);
      for (let i = 0; i < 100; i++) appendValues(log, numbered(3, i * 3));
      for (let offset = 0; offset < 300; offset++) {
        const read = log.read(offset, 400, NO_BOUND);
        const bytes = bytesOf(read);
        expect(read.firstOffset).toBe(offset - (offset % 3));
        expect(read.bytes).toBe(bytes.length);
        expect(bytes.length).toBeLessThanOrEqual(400);
        expect(baseOffset(bytes, 0)).toBe(read.firstOffset);
        read.release?.();
      }
      expect([...readAll(log).values()]).toEqual(numbered(300));
    }
  });

  it('returns a first batch that is larger than asked for only when told to', async () => {
    for (const tailCacheBytes of [0, 1 << 20]) {
      const { log } = await makeRig().open({ tailCacheBytes });
      waitAtEnd(log);
      appendValues(log, ['x'.repeat(5000)]);
      const { upTo } = NO_BOUND;
      expect(log.read(0, 100, { upTo, minOneMessage: false }).bytes).toBe(0);
      expect(log.read(0, 100, { upTo, minOneMessage: true }).bytes).toBeGreaterThan(5000);
      expect(log.read(0, 0, { upTo, minOneMessage: true }).bytes).toBeGreaterThan(5000);
    }
  });

  it('shows nothing at or above the bound', async () => {
    for (const tailCacheBytes of [0, 1 << 20]) {
      const { log } = await makeRig().open({ tailCacheBytes });
      waitAtEnd(log);
      for (let i = 0; i < 10; i++) appendValues(log, numbered(2, i * 2));
      const upTo = (offset: number, bound: number): number => {
        const bytes = bytesOf(log.read(offset, 10_000, { upTo: bound, minOneMessage: true }));
        let end = offset;
        for (let at = 0; at < bytes.length; at += batchSize(bytes, at))
          end = lastOffset(bytes, at) + 1;
        return end;
      };
      expect(upTo(0, 8)).toBe(8);
      expect(upTo(0, 9)).toBe(8);
      expect(upTo(8, 8)).toBe(8);
      expect(upTo(8, 9)).toBe(8);
      expect(upTo(20, 20)).toBe(20);
    }
  });

  it('refuses offsets that the log does not have', async () => {
    const { log } = await makeRig().open();
    appendValues(log, numbered(5));
    log.setHighWatermark(5);
    log.advanceLogStartOffset(2);
    expect(codeThrown(() => log.read(1, 100, NO_BOUND))).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect(codeThrown(() => log.read(6, 100, NO_BOUND))).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect(log.read(5, 100, NO_BOUND).bytes).toBe(0);
    expect(log.read(2, 100, NO_BOUND).firstOffset).toBe(0);
  });

  it('makes no system call for consumers at the end, and one for those that read on', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    waitAtEnd(log);
    for (let i = 0; i < 100; i++) appendValues(log, ['x'.repeat(300)]);
    const before = rig.disk.calls;
    readAll(log, 1000);
    expect(rig.disk.calls).toBe(before);
    expect(manager.probe.tailCacheHits).toBeGreaterThan(30);
    manager.abandon();
    const again = await rig.open();
    readAll(again.log, 1000);
    const reads = again.manager.probe.tailCacheMisses;
    const callsBefore = rig.disk.calls;
    readAll(again.log, 1000);
    expect(rig.disk.calls - callsBefore).toBeLessThanOrEqual(reads + 1);
  });

  it('keeps no copy of what nobody reads', async () => {
    const { manager, log } = await makeRig().open();
    for (let i = 0; i < 100; i++) appendValues(log, ['x'.repeat(300)]);
    expect(manager.probe.tailCacheBytes).toBe(0);
    readAll(log);
    waitAtEnd(log);
    appendValues(log, ['x'.repeat(300)]);
    expect(manager.probe.tailCacheBytes).toBeGreaterThan(300);
  });

  it('lends buffers that come back, and never the same one twice', async () => {
    const { log } = await makeRig().open({ tailCacheBytes: 0 });
    for (let i = 0; i < 50; i++) appendValues(log, numbered(4, i * 4));
    const first = log.read(0, 1000, NO_BOUND);
    const second = log.read(0, 1000, NO_BOUND);
    const kept = bytesOf(first);
    expect((first.records as Buffer).buffer).not.toBe((second.records as Buffer).buffer);
    second.release!();
    second.release!();
    const third = log.read(100, 1000, NO_BOUND);
    const fourth = log.read(100, 1000, NO_BOUND);
    expect((third.records as Buffer).buffer).not.toBe((fourth.records as Buffer).buffer);
    expect(bytesOf(first)).toEqual(kept);
    expect(log.environment.buffers.idleBytes).toBe(0);
    for (const read of [first, third, fourth]) read.release!();
    expect(log.environment.buffers.idleBytes).toBe(3 * 65_536);
  });
});

describe('rolling', () => {
  it('leaves no gap between segments where a leader’s batches leave one', async () => {
    const { log } = await makeRig({ segmentBytes: 200 }).open();
    const offsets = [0, 1, 5, 6, 20, 30];
    for (const offset of offsets) {
      const batch = batchOf(['x'.repeat(60)]);
      setBaseOffset(batch, 0, offset);
      log.append(batch, { leaderEpoch: 0, origin: 'replication' });
    }
    const bases = [...log.segments].map(({ baseOffset: base }) => base);
    expect(bases).toEqual([0, 1, 2, 6, 7, 21]);
    expect([...readAll(log).keys()]).toEqual(offsets);
  });

  it('happens by size, before a batch that would not fit', async () => {
    const { log } = await makeRig({ segmentBytes: 1000 }).open();
    for (let i = 0; i < 30; i++) appendValues(log, ['x'.repeat(200)]);
    expect(log.segmentCount).toBe(10);
    expect(log.size).toBeLessThanOrEqual(10_000);
  });

  it('happens by time between records, less the jitter', async () => {
    const { log } = await makeRig({ segmentMs: 1000, segmentJitterMs: 0 }).open();
    appendValues(log, ['a'], { timestamp: START_MS });
    appendValues(log, ['b'], { timestamp: START_MS + 1000 });
    expect(log.segmentCount).toBe(1);
    appendValues(log, ['c'], { timestamp: START_MS + 1001 });
    expect(log.segmentCount).toBe(2);
    const jittered = await makeRig({ segmentMs: 1000, segmentJitterMs: 1000 }).open();
    appendValues(jittered.log, ['a'], { timestamp: START_MS });
    appendValues(jittered.log, ['b'], { timestamp: START_MS + 1000 });
    expect(jittered.log.segmentCount).toBe(2);
  });

  it('happens when an index is full', async () => {
    const { log } = await makeRig({ segmentIndexBytes: 48, indexIntervalBytes: 50 }).open();
    for (let i = 0; i < 40; i++) appendValues(log, numbered(2, i * 2), { timestamp: START_MS + i });
    expect(log.segmentCount).toBeGreaterThan(4);
    expect([...readAll(log).values()]).toEqual(numbered(80));
  });

  it('is no more than once at one offset', async () => {
    const { log } = await makeRig().open();
    log.roll();
    appendValues(log, ['a']);
    log.roll();
    log.roll();
    expect(log.segmentCount).toBe(2);
  });
});

describe('time look-ups', () => {
  it('find the first record at least as young, also when time goes back', async () => {
    const rig = makeRig({ segmentBytes: 900, indexIntervalBytes: 100 });
    const { log } = await rig.open();
    const times = Array.from({ length: 120 }, (_, i) => START_MS + i * 10 - (i % 7) * 25);
    for (const [i, timestamp] of times.entries()) appendValues(log, [`value-${i}`], { timestamp });
    for (let wanted = START_MS - 200; wanted < START_MS + 1300; wanted += 7) {
      const expected = times.findIndex((time) => time >= wanted);
      const found = log.offsetForTimestamp(wanted);
      if (expected < 0) expect(found).toBeNull();
      else expect(found).toEqual({ offset: expected, timestamp: times[expected]!, leaderEpoch: 0 });
    }
    const youngest = Math.max(...times);
    expect(log.maxTimestampOffset()).toMatchObject({
      offset: times.indexOf(youngest),
      timestamp: youngest,
    });
  });

  it('find nothing in an empty log, and nothing before its start', async () => {
    const { log } = await makeRig().open();
    expect(log.offsetForTimestamp(0)).toBeNull();
    expect(log.maxTimestampOffset()).toBeNull();
    appendValues(log, numbered(4), { timestamp: 50 });
    log.setHighWatermark(4);
    log.advanceLogStartOffset(2);
    expect(log.offsetForTimestamp(0)).toEqual({ offset: 2, timestamp: 50, leaderEpoch: 0 });
  });
});

describe('truncation', () => {
  it('takes the log back to an offset, and what follows takes its place', async () => {
    const rig = makeRig({ segmentBytes: 700, indexIntervalBytes: 100 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 30; i++) appendValues(log, numbered(2, i * 2));
    await log.flush();
    log.truncateTo(60);
    expect(log.logEndOffset).toBe(60);
    log.truncateTo(31);
    expect(log.logEndOffset).toBe(30);
    expect(log.flushedOffset).toBeLessThanOrEqual(31);
    for (let i = 0; i < 10; i++) appendValues(log, ['new']);
    expect([...readAll(log).values()]).toEqual([...numbered(30), ...Array(10).fill('new')]);
    manager.abandon();
    const again = await makeRig({}, rig.disk).open();
    expect([...readAll(again.log).values()]).toEqual([...numbered(30), ...Array(10).fill('new')]);
  });

  it('leaves damage that lies before where it is, and answers for it', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    for (let i = 0; i < 8; i++) appendValues(log, numbered(2, i * 2));
    await log.flush();
    await manager.checkpoint();
    manager.abandon();
    const path = `${log.path}/00000000000000000000.log`;
    const bytes = rig.disk.content(path);
    let third = batchSize(bytes, 0);
    third += batchSize(bytes, third);
    bytes[third + 8]! ^= 0x40;
    rig.disk.setContent(path, bytes);
    const { log: again } = await makeRig({}, rig.disk).open();
    again.truncateTo(12);
    expect(again.logEndOffset).toBe(12);
    expect(appendValues(again, ['new'])).toBe(12);
    expect([...readAll(again, 1000, 6).values()]).toEqual([...numbered(6, 6), 'new']);
    expect(codeThrown(() => readAll(again, 1000, 4))).toBe(ErrorCode.CORRUPT_MESSAGE);
    expect(again.logDirectory.failure).toBeNull();
  });

  it('saves the lower recovery point before it cuts', async () => {
    const rig = makeRig();
    const { manager, log } = await rig.open();
    for (let i = 0; i < 5; i++) appendValues(log, numbered(2, i * 2));
    await log.flush();
    await manager.checkpoint();
    const saved = (): string =>
      rig.disk.content('/data/recovery-point-offset-checkpoint').toString();
    expect(saved()).toContain('t 0 10');
    let atCut = '';
    rig.disk.watch = ({ operation, path }) => {
      if (operation === 'truncate' && path.endsWith('.log')) atCut = saved();
    };
    log.truncateTo(4);
    expect(atCut).toContain('t 0 4');
  });

  it('begins anew, empty, at any offset', async () => {
    const rig = makeRig({ fileDeleteDelayMs: 10 });
    const { manager, log } = await rig.open();
    appendValues(log, numbered(5));
    log.truncateFullyAndStartAt(100);
    expect([log.logStartOffset, log.logEndOffset, log.size]).toEqual([100, 100, 0]);
    expect(appendValues(log, ['x'])).toBe(100);
    await rig.pass(10);
    expect(rig.disk.list('/data/t-0').filter((n) => n.includes('00000000000000000000'))).toEqual(
      [],
    );
    manager.abandon();
    const again = await rig.open();
    expect([...readAll(again.log)]).toEqual([[100, 'x']]);
  });
});

describe('flush', () => {
  it('is shared by all who wait for the same sync', async () => {
    const rig = makeRig();
    const { log } = await rig.open();
    appendValues(log, ['a']);
    await log.flush();
    let syncs = 0;
    rig.disk.watch = ({ operation, path }) => {
      if (operation === 'sync' && path.endsWith('.log')) syncs++;
    };
    appendValues(log, ['b']);
    const waiting = [log.flush()];
    for (let i = 0; i < 20; i++) {
      appendValues(log, ['c']);
      waiting.push(log.flush());
    }
    await Promise.all(waiting);
    expect(syncs).toBe(2);
    expect(log.flushedOffset).toBe(22);
    await log.flush();
    expect(syncs).toBe(2);
  });

  it('does not count what was cut while it was under way', async () => {
    const { log } = await makeRig().open();
    for (let i = 0; i < 5; i++) appendValues(log, numbered(2, i * 2));
    const flushing = log.flush();
    log.truncateTo(4);
    appendValues(log, ['x']);
    await flushing;
    expect(log.flushedOffset).toBe(4);
  });

  it('opens few files at once and begins with the oldest, however many were closed unsafe', async () => {
    const rig = makeRig({ segmentBytes: 200 });
    let open = 0;
    let openMost = 0;
    const { disk } = rig;
    const opens = disk.open.bind(disk);
    disk.open = (path, mode) => {
      const file = opens(path, mode);
      openMost = Math.max(openMost, ++open);
      const close = file.close.bind(file);
      file.close = () => {
        open--;
        close();
      };
      return file;
    };
    const { log } = await rig.open({ disk: Object.assign(disk, { idleFilesMax: 2 }) });
    const recoveryPoints = new Set<number>();
    disk.watch = () => recoveryPoints.add(log.flushedOffset);
    // All while the device has not answered once.
    for (let i = 0; i < 20; i++) appendValues(log, ['x'.repeat(80)]);
    await log.flush();
    expect(log.flushedOffset).toBe(20);
    expect(openMost).toBeLessThan(10);
    expect(recoveryPoints.size).toBeGreaterThan(5);
  });

  it('does not count segments that were cut while it had come as far as others', async () => {
    const { log } = await makeRig({ segmentBytes: 200 }).open();
    for (let i = 0; i < 10; i++) appendValues(log, ['x'.repeat(80)]);
    const flushing = log.flush();
    while (log.flushedOffset < 4) await Promise.resolve();
    expect(log.flushedOffset).toBeLessThan(7);
    log.truncateTo(7);
    appendValues(log, ['x'.repeat(80)]);
    expect(log.flushedOffset).toBeLessThan(7);
    await flushing;
    expect(log.flushedOffset).toBeLessThanOrEqual(8);
    await log.flush();
    expect(log.flushedOffset).toBe(8);
  });

  it('happens by itself after so many records, or so much time', async () => {
    const rig = makeRig({ flushMessages: 10, flushMs: 500 });
    const { log } = await rig.open();
    appendValues(log, numbered(3));
    await Promise.resolve();
    expect(log.flushedOffset).toBe(0);
    rig.clock.advance(500);
    await new Promise((resolve) => setImmediate(resolve));
    expect(log.flushedOffset).toBe(3);
    appendValues(log, numbered(10));
    await new Promise((resolve) => setImmediate(resolve));
    expect(log.flushedOffset).toBe(13);
  });
});
