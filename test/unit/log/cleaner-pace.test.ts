import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CleanerPace, CleaningCancelled } from '../../../src/log/cleaner-pace.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const unlimited = Number.POSITIVE_INFINITY;

function paced(options: { sliceMs?: number; restRatio?: number; bytesPerSecond?: number }): {
  clock: ManualClock;
  pace: CleanerPace;
} {
  const clock = new ManualClock();
  const all = { sliceMs: unlimited, restRatio: 0, bytesPerSecond: unlimited, ...options };
  return { clock, pace: new CleanerPace({ clock, ...all }) };
}

/** Milliseconds until `rest` is over, 0: with the next turn. */
async function lengthOf(rest: Promise<void> | null, clock: ManualClock): Promise<number> {
  let isOver = false;
  void rest?.then(() => {
    isOver = true;
  });
  const begin = clock.monotonic();
  for (;;) {
    await turn();
    if (isOver) return clock.monotonic() - begin;
    expect(clock.monotonic() - begin).toBeLessThan(10_000);
    clock.advance(1);
  }
}

describe('the pace of a cleaning', () => {
  it('goes on for as long as its slice lasts', () => {
    const { clock, pace } = paced({ sliceMs: 2, restRatio: 2 });
    expect(pace.passed(1000)).toBeNull();
    clock.advance(1);
    expect(pace.passed(1000)).toBeNull();
    clock.advance(1);
    expect(pace.passed(1000)).not.toBeNull();
  });

  it('rests by what the slice took, which may be more than it should', async () => {
    const { clock, pace } = paced({ sliceMs: 2, restRatio: 2 });
    clock.advance(5);
    expect(await lengthOf(pace.passed(1000), clock)).toBe(10);
    expect(pace.passed(1000)).toBeNull();
    clock.advance(2);
    expect(await lengthOf(pace.passed(1000), clock)).toBe(4);
  });

  it('never rests where its slice has no end', () => {
    const { clock, pace } = paced({ restRatio: 2 });
    clock.advance(100_000);
    expect(pace.passed(1e9)).toBeNull();
  });

  it('waits for what its bytes a second ask for, when that is more', async () => {
    const { clock, pace } = paced({ sliceMs: 2, restRatio: 2, bytesPerSecond: 1000 });
    clock.advance(2);
    expect(await lengthOf(pace.passed(102), clock)).toBe(100);
  });

  it('ends a rest when the cleaning is cancelled', async () => {
    const { clock, pace } = paced({ sliceMs: 2, restRatio: 2 });
    clock.advance(2);
    const rest = pace.passed(1000);
    pace.cancel();
    await expect(rest).rejects.toThrow(CleaningCancelled);
    expect(() => pace.passed(1)).toThrow(CleaningCancelled);
  });
});
