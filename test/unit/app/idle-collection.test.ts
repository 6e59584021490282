import { describe, expect, it } from 'vitest';
import { collectWhenIdle } from '../../../src/base/idle-collection.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const idle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));

const busy = (): void => {
  const until = performance.now() + 60;
  while (performance.now() < until);
};

describe('an idle thread', () => {
  it('collects once, and again only after it was busy', async () => {
    const clock = new ManualClock();
    let collections = 0;
    const stop = collectWhenIdle(clock, () => {
      collections += 1;
    });
    await idle();
    clock.advance(2_000);
    expect(collections).toBe(1);
    await idle();
    clock.advance(15_000);
    expect(collections).toBe(1);
    busy();
    await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(15_000);
    expect(collections).toBe(1);
    await idle();
    clock.advance(15_000);
    expect(collections).toBe(2);
    stop();
    expect(clock.pending).toBe(0);
  });

  it('shrinks its heap with V8’s own collection', async () => {
    const clock = new ManualClock();
    let garbage: unknown[] | null = Array.from({ length: 500_000 }, (_, i) => ({ i }));
    expect(garbage).toHaveLength(500_000);
    garbage = null;
    const before = process.memoryUsage().heapTotal;
    const stop = collectWhenIdle(clock);
    await idle();
    clock.advance(2_000);
    expect(process.memoryUsage().heapTotal).toBeLessThan(before);
    stop();
  });
});
