import { describe, expect, it } from 'vitest';
import { collectWhenIdle } from '../../../src/base/idle-collection.ts';
import { ManualClock } from '../../support/manual-clock.ts';

describe('an idle thread', () => {
  it('collects once, and again only after it was busy', () => {
    const clock = new ManualClock();
    let collections = 0;
    let busy = 0.5;
    const collect = (): void => {
      collections += 1;
    };
    const stop = collectWhenIdle(clock, collect, () => busy);
    const after = (ms: number, utilization: number): number => {
      busy = utilization;
      clock.advance(ms);
      return collections;
    };
    expect(after(2_000, 0.5)).toBe(0);
    expect(after(15_000, 0.01)).toBe(1);
    expect(after(60_000, 0)).toBe(1);
    expect(after(15_000, 0.03)).toBe(1);
    expect(after(15_000, 0)).toBe(2);
    stop();
    expect(clock.pending).toBe(0);
  });

  it('shrinks its heap with V8’s own collection', () => {
    const clock = new ManualClock();
    let garbage: unknown[] | null = Array.from({ length: 500_000 }, (_, i) => ({ i }));
    expect(garbage).toHaveLength(500_000);
    garbage = null;
    const before = process.memoryUsage().heapTotal;
    const stop = collectWhenIdle(clock, undefined, () => 0);
    clock.advance(2_000);
    expect(process.memoryUsage().heapTotal).toBeLessThan(before);
    stop();
  });
});
