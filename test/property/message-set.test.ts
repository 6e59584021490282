import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { below, type Random, seededRandom } from '../../src/base/random.ts';
import { CompressionType, compress } from '../../src/protocol/compression.ts';
import { ErrorCode, ProtocolError } from '../../src/protocol/error-codes.ts';
import { convertMessageSet } from '../../src/protocol/message-set.ts';
import {
  attributes,
  forEachRecord,
  keyOf,
  validateClientBatch,
  valueOf,
} from '../../src/protocol/record-batch.ts';
import { fuzzRounds } from '../support/fuzz.ts';
import { messageSet, type OldMessage, oldMessage } from '../support/message-sets.ts';

const RUNS = fuzzRounds(400);
const { none, gzip, snappy, lz4 } = CompressionType;
const CODECS = [none, gzip, snappy, lz4];

function randomBytes(random: Random, limit: number): Buffer | null {
  if (random.next() < 0.15) return null;
  const bytes = Buffer.alloc(below(random, limit));
  random.fill(bytes);
  return bytes;
}

const randomMessages = (random: Random): OldMessage[] =>
  Array.from({ length: 1 + below(random, 12) }, () => ({
    key: randomBytes(random, 20),
    value: randomBytes(random, random.next() < 0.1 ? 50_000 : 200),
    timestamp: 1_500_000_000_000 + below(random, 1_000_000),
  }));

function recordsOf(batch: Buffer): OldMessage[] {
  const found: OldMessage[] = [];
  forEachRecord(batch, 0, (record) => {
    const [key, value] = [keyOf(record), valueOf(record)];
    found.push({
      key: key && Buffer.from(key),
      value: value && Buffer.from(value),
      timestamp: record.timestamp,
    });
  });
  return found;
}

function codeOf(set: Buffer): number {
  try {
    convertMessageSet(set);
    return ErrorCode.NONE;
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

const ONE: OldMessage = { key: Buffer.from('k'), value: Buffer.from('v'), timestamp: 5 };

describe('message sets of magic 0 and 1', () => {
  it('become one batch with the same keys, values, times and codec', () => {
    const random = seededRandom(11);
    for (let run = 0; run < RUNS; run++) {
      const magic = below(random, 2) as 0 | 1;
      const codec = CODECS[below(random, CODECS.length)]!;
      const messages = randomMessages(random);
      const batch = convertMessageSet(messageSet(magic, messages, codec));
      expect(validateClientBatch(batch, 0, batch.length)).toBeNull();
      expect(attributes(batch, 0)).toBe(codec);
      // Magic 0 has no times.
      const timed = messages.map((m) => (magic === 0 ? { ...m, timestamp: -1 } : m));
      expect(recordsOf(batch)).toEqual(timed);
    }
  });

  it('are refused, or taken, whatever is done to their bytes', () => {
    const random = seededRandom(12);
    const codes = new Set<number>();
    for (let run = 0; run < RUNS * 5; run++) {
      const magic = below(random, 2) as 0 | 1;
      const set = messageSet(magic, randomMessages(random), CODECS[below(random, CODECS.length)]!);
      const kind = below(random, 3);
      if (kind === 0) codes.add(codeOf(set.subarray(0, below(random, set.length))));
      else {
        for (let n = 1 + below(random, 4); n > 0; n--) {
          set[below(random, set.length)] = below(random, 256);
        }
        if (kind === 2) set[17] = below(random, 256);
        codes.add(codeOf(kind === 1 ? set : resealed(set)));
      }
    }
    const known = [
      ErrorCode.NONE,
      ErrorCode.CORRUPT_MESSAGE,
      ErrorCode.INVALID_RECORD,
      ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
    ];
    expect([...codes].filter((code) => !known.includes(code as 0))).toEqual([]);
    expect(codes.size).toBe(known.length);
  });

  it.each<[what: string, set: Buffer, code: number]>([
    ['nothing', Buffer.alloc(0), ErrorCode.INVALID_RECORD],
    [
      'a value that is no set',
      oldMessage(0, { key: null, value: Buffer.from('not gzip') }, gzip),
      ErrorCode.CORRUPT_MESSAGE,
    ],
    ['a packed null', oldMessage(1, { key: null, value: null }, gzip), ErrorCode.INVALID_RECORD],
    ['zstd', oldMessage(1, ONE, CompressionType.zstd), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE],
    ['half a message', messageSet(0, [ONE, ONE]).subarray(0, 40), ErrorCode.CORRUPT_MESSAGE],
  ])('are refused: %s', (_, set, code) => {
    expect(codeOf(set)).toBe(code);
  });

  it('are refused when they are packed twice, or of two magics', () => {
    const wrap = (magic: 0 | 1, inner: Buffer): Buffer =>
      oldMessage(magic, { key: null, value: compress(gzip, inner) }, gzip);
    expect(codeOf(wrap(1, wrap(1, messageSet(1, [ONE]))))).toBe(ErrorCode.INVALID_RECORD);
    expect(codeOf(wrap(1, messageSet(0, [ONE])))).toBe(ErrorCode.INVALID_RECORD);
    expect(codeOf(wrap(1, messageSet(1, [ONE])))).toBe(ErrorCode.NONE);
  });

  it('of 0.8, byte by byte', () => {
    // Offset 0, 18 bytes, CRC-32, magic 0, no attributes, key "k", value "val".
    const hex = '0000000000000000 00000012 316a1df0 00 00 00000001 6b 00000003 76616c';
    const set = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    const [record] = recordsOf(convertMessageSet(set));
    expect([record?.key?.toString(), record?.value?.toString()]).toEqual(['k', 'val']);
    set.writeUInt32BE(0x316a1df1, 12);
    expect(codeOf(set)).toBe(ErrorCode.CORRUPT_MESSAGE);
  });
});

/** With the checksum of the first message right again, so that what is behind it is looked at. */
function resealed(set: Buffer): Buffer {
  const size = set.readInt32BE(8);
  if (size >= 4 && size <= set.length - 12)
    set.writeUInt32BE(crc32(set.subarray(16, 12 + size)), 12);
  return set;
}
