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
