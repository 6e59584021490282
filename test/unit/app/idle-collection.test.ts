import { describe, expect, it } from 'vitest';
import { collectWhenIdle, threadVitals } from '../../../src/base/idle-collection.ts';
import { ManualClock } from '../../support/manual-clock.ts';

describe('an idle thread', () => {
  it('collects once, and again only after it was busy, or grew and a minute is over', () => {
    const clock = new ManualClock();
    let collections = 0;
    let trims = 0;
    let utilization = 0.5;
    let heapBytes = 50e6;
    const stop = collectWhenIdle(clock, {
      utilization: () => utilization,
      heapBytes: () => heapBytes,
      collect: () => {
        collections += 1;
        heapBytes = 10e6;
      },
      trim: () => {
        trims += 1;
      },
    });
    const after = (ms: number, busy: number): number => {
      utilization = busy;
      clock.advance(ms);
      return collections;
    };
    expect(after(2_000, 0.5)).toBe(0);
    expect(after(15_000, 0.01)).toBe(1);
    expect(after(60_000, 0)).toBe(1);
    expect(after(15_000, 0.03)).toBe(1);
    expect(after(15_000, 0)).toBe(2);
    heapBytes = 11e6;
    expect(after(15_000, 0)).toBe(2);
    heapBytes = 12e6;
    expect(after(15_000, 0.03)).toBe(2);
    expect(after(15_000, 0)).toBe(3);
    heapBytes = 12e6;
    expect(after(45_000, 0)).toBe(3);
    expect(after(15_000, 0)).toBe(4);
    expect(trims).toBe(3);
    clock.advance(3_000);
    expect(trims).toBe(4);
    stop();
    expect(clock.pending).toBe(0);
  });

  it('tells its own heap and utilization, and shrinks its heap', () => {
    const clock = new ManualClock();
    const vitals = threadVitals();
    let garbage: unknown[] | null = Array.from({ length: 500_000 }, (_, i) => ({ i }));
    expect(garbage).toHaveLength(500_000);
    garbage = null;
    const before = vitals.heapBytes();
    const stop = collectWhenIdle(clock, { ...vitals, utilization: () => 0 });
    clock.advance(2_000);
    expect(vitals.heapBytes()).toBeLessThan(before);
    expect(vitals.utilization()).toBeGreaterThanOrEqual(0);
    stop();
  });
});
