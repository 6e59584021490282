import { describe, expect, it } from 'vitest';
import { batchSize } from '../../../src/protocol/record-batch.ts';
import { appendValues, makeRig, numbered, type Rig, readAll } from './support.ts';

const SEGMENT = '/data/t-0/00000000000000000000.log';
const SEGMENT_BYTES = 4096;

const rigOf = (disk?: Rig['disk']): Rig =>
  makeRig({ preallocate: true, segmentBytes: SEGMENT_BYTES, indexIntervalBytes: 100 }, disk);

/** Rolls once: a segment that is complete, and one that is appended to. */
async function twoSegments(): Promise<Rig & { end: number; second: string }> {
  const rig = rigOf();
  const { manager, log } = await rig.open();
  let end = 0;
  while (log.segmentCount === 1) end = appendValues(log, numbered(2, end)) + 2;
  const second = `/data/t-0/${String(end - 2).padStart(20, '0')}.log`;
  await manager.checkpoint();
  manager.abandon();
  return { ...rig, end, second };
}

describe('a segment that is preallocated', () => {
  it('has its full length at once, and counts as what is in it', async () => {
    const rig = rigOf();
    const { manager, log } = await rig.open();
    expect(rig.disk.content(SEGMENT)).toHaveLength(SEGMENT_BYTES);
    appendValues(log, numbered(2));
    expect(rig.disk.content(SEGMENT)).toHaveLength(SEGMENT_BYTES);
    expect(log.size).toBeLessThan(200);
    expect([...readAll(log).values()]).toEqual(numbered(2));
    manager.abandon();
  });

  it('is cut to its batches when the next one begins', async () => {
    const { disk, second } = await twoSegments();
    const closed = disk.content(SEGMENT);
    expect(closed.length).toBeLessThan(SEGMENT_BYTES);
    let end = 0;
    while (end < closed.length) end += batchSize(closed, end);
    expect(end).toBe(closed.length);
    expect(disk.content(second)).toHaveLength(SEGMENT_BYTES);
  });

  it('is cut to its batches when the log is closed', async () => {
    const rig = rigOf();
    const { manager, log } = await rig.open();
    appendValues(log, numbered(2));
    const { size } = log;
    await manager.stop();
    expect(rig.disk.content(SEGMENT)).toHaveLength(size);
    const again = await rigOf(rig.disk).open();
    expect([...readAll(again.log).values()]).toEqual(numbered(2));
    expect(again.manager.probe.segmentsRecovered).toBe(0);
    again.manager.abandon();
  });

  it('is cut to its batches after a crash, without a word of torn ones', async () => {
    const { disk, second, end } = await twoSegments();
    const rig = rigOf(disk);
    const { manager, log } = await rig.open();
    expect(log.logEndOffset).toBe(end);
    expect(disk.content(second).length).toBeLessThan(SEGMENT_BYTES);
    expect(manager.probe.truncatedTailBytes).toBe(0);
    expect(rig.logger.lines.filter((line) => line.includes('torn'))).toEqual([]);
    expect(appendValues(log, ['new'])).toBe(end);
    expect([...readAll(log).values()]).toEqual([...numbered(end), 'new']);
    manager.abandon();
  });

  it('that was torn by a crash is cut there, and that is told', async () => {
    const { disk, second, end } = await twoSegments();
    const bytes = Buffer.from(disk.content(second));
    const used = bytes.findLastIndex((byte) => byte !== 0);
    bytes.fill(0, used - 3);
    disk.setContent(second, bytes);
    const { manager, log } = await rigOf(disk).open();
    expect(log.logEndOffset).toBe(end - 2);
    expect(manager.probe.truncatedTailBytes).toBeGreaterThan(0);
    expect([...readAll(log).values()]).toEqual(numbered(end - 2));
    manager.abandon();
  });
});
