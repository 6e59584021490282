import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import {
  AdaptiveLimit,
  BackoffGate,
  fullJitterMs,
  retryAfterMs,
} from '../../../src/connectors/retry.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

describe('full jitter', () => {
  it('lies between zero and a bound that doubles up to the cap', () => {
    const random = seededRandom(1);
    const options = { baseMs: 100, capMs: 3_000 };
    const largest = [1, 2, 3, 6, 60].map((failures) =>
      Math.max(...Array.from({ length: 500 }, () => fullJitterMs(options, failures, random))),
    );
    for (const [i, bound] of [100, 200, 400, 3_000, 3_000].entries()) {
      expect(largest[i]).toBeLessThan(bound);
      expect(largest[i]).toBeGreaterThan(bound * 0.9);
    }
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-11-22T10:00:00Z');
  it.each([
    ['7', 7_000],
    ['0', 0],
    ['Sun, 22 Nov 2026 10:00:05 GMT', 5_000],
    ['Sun, 22 Nov 2026 09:00:00 GMT', 0],
    ['soon', 0],
    ['99999999', 300_000],
    [undefined, 0],
  ])('%s is %d ms', (header, ms) => {
    expect(retryAfterMs(header, now)).toBe(ms);
  });
});

describe('adaptive limit', () => {
  it('grows by one after as many successes as it allows, and halves on push-back', () => {
    const limit = new AdaptiveLimit(5);
    expect(limit.current).toBe(2);
    const seen: number[] = [];
    for (let i = 0; i < 20; i++) {
      limit.success();
      seen.push(limit.current);
    }
    expect(seen.slice(0, 9)).toEqual([2, 3, 3, 3, 4, 4, 4, 4, 5]);
    expect(limit.current).toBe(5);
    limit.pushBack();
    expect(limit.current).toBe(2);
    limit.pushBack();
    limit.pushBack();
    expect(limit.current).toBe(1);
  });
});

describe('backoff gate', () => {
  const never = new AbortController().signal;

  it('lets one request through after the delay, and the others when that one succeeded', async () => {
    const clock = new ManualClock();
    const gate = new BackoffGate(
      clock,
      { next: () => 0.999, fill: () => {} },
      { baseMs: 100, capMs: 1_000 },
    );
    await gate.enter(never);
    gate.failure();
    const entered: number[] = [];
    for (let i = 0; i < 3; i++) void gate.enter(never).then(() => entered.push(i));
    await settle();
    expect(entered).toEqual([]);
    clock.advance(100);
    await settle();
    expect(entered.length).toBe(1);
    clock.advance(10_000);
    await settle();
    expect(entered.length).toBe(1);
    gate.failure();
    await settle();
    clock.advance(199);
    await settle();
    expect(entered.length).toBe(1);
    clock.advance(1);
    await settle();
    expect(entered.length).toBe(2);
    gate.success();
    await settle();
    expect(entered.length).toBe(3);
  });

  it('lets the one through that has waited longest', async () => {
    const clock = new ManualClock();
    const gate = new BackoffGate(
      clock,
      { next: () => 0.5, fill: () => {} },
      { baseMs: 100, capMs: 100 },
    );
    const entered: string[] = [];
    const fail = async (name: string): Promise<void> => {
      for (;;) {
        await gate.enter(never);
        entered.push(name);
        if (entered.length > 6) return;
        gate.failure();
      }
    };
    for (const name of ['a', 'b', 'c']) void fail(name);
    for (let i = 0; i < 10; i++) {
      await settle();
      clock.advance(50);
    }
    expect(entered).toEqual(['a', 'b', 'c', 'a', 'b', 'c', 'a']);
  });

  it('waits at least as long as it is told, and takes failures of the same moment for one', async () => {
    const clock = new ManualClock();
    const gate = new BackoffGate(
      clock,
      { next: () => 0, fill: () => {} },
      { baseMs: 100, capMs: 1_000 },
    );
    gate.failure({ atLeastMs: 500 });
    gate.failure();
    gate.failure();
    expect(gate.failures).toBe(1);
    let entered = false;
    void gate.enter(never).then(() => {
      entered = true;
    });
    clock.advance(499);
    await settle();
    expect(entered).toBe(false);
    clock.advance(1);
    await settle();
    expect(entered).toBe(true);
  });

  it('lets everybody go when it is aborted', async () => {
    const clock = new ManualClock();
    const gate = new BackoffGate(clock, seededRandom(1), { baseMs: 100, capMs: 1_000 });
    const abort = new AbortController();
    gate.failure({ atLeastMs: 1_000_000 });
    let entered = false;
    void gate.enter(abort.signal).then(() => {
      entered = true;
    });
    await settle();
    abort.abort();
    await settle();
    expect(entered).toBe(true);
  });
});
