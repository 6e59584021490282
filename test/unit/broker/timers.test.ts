import { describe, expect, it } from 'vitest';
import { below, seededRandom } from '../../../src/base/random.ts';
import { TimerWheel } from '../../../src/base/timer-wheel.ts';
import { ManualClock } from '../../support/manual-clock.ts';

describe('a timer wheel', () => {
  it('fires each entry once, not early, and a tick late at most', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const random = seededRandom(seed);
      const clock = new ManualClock();
      const wheel = new TimerWheel(clock, { tickMs: 10, slots: 16 });
      const late: number[] = [];
      let cancelled = 0;
      const expected = 300;
      for (let i = 0; i < expected; i++) {
        const delay = below(random, 2000);
        const due = clock.monotonic() + delay;
        const entry = wheel.add(delay, () => late.push(clock.monotonic() - due));
        if (below(random, 5) === 0) {
          wheel.cancel(entry);
          wheel.cancel(entry);
          cancelled += 1;
        }
        clock.advance(below(random, 30));
      }
      clock.advance(3000);
      expect(late.length).toBe(expected - cancelled);
      expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...late)).toBeLessThanOrEqual(11);
      expect(wheel.size).toBe(0);
      expect(clock.pending).toBe(0);
    }
  });

  it('runs no timer while nothing waits', () => {
    const clock = new ManualClock();
    const wheel = new TimerWheel(clock, { tickMs: 5 });
    expect(clock.pending).toBe(0);
    wheel.add(100, () => {});
    expect(clock.pending).toBe(1);
    clock.advance(200);
    expect(clock.pending).toBe(0);
  });

  it('fires what is added while it fires', () => {
    const clock = new ManualClock();
    const wheel = new TimerWheel(clock, { tickMs: 10, slots: 8 });
    const fired: string[] = [];
    wheel.add(20, () => {
      fired.push('first');
      wheel.add(0, () => fired.push('second'));
    });
    clock.advance(100);
    expect(fired).toEqual(['first', 'second']);
  });

  it('forgets all when it is cleared', () => {
    const clock = new ManualClock();
    const wheel = new TimerWheel(clock);
    let fired = 0;
    for (let i = 0; i < 10; i++) wheel.add(i * 100, () => (fired += 1));
    wheel.clear();
    clock.advance(10_000);
    expect([fired, wheel.size, clock.pending]).toEqual([0, 0, 0]);
  });
});
