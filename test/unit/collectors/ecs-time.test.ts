import { describe, expect, it } from 'vitest';
import { daysSinceEpoch, epochToMs, parseIsoTime } from '../../../src/collectors/ecs-time.ts';

const parse = (text: string, zoneMinutes = 0) => ({
  ...parseIsoTime(Buffer.from(text), 0, Buffer.byteLength(text), zoneMinutes),
});

describe('parseIsoTime', () => {
  it('reads each stamp for itself, whatever was read before', () => {
    const stamps = [
      '2026-11-22T15:04:05Z',
      '2026-11-22T15:04:59.999Z',
      '2026-11-22T15:05:05Z',
      '2026-11-22 15:05:05Z',
      '2026-11-22T15:05:05+01:00',
      '2026-11-22T15:65:05Z',
      '2026-02-29T15:05:05Z',
      '2024-02-29T15:05:05Z',
    ];
    for (const before of stamps) {
      for (const stamp of stamps) {
        parse(before);
        expect(parse(stamp).ms, `${stamp} behind ${before}`).toBe(
          stamp.includes('15:65') || stamp.startsWith('2026-02-29')
            ? Number.NaN
            : Date.parse(stamp),
        );
      }
    }
  });

  it.each([
    '2026-11-22T15:04:05Z',
    '2026-11-22T15:04:05.1Z',
    '2026-11-22T15:04:05.123456789Z',
    '2026-11-22T15:04:05.123+05:30',
    '2024-02-29T23:59:59-08:00',
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
  ])('reads %s as it stands', (text) => {
    const { ms, canonical, end } = parse(text);
    expect(ms).toBe(Math.floor(Date.parse(text)));
    expect(canonical).toBe(true);
    expect(end).toBe(text.length);
  });

  it.each([
    ['2026-11-22 15:04:05', '2026-11-22T15:04:05Z'],
    ['2026-11-22T15:04', '2026-11-22T15:04:00Z'],
    ['2026-11-22T15:04:05,250+0100', '2026-11-22T14:04:05.250Z'],
    ['2026-11-22t15:04:05z', '2026-11-22T15:04:05Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00Z'],
  ])('reads %s, but does not keep its form', (text, expected) => {
    const { ms, canonical } = parse(text);
    expect(ms).toBe(Date.parse(expected));
    expect(canonical).toBe(false);
  });

  it('uses the given zone where the text has none', () => {
    expect(parse('2026-11-22T15:04:05', 60).ms).toBe(Date.parse('2026-11-22T14:04:05Z'));
  });

  it.each([
    '',
    'today',
    '2026-13-01T00:00:00Z',
    '2026-02-29T00:00:00Z',
    '2026-11-22T24:00:00Z',
    '2026-11-22T15:04:05+99:00',
    '2026-11-22X15:04:05Z',
    '2026/11/22T15:04:05Z',
  ])('refuses %s', (text) => expect(parse(text).ms).toBeNaN());

  it('counts days like the system', () => {
    for (let day = -800_000; day < 2_900_000; day += 997) {
      const date = new Date(day * 86_400_000);
      if (date.getUTCFullYear() < 1) continue;
      expect(daysSinceEpoch(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate())).toBe(
        day,
      );
    }
  });
});

describe('epochToMs', () => {
  it('tells units by magnitude', () => {
    const ms = 1_763_823_845_123;
    expect(epochToMs(1_763_823_845)).toBe(1_763_823_845_000);
    expect(epochToMs(1_763_823_845.123)).toBe(ms);
    expect(epochToMs(ms)).toBe(ms);
    expect(epochToMs(ms * 1e3)).toBe(ms);
    expect(epochToMs(ms * 1e6)).toBe(ms);
    expect(epochToMs(0)).toBeNaN();
    expect(epochToMs(-5)).toBeNaN();
  });
});
