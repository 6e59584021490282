import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { systemError } from '../../support/faulty-disk.ts';
import {
  appendValues,
  batchOf,
  codeThrown,
  makeRig,
  numbered,
  readAll,
  START_MS,
  TOPIC_ID,
} from './support.ts';

const HOUR_MS = 3_600_000;
const SEGMENTED = { segmentBytes: 1000, fileDeleteDelayMs: 500 };

describe('retention', () => {
  it('deletes whole segments whose youngest record is too old', async () => {
    const rig = makeRig({ ...SEGMENTED, retentionMs: HOUR_MS });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 40; i++) {
      appendValues(log, ['x'.repeat(200)], { timestamp: START_MS + i * 60_000 });
    }
    log.setHighWatermark(40);
    rig.clock.advance(HOUR_MS + 10 * 60_000);
    manager.deleteOldSegments();
    expect(manager.probe.segmentsDeleted).toBe(3);
    expect(log.logStartOffset).toBe(9);
    expect(codeThrown(() => readAll(log, 1000, 8))).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect(readAll(log).size).toBe(31);
  });

  it('deletes from the oldest on until the rest fits', async () => {
    const rig = makeRig({ ...SEGMENTED, retentionBytes: 3000, retentionMs: -1 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 40; i++) appendValues(log, ['x'.repeat(200)]);
    log.setHighWatermark(40);
    const before = log.size;
    manager.deleteOldSegments();
    expect(log.size).toBeGreaterThanOrEqual(3000);
    expect(log.size).toBeLessThan(3000 + 1000);
    expect(manager.probe.deletedBytes).toBe(before - log.size);
    expect(manager.deleteOldSegments()).toBe(0);
  });

  it('never goes beyond the high watermark', async () => {
    const rig = makeRig({ ...SEGMENTED, retentionMs: 0, retentionBytes: 0 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 40; i++) appendValues(log, ['x'.repeat(200)], { timestamp: 1 });
    expect(manager.deleteOldSegments()).toBe(0);
    log.setHighWatermark(10);
    manager.deleteOldSegments();
    expect(log.logStartOffset).toBe(9);
    log.setHighWatermark(40);
    manager.deleteOldSegments();
    expect([log.logStartOffset, log.logEndOffset, log.size]).toEqual([40, 40, 0]);
    expect(appendValues(log, ['next'])).toBe(40);
  });

  it('believes a clock that jumps ahead only step by step', async () => {
    const rig = makeRig({ ...SEGMENTED, retentionMs: 24 * HOUR_MS });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 40; i++) {
      appendValues(log, ['x'.repeat(200)], { timestamp: rig.clock.now() });
    }
    log.setHighWatermark(40);
    rig.clock.jump(3 * 24 * HOUR_MS);
    expect(manager.deleteOldSegments()).toBe(0);
    rig.clock.advance(60_000);
    expect(manager.deleteOldSegments()).toBe(0);
    for (let hour = 0; hour < 13; hour++) {
      for (let i = 0; i < 12; i++) {
        rig.clock.advance(300_000);
        manager.deleteOldSegments();
      }
    }
    expect(log.logStartOffset).toBe(40);
  });

  it('leaves compacted topics alone', async () => {
    const rig = makeRig({ ...SEGMENTED, retentionMs: 0, cleanupPolicy: ['compact'] });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 20; i++) appendValues(log, ['x'.repeat(200)], { key: 'k', timestamp: 1 });
    log.setHighWatermark(20);
    expect(manager.deleteOldSegments()).toBe(0);
  });

  it('renames files, removes them after the delay, and a start removes what is left', async () => {
    const rig = makeRig({ ...SEGMENTED, retentionBytes: 1000, retentionMs: -1 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 40; i++) appendValues(log, ['x'.repeat(200)]);
    log.setHighWatermark(40);
    const deleted = (): string[] =>
      rig.disk.list('/data/t-0').filter((name) => name.endsWith('.deleted'));
    manager.deleteOldSegments();
    expect(deleted()).toContain('00000000000000000000.log.deleted');
    await rig.pass(499);
    expect(deleted().length).toBeGreaterThan(0);
    await rig.pass(1);
    expect(deleted()).toEqual([]);
    for (let i = 0; i < 40; i++) appendValues(log, ['x'.repeat(200)]);
    log.setHighWatermark(80);
    manager.deleteOldSegments();
    manager.abandon();
    expect(deleted().length).toBeGreaterThan(0);
    const again = await rig.open();
    expect(deleted()).toEqual([]);
    expect(readAll(again.log).size).toBe(80 - again.log.logStartOffset);
  });

  it('gives a full disk back what it can where there is no room for a new segment', async () => {
    const rig = makeRig({ ...SEGMENTED, retentionMs: HOUR_MS });
    const { manager, log } = await rig.open({ retentionCheckMs: 1e9 });
    for (let i = 0; i < 40; i++) appendValues(log, ['x'.repeat(200)]);
    log.setHighWatermark(40);
    const { activeSegmentOffset, segmentCount } = log;
    rig.clock.advance(2 * HOUR_MS);
    rig.disk.fault = ({ operation, path }) =>
      operation === 'open' && !rig.disk.exists(path) ? systemError('ENOSPC') : null;
    expect(manager.deleteOldSegments()).toBe(segmentCount - 1);
    expect([log.segmentCount, log.logStartOffset]).toEqual([1, activeSegmentOffset]);
    expect(log.logDirectory.failure).toBeNull();
    expect(manager.deleteOldSegments()).toBe(0);
    rig.disk.fault = () => null;
    expect(manager.deleteOldSegments()).toBe(1);
    expect([log.logStartOffset, log.size]).toEqual([40, 0]);
    expect(appendValues(log, ['next'])).toBe(40);
  });

  it('runs by itself at its interval', async () => {
    const rig = makeRig({ ...SEGMENTED, retentionMs: 1000 });
    const { log } = await rig.open({ retentionCheckMs: 60_000 });
    for (let i = 0; i < 40; i++) appendValues(log, ['x'.repeat(200)]);
    log.setHighWatermark(40);
    rig.clock.advance(60_000);
    expect(log.logStartOffset).toBe(40);
  });
});

describe('DeleteRecords', () => {
  it('moves the start, survives a kill, and lets segments go', async () => {
    const rig = makeRig({ ...SEGMENTED, retentionMs: -1 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 40; i++) appendValues(log, [`value-${i}`.padEnd(200)]);
    log.setHighWatermark(30);
    expect(codeThrown(() => log.advanceLogStartOffset(31))).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    log.advanceLogStartOffset(14);
    expect(log.logStartOffset).toBe(14);
    log.advanceLogStartOffset(5);
    expect(log.logStartOffset).toBe(14);
    await log.saveLogStart();
    manager.abandon();
    const again = await rig.open();
    expect(again.log.logStartOffset).toBe(14);
    expect(codeThrown(() => readAll(again.log, 1000, 13))).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect([...readAll(again.log).keys()][0]).toBe(14);
    again.log.setHighWatermark(40);
    expect(again.manager.deleteOldSegments()).toBe(4);
    expect(again.log.firstSegmentOffset).toBe(12);
    expect(again.log.logStartOffset).toBe(14);
  });

  it('survives a power cut, even where segments come back that had gone since', async () => {
    const rig = makeRig({ ...SEGMENTED, retentionMs: -1 });
    const { manager, log } = await rig.open();
    for (let i = 0; i < 40; i++) appendValues(log, [`value-${i}`.padEnd(200)]);
    log.setHighWatermark(40);
    await log.flush();
    log.advanceLogStartOffset(15);
    await log.saveLogStart();
    expect(manager.deleteOldSegments()).toBeGreaterThan(0);
    expect([log.firstSegmentOffset, log.logStartOffset]).toEqual([15, 15]);
    await manager.checkpoint();
    const disk = rig.disk.clone();
    // All that was not synced is lost: the removal of the segments, but for what waits for it.
    disk.crash({ next: () => 0, fill: () => {} });
    const again = await makeRig(rig.config, disk).open();
    expect(again.log.logStartOffset).toBe(15);
    await log.flush();
    await manager.checkpoint();
    // Their names tell it now.
    expect(rig.disk.content('/data/log-start-offset-checkpoint').toString()).toBe('0\n0\n');
  });

  it('is on its way to the device once for all who ask at the same time', async () => {
    const rig = makeRig(SEGMENTED);
    const { manager } = await rig.open();
    const logs = [1, 2, 3, 4].map((partition) => manager.create('t', TOPIC_ID, partition));
    for (const log of logs) {
      appendValues(log, numbered(3));
      log.setHighWatermark(3);
      log.advanceLogStartOffset(2);
    }
    const written: string[] = [];
    rig.disk.watch = ({ operation, path }) => {
      if (operation === 'write') written.push(path);
    };
    await Promise.all(logs.map((log) => log.saveLogStart()));
    // The first one was under way when the others came.
    expect(written.length).toBe(2);
    expect(rig.disk.content('/data/log-start-offset-checkpoint').toString()).toBe(
      '0\n4\nt 1 2\nt 2 2\nt 3 2\nt 4 2\n',
    );
    manager.abandon();
  });

  it('keeps the leader epoch of what is left', async () => {
    const rig = makeRig(SEGMENTED);
    const { log } = await rig.open();
    for (const leaderEpoch of [3, 6]) {
      log.append(batchOf(numbered(10)), { leaderEpoch, origin: 'client' });
    }
    log.setHighWatermark(20);
    log.advanceLogStartOffset(15);
    expect(log.epochForOffset(15)).toBe(6);
    expect(log.epochForOffset(14)).toBe(-1);
  });
});
