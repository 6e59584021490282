import { expect, test } from 'vitest';
import { crc32c } from '../../../src/base/crc32c.ts';
import { below, seededRandom } from '../../../src/base/random.ts';
import { type CompressionCode, CompressionType } from '../../../src/protocol/compression.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { murmur2, partitionForKey } from '../../../src/protocol/murmur2.ts';
import * as batch from '../../../src/protocol/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/protocol/record-batch-builder.ts';
import { fuzzRounds, fuzzSeed } from '../../support/fuzz.ts';

interface Plain {
  timestamp: number;
  key: string | null;
  value: string | null;
  headers: { key: string; value: string | null }[];
}

const text = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString('latin1');
const bytesOf = (value: string | null): Buffer | null =>
  value === null ? null : Buffer.from(value, 'latin1');

function randomRecords(seed: number): Plain[] {
  const random = seededRandom(seed);
  const word = (max: number): string => {
    const bytes = Buffer.alloc(below(random, max));
    random.fill(bytes);
    return bytes.toString('latin1');
  };
  return Array.from({ length: 1 + below(random, 200) }, () => ({
    timestamp:
      below(random, 10) === 0 ? below(random, 2 ** 42) : 1_700_000_000_000 + below(random, 5000),
    key: below(random, 3) === 0 ? null : word(40),
    value: below(random, 9) === 0 ? null : word(below(random, 20) === 0 ? 9000 : 300),
    headers: Array.from({ length: below(random, 4) }, (_, i) => ({
      key: `h${i}`,
      value: below(random, 3) === 0 ? null : word(20),
    })),
  }));
}

function build(records: readonly Plain[], compression: CompressionCode): Buffer {
  const builder = new RecordBatchBuilder({ compression, initialBytes: 64 });
  for (const r of records) {
    const headers = r.headers.map((h) => ({ key: h.key, value: bytesOf(h.value) }));
    builder.append(r.timestamp, bytesOf(r.key), bytesOf(r.value), headers);
  }
  return builder.build();
}

function readBack(bytes: Buffer): Plain[] {
  const out: Plain[] = [];
  batch.forEachRecord(bytes, 0, (r) => {
    expect(r.offset).toBe(batch.baseOffset(bytes, 0) + out.length);
    out.push({
      timestamp: r.timestamp,
      key: text(batch.keyOf(r)),
      value: text(batch.valueOf(r)),
      headers: batch.headersOf(r).map((h) => ({ key: h.key, value: text(h.value) })),
    });
  });
  return out;
}

test('records come back as they were appended, under every compression', () => {
  for (const compression of Object.values(CompressionType)) {
    for (let seed = 1; seed <= 40; seed++) {
      const records = randomRecords(seed);
      const bytes = build(records, compression);
      expect(batch.validateClientBatch(bytes, 0, bytes.length)).toBeNull();
      expect(readBack(bytes)).toEqual(records);
      expect(batch.recordCount(bytes, 0)).toBe(records.length);
      expect(batch.maxTimestamp(bytes, 0)).toBe(Math.max(...records.map((r) => r.timestamp)));
    }
  }
});

test('appendRange takes the value out of a larger buffer', () => {
  const builder = new RecordBatchBuilder();
  const source = Buffer.from(`xx${'a'.repeat(10)}${'b'.repeat(100)}yy`);
  builder.appendRange(5, null, source, 2, 12);
  builder.appendRange(6, null, source, 12, 112);
  expect(readBack(builder.build()).map((r) => r.value)).toEqual(['a'.repeat(10), 'b'.repeat(100)]);
});

test('a built batch is never written to again', () => {
  const builder = new RecordBatchBuilder();
  builder.append(1, null, Buffer.from('first'));
  const first = builder.build();
  const copy = Buffer.from(first);
  builder.reset();
  builder.append(2, null, Buffer.from('other'));
  builder.build();
  expect(first.equals(copy)).toBe(true);
});

test('base offset and leader epoch are patched without breaking the checksum', () => {
  const bytes = build(randomRecords(3), CompressionType.none);
  batch.setBaseOffset(bytes, 0, 2 ** 40 + 7);
  batch.setPartitionLeaderEpoch(bytes, 0, 12);
  expect(batch.verifyCrc(bytes, 0)).toBe(true);
  expect(batch.baseOffset(bytes, 0)).toBe(2 ** 40 + 7);
  expect(batch.partitionLeaderEpoch(bytes, 0)).toBe(12);
});

test('log append time gives every record the same time', () => {
  const bytes = build(randomRecords(4), CompressionType.lz4);
  batch.setLogAppendTime(bytes, 0, 1234);
  expect(batch.validateBatch(bytes, 0, bytes.length)).toBeNull();
  expect(new Set(readBack(bytes).map((r) => r.timestamp))).toEqual(new Set([1234]));
});

test('every single flipped bit and every cut is found', () => {
  const bytes = build(randomRecords(5).slice(0, 3), CompressionType.none);
  for (let size = 0; size < bytes.length; size++) {
    expect(batch.validateBatch(bytes, 0, size)).not.toBeNull();
  }
  for (let bit = 16 * 8; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    expect(batch.validateBatch(bytes, 0, bytes.length), `bit ${bit}`).not.toBeNull();
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
});

test('a client may not send control batches, gaps, no records, or a producer id of its own', () => {
  const refused = (attributes: number, change: (b: Buffer) => void): number | undefined => {
    const builder = new RecordBatchBuilder({ attributes });
    builder.append(1, null, Buffer.from('x'));
    const bytes = builder.build();
    change(bytes);
    bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
    return batch.validateClientBatch(bytes, 0, bytes.length)?.error;
  };
  expect(refused(0, () => {})).toBeUndefined();
  expect(refused(batch.BatchAttribute.control, () => {})).toBe(ErrorCode.INVALID_RECORD);
  expect(refused(batch.BatchAttribute.transactional, () => {})).toBe(ErrorCode.INVALID_RECORD);
  expect(refused(0, (b) => b.writeInt32BE(4, 23))).toBe(ErrorCode.INVALID_RECORD);
  expect(refused(0, (b) => b.writeInt32BE(0, 57))).toBe(ErrorCode.INVALID_RECORD);
  // Producer ids that no cluster gives, and that no snapshot of producers can hold.
  for (const id of [2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)]) {
    expect(refused(0, (b) => b.writeBigInt64BE(id, 43))).toBe(ErrorCode.INVALID_RECORD);
  }
  expect(refused(7, () => {})).toBe(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE);
});

test('records that are not what the header says throw, and never read beyond the batch', () => {
  const random = seededRandom(fuzzSeed(11));
  const good = build(randomRecords(6), CompressionType.none);
  for (let round = fuzzRounds(2000); round > 0; round--) {
    const bad = Buffer.from(good);
    for (let n = 0; n < 3; n++) bad[61 + below(random, bad.length - 61)] = below(random, 256);
    try {
      batch.forEachRecord(bad, 0, (r) => {
        expect(Math.max(r.keyEnd, r.valueEnd, r.headersEnd)).toBeLessThanOrEqual(r.buffer.length);
        batch.headersOf(r);
      });
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
    }
  }
});

test('crc32c has the check value of the standard, and continues over pieces', () => {
  const digits = Buffer.from('123456789');
  expect(crc32c(digits)).toBe(0xe3069283);
  expect(crc32c(digits.subarray(4), crc32c(digits.subarray(0, 4)))).toBe(0xe3069283);
});

test('murmur2 equals the values of the Java client', () => {
  const known: [string, number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ];
  for (const [key, hash] of known) expect(murmur2(Buffer.from(key))).toBe(hash);
  expect(partitionForKey(Buffer.from('21'), 7)).toBe((-973932308 & 0x7fffffff) % 7);
});

test('the memory of an unpacked batch is given back once its records have passed', () => {
  const value = Buffer.alloc(1_000, 'a line of a log ');
  for (const compression of Object.values(CompressionType)) {
    const builder = new RecordBatchBuilder({ compression });
    for (let n = 0; n < 300; n++) builder.append(n, null, value);
    const bytes = builder.build();
    const before = Buffer.from(bytes);
    let seen: Buffer | null = null;
    let count = 0;
    batch.forEachPassingRecord(bytes, 0, (r) => {
      seen = r.buffer;
      if (batch.valueOf(r)?.equals(value) === true) count++;
    });
    expect(count).toBe(300);
    expect(seen!.length).toBe(compression === CompressionType.none ? seen!.length : 0);
    // Again, and the batch itself is as it was.
    batch.forEachPassingRecord(bytes, 0, () => {
      count++;
    });
    expect(count).toBe(600);
    expect(bytes.equals(before)).toBe(true);
  }
});

test('memory that others share is not given back', () => {
  const small = new RecordBatchBuilder({ compression: CompressionType.gzip });
  small.append(1, null, Buffer.from('small'));
  const bytes = small.build();
  const neighbours = Array.from({ length: 64 }, (_, n) => Buffer.from(`neighbour ${n}`));
  batch.forEachPassingRecord(bytes, 0, () => {});
  expect(neighbours.map(String)).toEqual(neighbours.map((_, n) => `neighbour ${n}`));
  // A frame whose one block did not get smaller is unpacked to a view of the batch.
  const noise = Buffer.alloc(200_000);
  seededRandom(3).fill(noise);
  const lz4 = new RecordBatchBuilder({ compression: CompressionType.lz4 });
  lz4.append(1, null, noise);
  const noisy = lz4.build();
  batch.forEachPassingRecord(noisy, 0, () => {});
  expect(batch.verifyCrc(noisy, 0)).toBe(true);
});
