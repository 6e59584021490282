import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { below, seededRandom } from '../../../src/base/random.ts';
import type { Settlement } from '../../../src/connectors/connector.ts';
import { BulkBody, Outcome } from '../../../src/connectors/elasticsearch/bulk-body.ts';
import {
  type OffsetRange,
  OffsetWindow,
  type Taken,
} from '../../../src/connectors/offset-window.ts';
import { CompressionType } from '../../../src/protocol/compression.ts';
import {
  forEachPassingRecord,
  type RecordView,
  setBaseOffset,
} from '../../../src/protocol/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/protocol/record-batch-builder.ts';
import { parseBulk } from './fake-server.ts';

const TIME = Date.parse('2026-11-22T10:00:00.123Z');
const NOTHING = Buffer.alloc(0);

const body = (bytes = 1_000_000, records = 1_000): BulkBody =>
  new BulkBody({ bytes, records }, systemClock);

const LEADER_EPOCH = 7;

const rangeOf = (next = 1_000, partition = 3): OffsetRange =>
  new OffsetWindow('logs', 'abcdefghijklmnopqrstuv', partition, 0).open(batchTo(next));

const batchTo = (nextOffset: number, leaderEpoch = LEADER_EPOCH, generation = ''): Taken => ({
  ...{ nextOffset, leaderEpoch, generation, source: NOTHING, position: 0, bytes: 1 },
});

function view(offset: number, value: string | Buffer | null, timestamp = TIME): RecordView {
  const bytes = value === null ? NOTHING : Buffer.from(value);
  // Surrounded by bytes that a careless search would run into.
  const buffer = Buffer.concat([Buffer.from('\n{"'), bytes, Buffer.from('\n"@timestamp"}')]);
  return {
    offset,
    timestamp,
    buffer,
    keyStart: 0,
    keyEnd: -1,
    valueStart: 3,
    valueEnd: value === null ? -1 : 3 + bytes.length,
    headersStart: 0,
    headersEnd: 0,
  };
}

const text = (window: BulkBody): string => window.slice(0, window.count).toString();

const quiet: Settlement = { resolved: () => {}, refused: () => {} };

describe('bulk body', () => {
  it('writes an action with an id of topic id, partition, leader epoch and offset, and the value as it is', () => {
    const window = body();
    const value =
      '{"@timestamp":"2026-11-22T10:00:00Z","big":12345678901234567890,"ü":"\\n\\u0000"}';
    expect(window.add(rangeOf(), view(4_294_967_296_123, value))).toBe('added');
    expect(text(window)).toBe(
      `{"create":{"_id":"abcdefghijklmnopqrstuv-3-7-4294967296123"}}\n${value}\n`,
    );
  });

  it.each([0, 9, 10, 99, 100, 2_147_483_647, 2_147_483_648, 99_999_999_999, 2 ** 53 - 2])(
    'writes offset %d in digits',
    (offset) => {
      const window = body();
      window.add(rangeOf(2 ** 53 - 1), view(offset, '{"@timestamp":1}'));
      expect(parseBulk(text(window))[0]!.id).toBe(`abcdefghijklmnopqrstuv-3-7-${offset}`);
    },
  );

  it('gives every batch the epoch of its own leader', () => {
    const window = body();
    const partition = new OffsetWindow('logs', 'abcdefghijklmnopqrstuv', 3, 0);
    for (const [offset, epoch] of [
      [8, 9],
      [9, 9],
      [10, 12],
      [11, 12],
      [12, 9],
    ] as const) {
      const range = partition.open(batchTo(offset + 1, epoch));
      window.add(range, view(offset, '{"@timestamp":1}'));
    }
    expect(parseBulk(text(window)).map(({ id }) => id)).toEqual([
      'abcdefghijklmnopqrstuv-3-9-8',
      'abcdefghijklmnopqrstuv-3-9-9',
      'abcdefghijklmnopqrstuv-3-12-10',
      'abcdefghijklmnopqrstuv-3-12-11',
      'abcdefghijklmnopqrstuv-3-9-12',
    ]);
  });

  it.each([
    ['{}', '{"@timestamp":"2026-11-22T10:00:00.123Z"}'],
    [' { } ', '{"@timestamp":"2026-11-22T10:00:00.123Z"}'],
    ['{"a":1}', '{"@timestamp":"2026-11-22T10:00:00.123Z","a":1}'],
    ['{ "a":1}', '{"@timestamp":"2026-11-22T10:00:00.123Z","a":1}'],
    ['{"a":{"@timestamp":1}}', '{"@timestamp":"2026-11-22T10:00:00.123Z","a":{"@timestamp":1}}'],
    [
      '{"a":"\\"@timestamp\\""}',
      '{"@timestamp":"2026-11-22T10:00:00.123Z","a":"\\"@timestamp\\""}',
    ],
  ])('splices the time of the record into %s', (value, expected) => {
    const window = body();
    expect(window.add(rangeOf(), view(1, value))).toBe('added');
    expect(parseBulk(text(window))[0]!.source).toBe(expected);
  });

  it('leaves a timestamp that is not at the front alone', () => {
    const window = body();
    const value = '{"message":"x","@timestamp":"2026-01-01T00:00:00Z"}';
    window.add(rangeOf(), view(1, value));
    expect(parseBulk(text(window))[0]!.source).toBe(value);
  });

  it('puts an object of several lines on one, without changing a number or a string', () => {
    const window = body();
    const value = '{\r\n  "@timestamp": 1,\n\n  "big": 12345678901234567890,\n "s": "a\\nb"\n}\n';
    expect(window.add(rangeOf(), view(1, value))).toBe('added');
    const [item] = parseBulk(text(window));
    expect(JSON.parse(item!.source)).toEqual(JSON.parse(value));
    expect(item!.source).toContain('12345678901234567890');
  });

  it.each([
    ['text', 'not_an_object'],
    ['', 'not_an_object'],
    ['[{}]', 'not_an_object'],
    ['"{}"', 'not_an_object'],
    ['{', 'not_an_object'],
    ['{"@timestamp":1}\n{"create":{}}\n{}', 'malformed_json'],
    ['{"@timestamp":1,"a":"b\nc"}', 'malformed_json'],
  ])('refuses %j', (value, type) => {
    const window = body();
    expect(window.add(rangeOf(), view(1, value))).toMatchObject({ type });
    expect(window.count).toBe(0);
    expect(window.bytes).toBe(0);
  });

  it('refuses a record without a value, and a time that no date can hold', () => {
    const window = body();
    expect(window.add(rangeOf(), view(1, null))).toMatchObject({ type: 'null_value' });
    expect(window.add(rangeOf(), view(1, '{}', 9e15))).toMatchObject({ type: 'timestamp' });
  });

  it.each(Object.entries(CompressionType))(
    'takes every record of a batch as it is (%s)',
    (_, code) => {
      const random = seededRandom(7);
      const builder = new RecordBatchBuilder({ compression: code });
      // Line breaks in some values, and line break bytes in the varints between them.
      const values = Array.from({ length: 3_000 }, (_, n) => {
        const field = 'x'.repeat(below(random, 150));
        const gap = below(random, 20) === 0 ? '\n' : ' ';
        return `{"@timestamp":${n},${gap}"a":"${field}"}`;
      });
      for (const value of values) builder.append(TIME + 5, null, Buffer.from(value));
      const batch = builder.build();
      setBaseOffset(batch, 0, 99_998);
      const window = body(1_000_000, 10_000);
      const range = rangeOf(200_000);
      forEachPassingRecord(batch, 0, (record) => {
        // Some are left out, as those before a committed offset are.
        if (record.offset % 100 === 3) return;
        expect(window.add(range, record)).toBe('added');
      });
      const expected = values.flatMap((value, n) => {
        const offset = 99_998 + n;
        const id = `abcdefghijklmnopqrstuv-3-7-${offset}`;
        return offset % 100 === 3 ? [] : [{ id, source: value.replace('\n', ' ') }];
      });
      const items = parseBulk(text(window)).map(({ id, source }) => ({ id, source }));
      expect(items).toEqual(expected);
    },
  );

  it('is full at its bounds, but takes one record of any size', () => {
    const huge = body(1_000);
    expect(huge.add(rangeOf(), view(1, `{"@timestamp":1,"x":"${'y'.repeat(200_000)}"}`))).toBe(
      'added',
    );
    expect(huge.add(rangeOf(), view(2, '{"@timestamp":1}'))).toBe('full');
    const two = body(1_000_000, 2);
    const range = rangeOf();
    expect([1, 2, 3].map((n) => two.add(range, view(n, '{"@timestamp":1}')))).toEqual([
      'added',
      'added',
      'full',
    ]);
  });

  it('keeps what is unsettled, in order, and reports the rest by range', () => {
    const window = body();
    const ranges = [rangeOf(1_000, 0), rangeOf(1_000, 1), rangeOf(1_000, 2)];
    for (let i = 0; i < 300; i++) {
      window.add(
        ranges[Math.floor(i / 100)]!,
        view(i, `{"@timestamp":1,"n":${i},"x":"${'y'.repeat(i)}"}`),
      );
    }
    const before = parseBulk(text(window));
    for (let i = 0; i < 300; i++) {
      if (i % 3 === 0) window.setOutcome(i, Outcome.done);
      if (i % 30 === 1) window.setOutcome(i, Outcome.duplicate);
      if (i % 50 === 2) {
        window.setOutcome(i, Outcome.refused, { type: 't', reason: 'r', status: 400 });
      }
    }
    const resolved: number[] = [];
    const duplicates: number[] = [];
    const refused: number[] = [];
    const dropped = window.settle({
      resolved: (range, count, again) => {
        resolved[ranges.indexOf(range)] = count;
        duplicates[ranges.indexOf(range)] = again;
      },
      refused: (_, refusals) => refused.push(...refusals.keys()),
    });
    const gone = (i: number): boolean => i % 3 === 0 || i % 30 === 1 || i % 50 === 2;
    expect(parseBulk(text(window))).toEqual(before.filter((_, i) => !gone(i)));
    expect(dropped).toBe(before.filter((_, i) => gone(i)).length);
    expect(refused).toEqual([2, 52, 102, 152, 202, 252]);
    expect(resolved.reduce((a, b) => a + b) + refused.length).toBe(dropped);
    expect(duplicates.reduce((a, b) => a + b)).toBe(10);
    for (let i = 0; i < window.count; i++) window.setOutcome(i, Outcome.done);
    window.settle(quiet);
    expect([window.count, window.bytes]).toEqual([0, 0]);
    window.shrink();
    expect(window.add(rangeOf(), view(1, '{"@timestamp":1}'))).toBe('added');
  });
});
