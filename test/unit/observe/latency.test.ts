import { describe, expect, it } from 'vitest';
import { LatencyHistogram, quantiles, secondsBounds } from '../../../src/observe/latency.ts';

const filled = (...values: number[]): LatencyHistogram => {
  const histogram = new LatencyHistogram();
  for (const ms of values) histogram.record(ms);
  return histogram;
};

describe('quantiles', () => {
  it('are known to six per cent over the whole range', () => {
    for (let ms = 0.05; ms < 100_000; ms *= 1.37) {
      for (const seen of filled(ms).windowMs(0)) {
        expect(Math.abs(seen - ms) / ms, `${ms} ms`).toBeLessThan(0.0625);
      }
    }
  });

  it('split a known distribution', () => {
    const histogram = filled(...Array.from({ length: 1_000 }, (_, i) => (i + 1) / 10));
    const seen = histogram.windowMs(0);
    quantiles.forEach(([, q], i) => {
      expect(Math.abs(seen[i]! - q * 100) / (q * 100)).toBeLessThan(0.0625);
    });
  });

  it('are zero when nothing was recorded', () => {
    expect(new LatencyHistogram().windowMs(0)).toEqual(quantiles.map(() => 0));
  });

  it('forget what is older than two windows, and keep what is younger than one', () => {
    const histogram = filled(1_000);
    histogram.windowMs(0);
    histogram.record(10);
    expect(histogram.windowMs(150_000)[5]).toBeGreaterThan(900);
    histogram.record(10);
    expect(histogram.windowMs(300_000)[5]).toBeLessThan(11);
    expect(histogram.windowMs(300_000)[5]).toBeGreaterThan(9);
    expect(histogram.windowMs(900_000)[5]).toBe(0);
    expect(histogram.count).toBe(3);
  });
});

describe('the classic histogram', () => {
  it('never falls from bound to bound and ends with everything below the last one', () => {
    const histogram = filled(0.1, 0.9, 4, 40, 400, 4_000, 40_000);
    const cumulative = histogram.cumulative();
    expect(cumulative).toHaveLength(secondsBounds.length);
    for (let i = 1; i < cumulative.length; i++) {
      expect(cumulative[i]).toBeGreaterThanOrEqual(cumulative[i - 1]!);
    }
    expect(cumulative.at(-1)).toBe(6);
    expect(histogram.count).toBe(7);
    expect(histogram.sumSeconds).toBeCloseTo(44.445, 6);
  });

  it('takes a clock that went back for zero, and an hour for its largest value', () => {
    const histogram = filled(-5, Number.NaN, 3_600_000);
    expect(histogram.count).toBe(3);
    expect(histogram.cumulative()[0]).toBe(2);
    expect(histogram.windowMs(0)[5]).toBeGreaterThan(100_000);
  });
});
