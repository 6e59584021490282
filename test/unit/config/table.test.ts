import { describe, expect, it } from 'vitest';
import { collectorDefaults } from '../../../src/collectors/settings.ts';
import { applianceKeys } from '../../../src/config/appliance-keys.ts';
import { configurationTable } from '../../../src/config/configuration.ts';
import { variableOf } from '../../../src/config/load.ts';
import { formatValue, type Key, LONG_MAX, parseValue, tableOf } from '../../../src/config/table.ts';

const key = (given: Partial<Key> & Pick<Key, 'type'>): Key => ({
  name: 'k',
  default: null,
  doc: '',
  ...given,
});

describe('parseValue', () => {
  const f = (given: Parameters<typeof key>[0], value: unknown, expected: unknown): void => {
    expect(parseValue(key(given), value)).toEqual(expected);
  };

  it('reads each type from text as from YAML', () => {
    f({ type: 'boolean' }, 'TRUE', { value: true });
    f({ type: 'int' }, '12', { value: 12 });
    f({ type: 'double' }, '0.5', { value: 0.5 });
    f({ type: 'list' }, 'a, b,,c', { value: ['a', 'b', 'c'] });
    f({ type: 'list' }, ['a', 1], { value: ['a', '1'] });
    f({ type: 'string' }, 5, { value: '5' });
    f({ type: 'password' }, 'x', { value: 'x' });
    f({ type: 'duration' }, '1.5 h', { value: 5_400_000 });
    f({ type: 'bytes' }, '2GiB', { value: 2_147_483_648 });
    f({ type: 'duration' }, -1, { value: -1 });
  });

  it('refuses what is not of the type', () => {
    for (const [type, value] of [
      ['boolean', 'yes'],
      ['int', 1.5],
      ['int', 2 ** 31],
      ['int', ''],
      ['int', '0x10'],
      ['double', Number.NaN],
      ['list', { a: 1 }],
      ['string', ['a']],
      ['duration', '5 parsecs'],
      ['bytes', '5 s'],
    ] as const) {
      expect(
        parseValue(key({ type, default: 'given' }), value),
        `${type} ${JSON.stringify(value)}`,
      ).toHaveProperty('problem');
    }
  });

  it('checks bounds and allowed values, of lists by element', () => {
    f({ type: 'int', min: 1, max: 3 }, 0, { problem: 'must be at least 1, but is 0' });
    f({ type: 'int', min: 1, max: 3 }, 4, { problem: 'must be at most 3, but is 4' });
    f({ type: 'list', default: ['a'], min: 1 }, '', {
      problem: 'must have at least 1, but has 0 elements',
    });
    f({ type: 'list', values: ['a', 'b'] }, 'a,c', { problem: 'must be one of a, b, but is "c"' });
  });

  it('takes an empty text for no value where there need not be one', () => {
    f({ type: 'string' }, '', { value: null });
    f({ type: 'string', default: 'x' }, '', { value: '' });
  });

  it("keeps Kafka's largest long, and prints it as Kafka does", () => {
    expect(parseValue(key({ type: 'long' }), '9223372036854775807')).toEqual({ value: LONG_MAX });
    expect(formatValue(LONG_MAX)).toBe('9223372036854775807');
    expect(formatValue(['a', 'b'])).toBe('a,b');
    expect(formatValue(null)).toBe('');
  });
});

describe('the tables', () => {
  it('hold no key twice, and no two keys with one environment variable', () => {
    const names = [...configurationTable().keys()];
    expect(new Set(names.map(variableOf)).size).toBe(names.length);
    expect(() => tableOf([key({ type: 'int' }), key({ type: 'int' })])).toThrow(/stands twice/);
  });

  it('hold only defaults that the key itself would take', () => {
    for (const row of configurationTable().values()) {
      if (row.default === null) continue;
      expect(parseValue(row, row.default), row.name).toEqual({ value: row.default });
    }
  });

  it('say what each key does in a sentence that ends', () => {
    for (const row of configurationTable().values()) expect(row.doc, row.name).toMatch(/[.`)]$/);
  });

  it('have a key for each setting of the collectors, with its default', () => {
    const keys = new Map<string, unknown>(applianceKeys.map((row) => [row.name, row.default]));
    for (const [collector, members] of Object.entries(collectorDefaults)) {
      for (const [member, value] of Object.entries(members)) {
        const dotted = member.replaceAll(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`);
        const name = `collectors.${collector}.${dotted}`;
        const expected = name === 'collectors.scrape.targets' ? ['self'] : value;
        const given = member === 'acks' ? String(expected) : expected;
        expect(keys.get(name), name).toEqual(given);
      }
    }
  });
});
