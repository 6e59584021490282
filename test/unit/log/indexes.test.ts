import { describe, expect, it } from 'vitest';
import { BugError } from '../../../src/base/errors.ts';
import { OffsetIndex } from '../../../src/log/offset-index.ts';
import { TimeIndex } from '../../../src/log/time-index.ts';
import { FaultyDisk, systemError } from '../../support/faulty-disk.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const PATH = '/00000000000000000100.index';
const newDisk = (): FaultyDisk => new FaultyDisk(new ManualClock());
const offsetIndex = (): OffsetIndex => new OffsetIndex(PATH, 100, 80);
const timeIndex = (): TimeIndex => new TimeIndex(PATH, 100, 120);

describe('OffsetIndex', () => {
  it('writes relative offset and position as big-endian int32', () => {
    const disk = newDisk();
    const index = offsetIndex();
    index.append(105, 4097);
    index.append(300, 70_000);
    index.persist(disk);
    expect(disk.content(PATH).toString('hex')).toBe(
      '00000005' + '00001001' + '000000c8' + '00011170',
    );
  });

  it('looks up the last entry that is not behind an offset', () => {
    const index = offsetIndex();
    for (const [offset, position] of [
      [110, 50],
      [120, 90],
      [130, 140],
    ] as const) {
      index.append(offset, position);
    }
    const found = [100, 109, 110, 119, 120, 129, 130, 1000].map((o) => index.lookup(o));
    expect(found).toEqual([0, 0, 50, 50, 90, 90, 140, 140]);
  });

  it('appends to its file only what is new, and cuts what was taken back', () => {
    const disk = newDisk();
    const index = offsetIndex();
    index.append(110, 50);
    expect(index.persist(disk)).toBe(true);
    expect(index.persist(disk)).toBe(false);
    index.append(120, 90);
    index.append(130, 140);
    index.persist(disk);
    expect(disk.content(PATH).length).toBe(24);
    index.truncateTo(121);
    expect(index.lastOffset).toBe(120);
    index.truncateTo(120);
    expect(index.lastOffset).toBe(110);
    index.append(115, 70);
    index.persist(disk);
    const again = offsetIndex();
    expect(again.load(disk)).toBe(true);
    expect([again.count, again.lastOffset, again.lastPosition]).toEqual([2, 115, 70]);
  });

  it('writes everything again after a write that failed half-way', () => {
    const disk = newDisk();
    const index = offsetIndex();
    index.append(110, 50);
    index.append(120, 90);
    disk.fault = ({ operation }) => (operation === 'write' ? 'short' : null);
    expect(() => index.persist(disk)).toThrow('short write');
    disk.fault = () => null;
    index.persist(disk);
    expect(disk.content(PATH).length).toBe(16);
    disk.fault = () => systemError('EIO');
    expect(() => index.load(disk)).toThrow('EIO');
  });

  it('takes zeros behind its entries for preallocated room', () => {
    const disk = newDisk();
    const index = offsetIndex();
    index.append(110, 50);
    index.persist(disk);
    disk.setContent(PATH, Buffer.concat([disk.content(PATH), Buffer.alloc(64)]));
    const again = offsetIndex();
    expect(again.load(disk)).toBe(true);
    expect(again.count).toBe(1);
    again.append(120, 60);
    again.persist(disk);
    expect(disk.content(PATH).length).toBe(16);
  });

  it('refuses a file that is absent, of odd length, or does not rise', () => {
    const bad = [
      Buffer.alloc(7),
      Buffer.from('0000000500001001' + '0000000500002001', 'hex'),
      Buffer.from('0000000500001001' + '0000000600001001', 'hex'),
      Buffer.from('ffffffff00001001', 'hex'),
      Buffer.from('0000000500000000', 'hex'),
      Buffer.from('0000000000000000' + '0000000500000010', 'hex'),
    ];
    expect(offsetIndex().load(newDisk())).toBe(false);
    for (const bytes of bad) {
      const disk = newDisk();
      disk.setContent(PATH, bytes);
      expect(offsetIndex().load(disk), bytes.toString('hex')).toBe(false);
    }
  });

  it('is full at its limit and insists on order', () => {
    const index = offsetIndex();
    for (let i = 1; i <= 10; i++) index.append(100 + i, i);
    expect(index.isFull).toBe(true);
    expect(() => index.append(200, 200)).toThrow(BugError);
    const other = offsetIndex();
    other.append(110, 50);
    expect(() => other.append(110, 60)).toThrow(BugError);
    expect(() => other.append(111, 50)).toThrow(BugError);
    expect(() => other.append(100 + 2 ** 31, 70)).toThrow(BugError);
    expect(other.fits(100 + 2 ** 31 - 1)).toBe(true);
    expect(other.fits(99)).toBe(false);
  });
});

describe('TimeIndex', () => {
  it('writes timestamp as int64 and relative offset as int32', () => {
    const disk = newDisk();
    const index = timeIndex();
    index.maybeAppend(1_700_000_000_000, 105);
    index.persist(disk);
    expect(disk.content(PATH).toString('hex')).toBe('0000018bcfe5680000000005');
  });

  it('takes only younger timestamps, and keeps a slot for closing', () => {
    const index = timeIndex();
    for (let i = 0; i < 20; i++) index.maybeAppend(1000 + i, 100 + i);
    expect(index.isFull).toBe(true);
    expect(index.count).toBe(9);
    index.maybeAppend(5000, 200, true);
    index.maybeAppend(6000, 300, true);
    expect([index.count, index.lastTimestamp, index.lastOffset]).toEqual([10, 5000, 200]);
    const other = timeIndex();
    other.maybeAppend(1000, 105);
    other.maybeAppend(1000, 106);
    other.maybeAppend(999, 107);
    expect(other.count).toBe(1);
  });

  it('leads to an offset before which nothing is as young', () => {
    const index = timeIndex();
    index.maybeAppend(1000, 110);
    index.maybeAppend(2000, 120);
    index.maybeAppend(3000, 130);
    const found = [0, 1000, 1001, 2000, 2500, 3000, 9000].map((t) => index.lookup(t));
    expect(found).toEqual([100, 100, 110, 110, 120, 120, 130]);
    index.truncateTo(120);
    expect(index.lastTimestamp).toBe(1000);
  });

  it('comes back from its file, and refuses one that does not rise', () => {
    const disk = newDisk();
    const index = timeIndex();
    index.maybeAppend(1000, 110);
    index.maybeAppend(2 ** 41, 120);
    index.persist(disk);
    const again = timeIndex();
    expect(again.load(disk)).toBe(true);
    expect([again.lastTimestamp, again.lastOffset]).toEqual([2 ** 41, 120]);
    const bytes = disk.content(PATH);
    disk.setContent(PATH, Buffer.concat([bytes.subarray(12), bytes.subarray(0, 12)]));
    expect(timeIndex().load(disk)).toBe(false);
  });
});
