import * as lz4 from 'lz4-napi';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import {
  type CompressionCode,
  CompressionType,
  compress,
  decompress,
} from '../../../src/protocol/compression.ts';

const codes = Object.entries(CompressionType) as [string, CompressionCode][];

/** Half repeats, half noise, like log lines. */
function sample(size: number, seed: number): Buffer {
  const random = seededRandom(seed);
  const bytes = Buffer.alloc(size, 'GET /index.html 200 ');
  const noise = Buffer.alloc(size >> 2);
  random.fill(noise);
  noise.copy(bytes, size >> 1);
  return bytes;
}

for (const [name, code] of codes) {
  test(`${name}: every size comes back as it was`, () => {
    for (const size of [0, 1, 100, 32 * 1024, 32 * 1024 + 1, 64 * 1024 + 1, 300_000, 5_000_000]) {
      const bytes = sample(size, size + 1);
      expect(decompress(code, compress(code, bytes), size).equals(bytes)).toBe(true);
    }
  });
  if (code === CompressionType.none) continue;

  test(`${name}: output above the bound is refused`, () => {
    const bomb = compress(code, Buffer.alloc(20_000_000));
    expect(() => decompress(code, bomb, 19_999_999)).toThrow(RangeError);
  });

  test(`${name}: damaged input throws RangeError or unpacks within the bound`, () => {
    const random = seededRandom(code);
    const good = compress(code, sample(50_000, 7));
    for (let round = 0; round < 300; round++) {
      const bad = Buffer.from(good.subarray(0, 1 + Math.floor(random.next() * good.length)));
      bad[Math.floor(random.next() * bad.length)]! ^= 1 << Math.floor(random.next() * 8);
      try {
        expect(decompress(code, bad, 100_000).length).toBeLessThanOrEqual(100_000);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
  });
}

test('an unknown code is refused', () => {
  expect(() => decompress(7, Buffer.alloc(9), 10)).toThrow('unknown compression 7');
});

test('snappy without framing, as librdkafka writes it, is read', () => {
  // 10 literal bytes: varint length 10, tag (10 - 1) << 2.
  const raw = Buffer.concat([Buffer.from([10, 36]), Buffer.from('0123456789')]);
  expect(decompress(CompressionType.snappy, raw, 10).toString()).toBe('0123456789');
});

test('lz4 frames of another writer are read, with checksums and without', () => {
  const bytes = sample(200_000, 3);
  for (const contentChecksum of [false, true]) {
    for (const blockChecksums of [false, true]) {
      const frame = lz4.compressFrameSync(bytes, { contentChecksum, blockChecksums });
      expect(decompress(CompressionType.lz4, frame, bytes.length).equals(bytes)).toBe(true);
    }
  }
});

test('lz4 frames are read by another reader', () => {
  const bytes = sample(3_000_000, 4);
  expect(lz4.decompressFrameSync(compress(CompressionType.lz4, bytes)).equals(bytes)).toBe(true);
});

/** A frame of `count` such blocks, with a largest block of 4 MiB. */
const lz4Frame = (flags: number, block: readonly number[], count: number): Buffer =>
  Buffer.concat([
    Buffer.from([0x04, 0x22, 0x4d, 0x18, flags, 0x70, 0]),
    ...Array.from({ length: count }, () => Buffer.from([block.length, 0, 0, 0, ...block])),
    Buffer.alloc(4),
  ]);

test.each([
  ['of nothing', 0x60, [0x00], 0],
  ['of nothing, linked', 0x40, [0x00], 0],
  ['of one byte', 0x60, [0x10, 0x61], 5_000],
  ['of one byte, linked', 0x40, [0x10, 0x61], 5_000],
])('lz4 blocks %s take no time, however many', (_, flags, block, bytes) => {
  const frame = lz4Frame(flags, block, 5_000);
  const began = performance.now();
  const output = decompress(CompressionType.lz4, frame, 1_000_000);
  // With memory for the largest block in each turn it is three seconds.
  expect(performance.now() - began).toBeLessThan(1_000);
  expect(output.equals(Buffer.alloc(bytes, 'a'))).toBe(true);
});

test('linked lz4 blocks are read, short and long ones behind each other', () => {
  const random = seededRandom(5);
  const blocks: Buffer[] = [];
  let plain = Buffer.alloc(0);
  const put = (piece: Buffer, packed: Buffer): void => {
    plain = Buffer.concat([plain, piece]);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(packed.length === piece.length ? 0x8000_0000 + piece.length : packed.length);
    blocks.push(size, packed);
  };
  for (let round = 0; round < 200; round++) {
    const piece = Buffer.alloc(
      1 + Math.floor(random.next() * (round % 40 === 0 ? 200_000 : 3_000)),
    );
    random.fill(piece);
    put(piece, piece);
    // Eight bytes from 64 KiB before, or as far as there are; then five literals, as the format wants.
    const back = Math.min(plain.length, 0xffff);
    if (back < 8) continue;
    const found = plain.subarray(plain.length - back).subarray(0, 8);
    const end = Buffer.from('12345');
    put(Buffer.concat([found, end]), Buffer.from([0x04, back & 0xff, back >> 8, 0x50, ...end]));
  }
  const frame = Buffer.concat([
    Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x40, 0x70, 0]),
    ...blocks,
    Buffer.alloc(4),
  ]);
  expect(decompress(CompressionType.lz4, frame, plain.length).equals(plain)).toBe(true);
});
