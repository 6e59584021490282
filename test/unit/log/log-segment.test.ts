import { describe, expect, it } from 'vitest';
import type { Disk, DiskFile } from '../../../src/base/disk.ts';
import { LogSegment } from '../../../src/log/log-segment.ts';
import { LogProbe } from '../../../src/log/probe.ts';
import { FaultyDisk } from '../../support/faulty-disk.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { MemoryLogger, START_MS } from './support.ts';

/** A disk of which every `.log` file is counted while open, and reads later when it is told to. */
function slowDisk(clock: ManualClock) {
  const disk = new FaultyDisk(clock);
  disk.makeDirectory('/data');
  const held: (() => void)[] = [];
  const open = new Set<DiskFile>();
  const slow: Disk = Object.create(disk, {
    open: {
      value: (path: string, mode: 'read' | 'create') => {
        const file = disk.open(path, mode);
        const close = file.close.bind(file);
        if (path.endsWith('.log')) open.add(file);
        file.close = () => {
          open.delete(file);
          close();
        };
        file.readLater = async (into, length, position) => {
          await new Promise<void>((resolve) => held.push(resolve));
          expect(open.has(file)).toBe(true);
          return file.read(into, 0, length, position);
        };
        return file;
      },
    },
  });
  return { slow, held, open };
}

describe('the file of a segment', () => {
  it('is closed behind the last who reads it, as often as it was opened again', async () => {
    const clock = new ManualClock(START_MS);
    const { slow, held, open } = slowDisk(clock);
    const segment = LogSegment.create({
      disk: slow,
      clock,
      logger: new MemoryLogger(),
      probe: new LogProbe(),
      directory: '/data',
      baseOffset: 0,
      indexIntervalBytes: 4096,
      segmentIndexBytes: 4096,
      rollJitterMs: 0,
      onOpened: () => {},
      findAborted: () => {},
    });
    const reads: Promise<number>[] = [];
    for (let i = 0; i < 3; i++) {
      reads.push(segment.readLater(Buffer.alloc(1), 1, 0));
      segment.release();
    }
    expect(open.size).toBe(3);
    for (const go of held) go();
    await Promise.all(reads);
    expect(open.size).toBe(0);
  });
});
