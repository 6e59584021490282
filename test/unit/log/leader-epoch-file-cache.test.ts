import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { LeaderEpochFileCache } from '../../../src/log/leader-epoch-file-cache.ts';
import { FaultyDisk, systemError } from '../../support/faulty-disk.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const PATH = '/leader-epoch-checkpoint';

function cacheWith(...entries: (readonly [number, number])[]): {
  disk: FaultyDisk;
  cache: LeaderEpochFileCache;
} {
  const disk = new FaultyDisk(new ManualClock());
  const cache = new LeaderEpochFileCache(disk, '');
  cache.load();
  for (const [epoch, offset] of entries) cache.assign(epoch, offset);
  return { disk, cache };
}
const list = (cache: LeaderEpochFileCache): number[][] =>
  cache.entries.map((e) => [e.epoch, e.startOffset]);

describe('LeaderEpochFileCache', () => {
  it('keeps its file in the form that Kafka reads', () => {
    const { disk } = cacheWith([0, 0], [3, 17]);
    expect(disk.content(PATH).toString()).toBe('0\n2\n0 0\n3 17\n');
    const again = new LeaderEpochFileCache(disk, '');
    expect(again.load()).toBe(true);
    expect(list(again)).toEqual([
      [0, 0],
      [3, 17],
    ]);
  });

  it('forgets entries that a new one contradicts', () => {
    const { cache } = cacheWith([1, 10], [2, 20], [3, 30]);
    cache.assign(3, 35);
    expect(list(cache).at(-1)).toEqual([3, 30]);
    cache.assign(4, 20);
    expect(list(cache)).toEqual([
      [1, 10],
      [4, 20],
    ]);
    cache.assign(2, 25);
    expect(list(cache)).toEqual([
      [1, 10],
      [2, 25],
    ]);
  });

  it('answers the end of the largest epoch that is not above the one asked for', () => {
    const { cache } = cacheWith([2, 10], [4, 20], [7, 50]);
    const ask = (epoch: number): number[] => {
      const { epoch: found, endOffset } = cache.endOffsetFor(epoch, 99);
      return [found, endOffset];
    };
    expect(ask(-1)).toEqual([-1, -1]);
    expect(ask(-2)).toEqual([-2, 10]);
    expect(ask(1)).toEqual([1, 10]);
    expect(ask(2)).toEqual([2, 20]);
    expect(ask(3)).toEqual([2, 20]);
    expect(ask(6)).toEqual([4, 50]);
    expect(ask(7)).toEqual([7, 99]);
    expect(ask(8)).toEqual([-1, -1]);
    expect([9, 10, 19, 20, 60].map((o) => cache.epochForOffset(o))).toEqual([-1, 2, 2, 4, 7]);
  });

  it('follows truncation at both ends', () => {
    const { cache } = cacheWith([2, 10], [4, 20], [7, 50]);
    cache.truncateFromStart(30);
    expect(list(cache)).toEqual([
      [4, 30],
      [7, 50],
    ]);
    cache.truncateFromEnd(50);
    expect(list(cache)).toEqual([[4, 30]]);
    cache.truncateFromEnd(30);
    expect(cache.latestEpoch).toBe(-1);
  });

  it('keeps the old entries when the file can not be written', () => {
    const { disk, cache } = cacheWith([1, 0]);
    disk.fault = () => systemError('ENOSPC');
    expect(() => cache.assign(2, 5)).toThrow('ENOSPC');
    expect(list(cache)).toEqual([[1, 0]]);
  });

  it('is safe from power loss once it was synced', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const { disk, cache } = cacheWith([1, 0], [2, 5]);
      expect(cache.isDurable).toBe(false);
      await cache.sync();
      disk.syncDirectory('/');
      expect(cache.isDurable).toBe(true);
      cache.assign(3, 9);
      disk.crash(seededRandom(seed));
      const again = new LeaderEpochFileCache(disk, '');
      // The newer file may have taken the place of the durable one, whole or not.
      if (!again.load()) continue;
      expect(list(again).slice(0, 2), `seed ${seed}`).toEqual([
        [1, 0],
        [2, 5],
      ]);
    }
  });
});
