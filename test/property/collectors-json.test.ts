import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { below, seededRandom } from '../../src/base/random.ts';
import { EcsWriter } from '../../src/collectors/ecs-writer.ts';
import { JsonRecordMaker } from '../../src/collectors/json-record.ts';
import { JsonScanner } from '../../src/collectors/json-scanner.ts';
import { fuzzRounds, fuzzSeed } from '../support/fuzz.ts';

const ROUNDS = fuzzRounds(20_000);
const SEED = fuzzSeed(20_261_122);

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** Whether the scanner takes the whole text, spaces around it allowed. */
function scans(scanner: JsonScanner, bytes: Buffer): boolean {
  let start = 0;
  while (start < bytes.length && [0x20, 0x0a, 0x0d, 0x09].includes(bytes[start]!)) start++;
  const stop = scanner.scan(bytes, start, bytes.length);
  return stop >= 0 && bytes.toString('utf8', stop).trim() === '';
}

const SAMPLES = [
  '{"a":1,"b":[true,false,null,-0.5e+10],"c":{"d":"\\u00e9\\n"},"":""}',
  '[[],{},"",0,-1,1e5,1.25]',
  '{"@timestamp":"2026-11-22T15:04:05Z","message":"x \\"y\\" z","log.level":"info"}',
  '  {"time" : 1763823845 , "msg":"é漢🜁" } ',
];
const ALPHABET = Buffer.from('{}[]",:\\ \n\t0123456789.eE+-truefalsnu/bx\u0000é');

function mutated(text: string, random: ReturnType<typeof seededRandom>): Buffer {
  const bytes = Buffer.from(text);
  const edits = 1 + below(random, 3);
  let result = bytes;
  for (let i = 0; i < edits; i++) {
    const at = below(random, result.length + 1);
    const kind = below(random, 3);
    const byte = Buffer.of(ALPHABET[below(random, ALPHABET.length)]!);
    if (kind === 0) result = Buffer.concat([result.subarray(0, at), byte, result.subarray(at)]);
    else if (kind === 1)
      result = Buffer.concat([result.subarray(0, at), byte, result.subarray(at + 1)]);
    else result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1)]);
  }
  return result;
}

describe('the JSON scanner', () => {
  const scanner = new JsonScanner();

  it('accepts what JSON.parse accepts, and nothing else', () => {
    const random = seededRandom(SEED);
    for (let i = 0; i < ROUNDS; i++) {
      const bytes = mutated(SAMPLES[below(random, SAMPLES.length)]!, random);
      // Bytes that are not UTF-8 are the one difference: noted, not refused.
      const expected = parses(bytes.toString());
      expect(scans(scanner, bytes), JSON.stringify(bytes.toString('latin1'))).toBe(expected);
    }
  });

  it('survives random bytes', () => {
    const random = seededRandom(SEED + 1);
    for (let i = 0; i < ROUNDS / 4; i++) {
      const bytes = Buffer.alloc(below(random, 200));
      random.fill(bytes);
      if (bytes.length > 0) bytes[0] = [0x7b, 0x5b, 0x22][below(random, 3)]!;
      const stop = scanner.scan(bytes, 0, bytes.length);
      expect(stop).toBeLessThanOrEqual(bytes.length);
    }
  });

  it('finds the members where they are', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 8 }),
        fc.nat(3),
        (object, indent) => {
          const text = JSON.stringify(object, null, indent);
          const bytes = Buffer.from(text);
          expect(scanner.scan(bytes, 0, bytes.length)).toBe(bytes.length);
          const found: [string, unknown][] = [];
          for (let n = 0; n < scanner.members; n++) {
            found.push([
              JSON.parse(
                `"${bytes.toString('utf8', scanner.keyStart(n), scanner.keyEnd(n))}"`,
              ) as string,
              JSON.parse(bytes.toString('utf8', scanner.valueStart(n), scanner.valueEnd(n))),
            ]);
          }
          const entries = Object.entries(JSON.parse(text) as object);
          expect(found).toEqual(entries);
        },
      ),
      { seed: SEED, numRuns: 500 },
    );
  });
});

describe('records of JSON', () => {
  it('are valid, one line, and keep every other member', () => {
    const writer = new EcsWriter();
    const maker = new JsonRecordMaker(writer);
    const key = fc.oneof(
      fc.constantFrom(
        '@timestamp',
        'time',
        'ts',
        'message',
        'msg',
        'log',
        'level',
        'severity',
        'tags',
        'event',
        'log.level',
      ),
      fc.string(),
    );
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(
        '2026-11-22T15:04:05Z',
        '2026-11-22 15:04',
        'info',
        30,
        1763823845,
        ['t'],
        [],
        {},
      ),
    );
    fc.assert(
      fc.property(fc.dictionary(key, value, { maxKeys: 8 }), fc.nat(2), (object, indent) => {
        const bytes = Buffer.from(JSON.stringify(object, null, indent));
        const stop = maker.scan(bytes, 0, bytes.length);
        expect(stop).toBe(bytes.length);
        expect(maker.write(0, stop, 1_763_823_845_000)).toBe(true);
        const { buffer, start, end } = maker.made;
        const text = buffer.toString('utf8', start, end);
        expect(text).not.toMatch(/[\n\r]/);
        const made = JSON.parse(text) as Record<string, unknown>;
        expect(Number.isNaN(Date.parse(String(made['@timestamp'])))).toBe(false);
        const keys = [...text.matchAll(/"@timestamp":/g)];
        if (!JSON.stringify(object).includes('@timestamp')) expect(keys.length).toBe(1);
        const source = JSON.parse(JSON.stringify(object)) as Record<string, unknown>;
        for (const [name, item] of Object.entries(source)) {
          if (
            [
              '@timestamp',
              'time',
              'ts',
              'message',
              'msg',
              'log',
              'level',
              'severity',
              'tags',
              'timestamp',
              '_msg',
              'event',
            ].includes(name)
          )
            continue;
          expect(made[name]).toEqual(item);
        }
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });
});
