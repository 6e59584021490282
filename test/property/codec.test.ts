import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { codec, decode, encode } from '../../src/protocol/codec.ts';
import {
  array,
  bits64,
  bool,
  bytes,
  float64,
  int8,
  int16,
  int32,
  int64,
  type Message,
  message,
  records,
  string,
  struct,
  uint16,
  uint32,
  uuid,
} from '../../src/protocol/schema.ts';
import { fuzzRounds, fuzzSeed } from '../support/fuzz.ts';
import {
  mutated,
  pick,
  randomBytes,
  randomMessage,
  sentMessages,
  storedMessages,
  versionsOf,
} from './random-message.ts';
import { oracleRead, oracleWrite } from './schema-oracle.ts';

const SEED = fuzzSeed(20_261_122);

/** What Kafka's messages have no example of, all in one. */
const everything = message(
  'Everything',
  { api: -1, min: 0, max: 4, flexible: 2 },
  {
    flag: bool.since(1).default(true),
    small: int8.default(-7),
    short: int16,
    unsignedShort: uint16,
    unsigned: uint32.until(3),
    fraction: float64.since(1),
    bits: bits64.since(2).tag(10),
    long: int64.default(-1),
    id: uuid.since(1).until(1),
    texts: array(string.nullable(3)).nullable(1),
    nested: array(array(array(int32))),
    maybe: struct({ a: int32, b: string.nullable() }).since(1).nullable(2),
    payload: records,
    opaque: bytes.nullable(3),
    taggedText: string.since(2).tag(5),
    taggedNullText: string.since(2).nullable().default(null).tag(3),
    taggedNullable: string.nullable().tag(0, 3),
    taggedBytes: bytes.since(2).tag(1),
    taggedIds: array(uuid).since(2).tag(9),
    taggedStruct: struct({
      x: int32.default(4),
      y: array(string),
      z: struct({ deep: int8.tag(0), deeper: array({ deepest: int64.tag(2).default(-1) }) }),
    })
      .since(2)
      .tag(200),
    taggedMaybe: struct({ x: int32 }).since(2).nullable().tag(300),
    taggedFlag: bool.since(4).default(true).tag(4),
  },
);

const all: readonly Message<any>[] = [...sentMessages, ...storedMessages, everything];

const seedOf = (name: string, version: number): number => {
  let seed = SEED + version;
  for (const letter of name) seed = Math.imul(seed, 31) + letter.charCodeAt(0);
  return seed;
};

function eachVersion(rounds: number, check: (m: Message<any>, v: number, r: Random) => void): void {
  for (const m of all) {
    for (const v of versionsOf(m)) {
      const random = seededRandom(seedOf(m.name, v));
      for (let round = fuzzRounds(rounds); round > 0; round--) check(m, v, random);
    }
  }
}

type Outcome = { value: unknown; pos: number } | { refused: string };

function outcome(read: (reader: ByteReader) => unknown, input: Buffer): Outcome {
  const reader = new ByteReader(input);
  try {
    return { value: read(reader), pos: reader.pos };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { refused: error.message };
  }
}

function compareReaders(m: Message<any>, version: number, input: Buffer): Outcome {
  const compiled = outcome((r) => codec(m, version).read(r), input);
  const interpreted = outcome((r) => oracleRead(m, version, r), input);
  if (!isDeepStrictEqual(compiled, interpreted)) {
    expect(compiled, `${m.name} v${version} of ${input.toString('hex')}`).toEqual(interpreted);
    throw new Error(`${m.name} v${version}: not the same on ${input.toString('hex')}`);
  }
  return compiled;
}

describe('every message in every version', () => {
  it('decodes what it encoded', () => {
    eachVersion(20, (m, version, random) => {
      const value = randomMessage(m, version, random);
      const reader = new ByteReader(encode(m, version, value));
      const back = codec(m, version).read(reader);
      if (!isDeepStrictEqual(back, value)) expect(back, `${m.name} v${version}`).toEqual(value);
      expect(reader.remaining).toBe(0);
    });
  });

  it('writes the bytes that the interpreter writes', () => {
    eachVersion(10, (m, version, random) => {
      const value = randomMessage(m, version, random);
      const writer = new ByteWriter();
      oracleWrite(m, version, writer, value);
      const expected = writer.toBuffer();
      if (!encode(m, version, value).equals(expected)) {
        expect(encode(m, version, value), `${m.name} v${version}`).toEqual(expected);
      }
    });
  });

  it('reads mutated bytes as the interpreter does, or refuses them with a RangeError', () => {
    let refused = 0;
    let taken = 0;
    eachVersion(40, (m, version, random) => {
      const bytes = mutated(encode(m, version, randomMessage(m, version, random)), random);
      if ('refused' in compareReaders(m, version, bytes)) refused++;
      else taken++;
    });
    // Both ways must have been walked for the comparison to mean anything.
    expect(refused).toBeGreaterThan(1000);
    expect(taken).toBeGreaterThan(1000);
  });

  it('reads random bytes as the interpreter does', () => {
    eachVersion(40, (m, version, random) => {
      const bytes = randomBytes(random, Math.floor(random.next() * 64));
      // Mostly small numbers, so that some lengths make sense.
      for (let i = 0; i < bytes.length; i++) {
        if (random.next() < 0.7) bytes[i] = pick(random, [0, 0, 0, 1, 1, 2, 3]);
      }
      compareReaders(m, version, bytes);
    });
  });

  it('refuses every truncated prefix', () => {
    eachVersion(1, (m, version, random) => {
      const bytes = encode(m, version, randomMessage(m, version, random)).subarray(0, 3000);
      const whole = outcome((r) => codec(m, version).read(r), bytes);
      const needed = 'pos' in whole ? whole.pos : bytes.length;
      const step = needed > 600 ? 7 : 1;
      for (let length = 0; length < needed; length += step) {
        expect(() => decode(m, version, bytes.subarray(0, length))).toThrow(RangeError);
      }
    });
  });
});

describe('a codec', () => {
  it('refuses versions that the message lacks', () => {
    expect(() => codec(everything, 5)).toThrow(RangeError);
    expect(() => codec(everything, -1)).toThrow(RangeError);
  });

  it('refuses to write null where the version has no null', () => {
    const m = message(
      'M',
      { api: -1, min: 0, max: 1 },
      {
        text: string.nullable(1),
        list: array(int8).nullable(1),
        opaque: bytes.nullable(1),
      },
    );
    const good = { text: '', list: [], opaque: Buffer.alloc(0) };
    for (const name of ['text', 'list', 'opaque']) {
      const bad = { ...good, [name]: null };
      expect(() => encode(m, 0, bad), name).toThrow();
      expect(decode(m, 1, encode(m, 1, bad))).toEqual(bad);
    }
  });

  it('skips tags that it does not know, and keeps those that follow', () => {
    const later = message(
      'Later',
      { api: -1, min: 0, max: 0, flexible: 0 },
      { a: int32, mine: string.tag(0), unknown: array(string).tag(1), last: int8.tag(2) },
    );
    const now = message(
      'Now',
      { api: -1, min: 0, max: 0, flexible: 0 },
      { a: int32, mine: string.tag(0), last: int8.tag(2) },
    );
    const sent = encode(later, 0, { a: 1, mine: 'x', unknown: ['y', 'z'], last: 9 });
    expect(decode(now, 0, sent)).toEqual({ a: 1, mine: 'x', last: 9 });
  });

  it('refuses a tagged field whose size lies', () => {
    const m = message('M', { api: -1, min: 0, max: 0, flexible: 0 }, { a: int32.tag(0) });
    expect(decode(m, 0, Buffer.from([1, 0, 4, 0, 0, 0, 7]))).toEqual({ a: 7 });
    expect(() => decode(m, 0, Buffer.from([1, 0, 3, 0, 0, 0, 7]))).toThrow(RangeError);
    expect(() => decode(m, 0, Buffer.from([1, 0, 5, 0, 0, 0, 7, 0]))).toThrow(RangeError);
  });

  it('writes records from pieces without copying the long ones', () => {
    const m = message(
      'M',
      { api: -1, min: 0, max: 1, flexible: 1 },
      { before: int32, records, after: int32 },
    );
    const pieces = [
      Buffer.alloc(10, 1),
      Buffer.alloc(50_000, 2),
      Buffer.alloc(0),
      Buffer.alloc(5000, 3),
    ];
    for (const version of [0, 1]) {
      const writer = new ByteWriter();
      codec(m, version).write(writer, { before: 1, records: pieces, after: 2 });
      const size = writer.length;
      const chunks = writer.chunks();
      expect(chunks).toContain(pieces[1]);
      expect(chunks).toContain(pieces[3]);
      const whole = Buffer.concat(chunks);
      expect(whole.length).toBe(size);
      const expected = { before: 1, records: Buffer.concat(pieces), after: 2 };
      expect(decode(m, version, whole)).toEqual(expected);
    }
  });

  it('reads byte strings as views of the frame', () => {
    const m = message('M', { api: -1, min: 0, max: 0 }, { records });
    const frame = encode(m, 0, { records: Buffer.from('payload') });
    const { records: view } = decode(m, 0, frame);
    frame[frame.length - 1] = 0x21;
    expect(String(view)).toBe('payloa!');
  });

  it('refuses a frame of tiny items before it becomes gigabytes', () => {
    const m = message(
      'M',
      { api: -1, min: 0, max: 0, flexible: 0 },
      { items: array({ a: int8.tag(0) }) },
    );
    const count = 5_000_000;
    const writer = new ByteWriter();
    writer.arrayLength(count, true);
    const frame = Buffer.concat([writer.toBuffer(), Buffer.alloc(count + 1)]);
    expect(() => decode(m, 0, frame)).toThrow(/items in a message/);
  });
});
