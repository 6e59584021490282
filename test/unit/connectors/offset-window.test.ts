import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BugError } from '../../../src/base/errors.ts';
import {
  type OffsetRange,
  OffsetWindow,
  type Taken,
} from '../../../src/connectors/offset-window.ts';

const batchTo = (nextOffset: number, bytes = 10, generation = ''): Taken => ({
  ...{ nextOffset, leaderEpoch: 0, generation, bytes },
  ...{ source: Buffer.alloc(0), position: 0 },
});

describe('offset window', () => {
  it('never lets the committable offset pass an unresolved record', () => {
    const step = fc.record({ records: fc.nat(5), gap: fc.nat(3), pick: fc.nat(1_000) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.nat(100), (steps, start) => {
        const window = new OffsetWindow('logs', 'id', 0, start);
        const open: { range: OffsetRange; left: number; next: number }[] = [];
        const resolveOne = (pick: number): void => {
          const busy = open.filter(({ left }) => left > 0);
          const entry = busy[pick % Math.max(busy.length, 1)];
          if (entry === undefined) return;
          entry.range.resolve(1);
          entry.left--;
        };
        const check = (): void => {
          const first = open.find(({ left }) => left > 0);
          const before = first === undefined ? open : open.slice(0, open.indexOf(first));
          expect(window.committable).toBe(before.at(-1)?.next ?? start);
          expect(window.size).toBe(open.length - before.length);
          expect(window.unresolvedBytes).toBe((open.length - before.length) * 10);
        };
        for (const { records, gap, pick } of steps) {
          const next = window.nextOffset + gap + records + 1;
          const range = window.open(batchTo(next));
          for (let i = 0; i < records; i++) range.hold();
          open.push({ range, left: records + 1, next });
          for (let i = 0; i < pick % 6; i++) resolveOne(pick + i);
          check();
        }
        for (let i = 0; i < 2_000; i++) resolveOne(i * 7);
        check();
        expect(window.isEmpty).toBe(true);
        expect(open.every(({ range }) => range.source === null)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('moves over what the log does not have, but not past what is unresolved', () => {
    const window = new OffsetWindow('logs', 'id', 0, 0);
    window.skipTo(100);
    expect([window.nextOffset, window.committable]).toEqual([100, 100]);
    const range = window.open(batchTo(110));
    window.skipTo(200);
    expect([window.nextOffset, window.committable]).toEqual([200, 100]);
    range.resolve(1);
    window.skipTo(150);
    expect(window.nextOffset).toBe(200);
  });

  it('keeps with the committable offset since when anything behind it can have been handed over', () => {
    const window = new OffsetWindow('logs', 'id', 0, 0, 'a');
    expect(window.committableGeneration('d')).toBe('d');
    window.endsAt(20);
    // Another life has begun in generation a, and may have handed over all that there was.
    const first = window.open(batchTo(10, 10, 'b'));
    const second = window.open(batchTo(25, 10, 'b'));
    window.endsAt(100);
    const third = window.open(batchTo(30, 10, 'b'));
    const fourth = window.open(batchTo(40, 10, 'c'));
    expect([first, second, third].map(({ mayRepeat }) => mayRepeat)).toEqual([true, true, false]);
    const seen: string[] = [];
    for (const range of [second, third, first, fourth]) {
      seen.push(`${window.committable} ${window.committableGeneration('d')}`);
      range.resolve(1);
    }
    seen.push(`${window.committable} ${window.committableGeneration('d')}`);
    expect(seen).toEqual(['0 a', '0 a', '0 a', '30 c', '40 d']);
  });

  it('takes a record that is settled twice for a bug', () => {
    const range = new OffsetWindow('logs', 'id', 0, 0).open(batchTo(1));
    range.resolve(1);
    expect(() => range.resolve(1)).toThrow(BugError);
  });
});
