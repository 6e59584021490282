import { beforeEach, describe, expect, it } from 'vitest';
import { OffsetCheckpointFile } from '../../../src/log/offset-checkpoint-file.ts';
import { FaultyDisk, systemError } from '../../support/faulty-disk.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const PATH = '/data/offsets';
const NOTHING_KEPT = { next: () => 0.999, fill: () => {} };

let disk: FaultyDisk;
let file: OffsetCheckpointFile;

const open = (): OffsetCheckpointFile =>
  new OffsetCheckpointFile({
    disk,
    path: PATH,
    syncNames: () => disk.syncDirectoryLater('/data'),
  });
const onDisk = (): [string, number][] => [...open().read()!];

beforeEach(async () => {
  disk = new FaultyDisk(new ManualClock(0));
  disk.makeDirectory('/data');
  file = open();
  file.read();
  file.set('t-0', 1);
  file.set('with-dash-12', 2);
  await file.save();
});

describe('OffsetCheckpointFile', () => {
  it('has on the device what was there when it was asked to save', async () => {
    file.set('t-0', 5);
    await file.save();
    disk.crash(NOTHING_KEPT);
    expect(onDisk()).toEqual([
      ['t-0', 5],
      ['with-dash-12', 2],
    ]);
  });

  it('writes nothing when nothing has changed', async () => {
    const { calls } = disk;
    file.set('t-0', 1);
    file.set('absent-0', null);
    await file.save();
    file.saveNow();
    expect(disk.calls).toBe(calls);
  });

  it('has what came while it was being written, for those who ask then', async () => {
    file.set('t-0', 5);
    const first = file.save();
    file.set('t-0', 6);
    await Promise.all([first, file.save(), file.save()]);
    disk.crash(NOTHING_KEPT);
    expect(onDisk()[0]).toEqual(['t-0', 6]);
  });

  it('does not put what is old in the place of what was saved at once', async () => {
    file.set('t-0', 5);
    const slow = file.save();
    file.set('t-0', 3);
    file.saveNow();
    disk.crash(NOTHING_KEPT);
    expect(onDisk()[0]).toEqual(['t-0', 3]);
    await slow;
    expect(onDisk()[0]).toEqual(['t-0', 3]);
  });

  it('forgets at once what another log is to be named like', async () => {
    file.set('t-0', 5);
    const slow = file.save();
    file.forgetNow('t-0');
    disk.crash(NOTHING_KEPT);
    expect(onDisk()).toEqual([['with-dash-12', 2]]);
    await slow;
    expect(onDisk()).toEqual([['with-dash-12', 2]]);
    const { calls } = disk;
    file.forgetNow('t-0');
    expect(disk.calls).toBe(calls);
  });

  it('keeps what is known, and forgets the rest', async () => {
    file.keep((key) => key === 't-0');
    await file.save();
    expect(onDisk()).toEqual([['t-0', 1]]);
  });

  it('tells everybody who waits of a failure, and tries again when asked to', async () => {
    file.set('t-0', 5);
    disk.fault = ({ operation }) => (operation === 'sync' ? systemError('ENOSPC') : null);
    const failures = await Promise.allSettled([file.save(), file.save()]);
    expect(failures.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(onDisk()[0]).toEqual(['t-0', 1]);
    disk.restart();
    await file.save();
    expect(onDisk()[0]).toEqual(['t-0', 5]);
  });

  it('writes nothing more once it is abandoned', async () => {
    file.set('t-0', 5);
    const slow = file.save();
    file.abandon();
    await slow;
    expect(onDisk()[0]).toEqual(['t-0', 1]);
  });
});
