import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, ZERO_UUID } from '../../../src/base/bytes.ts';
import { below, seededRandom } from '../../../src/base/random.ts';

function written(write: (w: ByteWriter) => void, capacity?: number): Buffer {
  const writer = new ByteWriter(capacity);
  write(writer);
  return writer.toBuffer();
}

/** LEB128 of an unsigned big integer: the reference. */
function leb128(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}

const zigzag = (value: bigint): bigint => (value < 0n ? -value * 2n - 1n : value * 2n);

const INT64_EDGES = [
  0,
  1,
  -1,
  63,
  64,
  -64,
  -65,
  127,
  128,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  -(2 ** 31) - 1,
  2 ** 32 - 1,
  2 ** 32,
  -(2 ** 32),
  2 ** 48 + 5,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
];

function int64s(): number[] {
  const random = seededRandom(1);
  const some = Array.from({ length: 5000 }, () =>
    Math.trunc((random.next() - 0.5) * 2 ** below(random, 54)),
  );
  return [...INT64_EDGES, ...some.map((n) => n + 0)];
}

describe('integers', () => {
  it('of 64 bits are those of a DataView', () => {
    for (const value of int64s()) {
      const bytes = written((w) => w.int64(value));
      expect(bytes.readBigInt64BE(0)).toBe(BigInt(value));
      expect(new ByteReader(bytes).int64()).toBe(value === 0 ? 0 : value);
    }
  });

  it('of 64 bits beyond 2^53 read as the last that fits, and are not written', () => {
    for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]) {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64BE(value);
      const last = value < 0 ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER;
      expect(new ByteReader(bytes).int64()).toBe(last);
    }
    for (const value of [2 ** 53, -(2 ** 53), 1.5, Number.NaN, Infinity]) {
      expect(() => new ByteWriter().int64(value)).toThrow(RangeError);
      expect(() => new ByteWriter().varlong(value)).toThrow(RangeError);
    }
  });

  it('of variable length are those of a reference', () => {
    for (const value of int64s()) {
      const bytes = written((w) => w.varlong(value));
      expect(bytes).toEqual(leb128(zigzag(BigInt(value))));
      expect(new ByteReader(bytes).varlong()).toBe(value === 0 ? 0 : value);
      const int = value | 0;
      const short = written((w) => w.varint(int));
      expect(short).toEqual(leb128(zigzag(BigInt(int))));
      expect(new ByteReader(short).varint()).toBe(int);
      const unsigned = written((w) => w.uvarint(int >>> 0));
      expect(unsigned).toEqual(leb128(BigInt(int >>> 0)));
      expect(new ByteReader(unsigned).uvarint()).toBe(int >>> 0);
    }
  });

  it('of variable length are refused when they do not end or do not fit', () => {
    const read = (hex: string) => new ByteReader(Buffer.from(hex, 'hex'));
    expect(() => read('ffffffffffff01').uvarint()).toThrow(RangeError);
    expect(() => read('ffffffff1f').uvarint()).toThrow(RangeError);
    expect(read('ffffffff0f').uvarint()).toBe(2 ** 32 - 1);
    expect(() => read('80').uvarint()).toThrow(RangeError);
    expect(() => read('ffffffffffffffffffff01').varlong()).toThrow(RangeError);
    expect(() => read('ffffffffffffffffff01').varlong()).toThrow(RangeError);
    expect(() => read('').varlong()).toThrow(RangeError);
  });
});

describe('ByteReader', () => {
  it('never reads beyond its end, though the buffer goes on', () => {
    const reader = new ByteReader(Buffer.alloc(20), 0, 3);
    expect(() => reader.int32()).toThrow(RangeError);
    expect(reader.int16()).toBe(0);
    expect(() => reader.utf8(2)).toThrow(RangeError);
    expect(() => reader.skip(-1)).toThrow(RangeError);
    expect(reader.remaining).toBe(1);
  });

  it('refuses lengths that are not there', () => {
    const reader = (hex: string) => new ByteReader(Buffer.from(hex, 'hex'));
    expect(() => reader('fffe').stringLength(false)).toThrow(RangeError);
    expect(() => reader('7fffffff00').bytesLength(false)).toThrow(RangeError);
    expect(() => reader('fffffffe').arrayLength(false)).toThrow(RangeError);
    expect(() => reader('0800').arrayLength(true)).toThrow(RangeError);
    expect(reader('00').arrayLength(true)).toBe(-1);
    expect(reader('ffff').stringLength(false)).toBe(-1);
  });
});

describe('ByteWriter', () => {
  it('gives the same bytes whatever it began with', () => {
    const write = (w: ByteWriter): void => {
      const random = seededRandom(9);
      for (let i = 0; i < 2000; i++) {
        switch (below(random, 8)) {
          case 0:
            w.bool(true);
            break;
          case 1:
            w.uvarint(below(random, 2 ** 31));
            break;
          case 2:
            w.varlong(-below(random, 2 ** 40));
            break;
          case 3:
            w.raw(Buffer.alloc(below(random, 300), i));
            break;
          case 4:
            w.raw(Buffer.alloc(4000 + below(random, 300), i));
            break;
          case 5:
            w.string('é'.repeat(below(random, 100)), i % 2 === 0);
            break;
          case 6:
            w.uuid(ZERO_UUID);
            break;
          default:
            w.int64(i);
        }
      }
    };
    const expected = written(write, 1 << 22);
    for (const capacity of [1, 2, 3, 64, 4096]) {
      const writer = new ByteWriter(capacity);
      write(writer);
      expect(writer.length).toBe(expected.length);
      expect(Buffer.concat(writer.chunks()).equals(expected)).toBe(true);
    }
  });

  it('puts the length before a prefixed piece of any size, nested too', () => {
    for (const size of [0, 1, 127, 128, 5000, 20_000]) {
      const bytes = written((w) => {
        w.int8(1);
        const outer = w.beginPrefixed();
        w.int8(2);
        const inner = w.beginPrefixed();
        w.raw(Buffer.alloc(size, 7));
        w.prefixLength(inner);
        w.prefixLength(outer);
        w.int8(3);
      }, 1);
      const reader = new ByteReader(bytes);
      expect(reader.int8()).toBe(1);
      const outer = reader.uvarint();
      expect(outer).toBe(bytes.length - reader.pos - 1);
      expect(reader.int8()).toBe(2);
      expect(reader.uvarint()).toBe(size);
      expect(reader.bytes(size).equals(Buffer.alloc(size, 7))).toBe(true);
      expect(reader.int8()).toBe(3);
    }
  });

  it('refuses strings that no peer could read, and what is no uuid', () => {
    for (const compact of [true, false]) {
      expect(() => new ByteWriter().string('x'.repeat(32_768), compact)).toThrow(RangeError);
      expect(written((w) => w.string('x'.repeat(32_767), compact)).length).toBeGreaterThan(32_767);
    }
    expect(() => new ByteWriter().uuid('short')).toThrow(RangeError);
  });

  it('keeps a reference to long bytes, and a copy of short ones', () => {
    const [long, short] = [Buffer.alloc(4096, 1), Buffer.alloc(4095, 2)];
    const writer = new ByteWriter();
    writer.raw(short);
    writer.raw(long);
    writer.int8(5);
    const chunks = writer.chunks();
    expect(chunks.length).toBe(3);
    expect(chunks[1]).toBe(long);
    short.fill(0);
    expect(chunks[0]![0]).toBe(2);
  });
});
