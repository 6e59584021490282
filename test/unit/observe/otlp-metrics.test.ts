import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { type OtlpPoint, POINTS_MAX, readOtlpMetrics } from '../../../src/observe/otlp-metrics.ts';
import { bytesField, metricsData } from '../../support/otlp.ts';

const read = (bytes: Buffer): OtlpPoint[] => {
  const points: OtlpPoint[] = [];
  readOtlpMetrics(bytes, (point) => {
    points.push(point);
  });
  return points;
};

describe('metrics in OTLP', () => {
  it('are points with their name, type, time and attributes', () => {
    const bytes = metricsData(
      [
        { name: 'a.gauge', value: 1.5, timeMs: 1_700_000_000_123 },
        { name: 'a.total', kind: 'delta', value: 7, isWhole: true, attributes: { topic: 't' } },
        { name: 'b.total', kind: 'cumulative', value: -2 },
      ],
      { group_id: 'g' },
    );
    const group = ['group_id', 'g'];
    expect(read(bytes)).toEqual([
      {
        ...{ name: 'a.gauge', type: 'gauge', isDelta: false, value: 1.5 },
        ...{ timeMs: 1_700_000_000_123, attributes: [group] },
      },
      {
        ...{ name: 'a.total', type: 'counter', isDelta: true, value: 7 },
        ...{ timeMs: 0, attributes: [group, ['topic', 't']] },
      },
      {
        ...{ name: 'b.total', type: 'counter', isDelta: false, value: -2 },
        ...{ timeMs: 0, attributes: [group] },
      },
    ]);
  });

  it('of a histogram are its count and its sum', () => {
    const bytes = metricsData([
      { name: 'h', kind: 'histogram', value: 3.5, attributes: { topic: 't' } },
    ]);
    expect(read(bytes)).toMatchObject([
      { name: 'h.count', type: 'counter', isDelta: true, value: 7, attributes: [['topic', 't']] },
      { name: 'h.sum', type: 'counter', isDelta: true, value: 3.5, attributes: [['topic', 't']] },
    ]);
  });

  it('may hold fields that are not known', () => {
    const unknown = bytesField(1000, Buffer.from('later'));
    const bytes = Buffer.concat([unknown, metricsData([{ name: 'a', value: 1 }]), unknown]);
    expect(read(bytes)).toHaveLength(1);
  });

  it('are nothing where there is nothing', () => {
    expect(read(Buffer.alloc(0))).toEqual([]);
    expect(read(metricsData([]))).toEqual([]);
  });

  it('are read up to a number of points', () => {
    const many = Array.from({ length: POINTS_MAX + 10 }, (_, i) => ({ name: `m${i}`, value: i }));
    expect(read(metricsData(many))).toHaveLength(POINTS_MAX);
  });

  it.each([
    ['cut off', metricsData([{ name: 'a.name', value: 1 }]).subarray(0, -3)],
    ['of an unknown wire type', Buffer.from([0x0b])],
    ['longer than they are', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    ['a varint without an end', Buffer.alloc(20, 0xff)],
    ['a number where a message is due', Buffer.from([0x08, 0x01])],
  ])('that are %s are refused', (_, bytes) => {
    expect(() => read(bytes)).toThrow(RangeError);
  });

  it('of any bytes are points or a refusal, and never more', () => {
    const random = seededRandom(714);
    const below = (limit: number): number => Math.floor(random.next() * limit);
    const good = metricsData([
      { name: 'a', value: 1, attributes: { topic: 't' } },
      { name: 'b', kind: 'delta', value: 2 },
      { name: 'c', kind: 'histogram', value: 3 },
    ]);
    for (let round = 0; round < 5_000; round++) {
      const bytes = Buffer.from(good);
      for (let i = 0; i < 1 + below(4); i++) bytes[below(bytes.length)] = below(256);
      try {
        read(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
  });
});
