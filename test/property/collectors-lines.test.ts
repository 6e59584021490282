import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { below, type Random, seededRandom } from '../../src/base/random.ts';
import { Balance } from '../../src/collectors/balance.ts';
import { fileParts, LineRecords } from '../../src/collectors/files/line-records.ts';
import { joinerOf } from '../../src/collectors/files/multiline.ts';
import { type BodyMode, Ingest } from '../../src/collectors/http/ingest.ts';
import { fuzzRounds, fuzzSeed } from '../support/fuzz.ts';
import { MemorySink } from '../unit/collectors/support/memory-sink.ts';

const ROUNDS = fuzzRounds(2_000);
const SEED = fuzzSeed(20_261_122);

const PIECES = [
  'plain text',
  '{"msg":"a","level":"info"}',
  '{"broken":',
  '{"a":{"b":[1,2]}}',
  '[1,2',
  '{"a":1}]',
  'Nov 22 10:00:00 h app[1]: m',
  '2026-11-22T10:00:00Z x',
  '\tat a.b(c)',
  'Caused by: x',
  '',
  '\r',
  '\u0000',
  'é漢🜁',
  '"text"',
  '42',
  ',',
  '   ',
  'Traceback (most recent call last):',
];

function randomText(random: Random): Buffer {
  const parts: Buffer[] = [];
  for (let n = below(random, 12); n >= 0; n--) {
    if (below(random, 8) === 0) {
      const bytes = Buffer.alloc(below(random, 60));
      random.fill(bytes);
      parts.push(bytes);
    } else parts.push(Buffer.from(PIECES[below(random, PIECES.length)]!));
    if (below(random, 5) !== 0) parts.push(Buffer.from('\n'));
  }
  return Buffer.concat(parts);
}

describe('lines of files', () => {
  const parts = fileParts('/x.log', 'h');

  /** Reads as the collector does: what is left of a chunk is read again with more behind it. */
  function messages(reader: LineRecords, text: Buffer, random: Random, refuses: boolean): string[] {
    const found: string[] = [];
    let at = 0;
    let end = 0;
    while (at < text.length) {
      const isFinal = end === text.length;
      if (!reader.isRefused) end = Math.min(text.length, end + 1 + below(random, 80));
      const chunk = text.subarray(at, end);
      const done = reader.read(chunk, chunk.length, {
        parts,
        nowMs: 1_763_823_845_000,
        isFinal,
        take: () => {
          if (refuses && below(random, 3) === 0) return false;
          const record = JSON.parse(
            reader.writer.buffer.toString('utf8', 0, reader.writer.pos),
          ) as { message?: string };
          found.push(record.message ?? '');
          return true;
        },
      });
      expect(done).toBeLessThanOrEqual(chunk.length);
      at += done;
      if (isFinal && done === 0 && !reader.isRefused) break;
    }
    expect(at).toBe(text.length);
    return found;
  }

  it('are the text between newlines, however the file is read', () => {
    const random = seededRandom(SEED);
    const reader = new LineRecords('text', 4096, null, 'h');
    for (let i = 0; i < ROUNDS; i++) {
      const text = randomText(random);
      const lines = text
        .toString('latin1')
        .split('\n')
        .filter((line) => line !== '');
      const expected = lines.map((line) =>
        Buffer.from(line.replace(/\r$/, ''), 'latin1').toString(),
      );
      const found = messages(reader, text, random, i % 2 === 0);
      // A carriage return at the end of a file without a newline may stay.
      const same = (list: string[]): string[] =>
        list.map((line) => line.replace(/\r*$/, '').replaceAll(/\uFFFD+/g, '\uFFFD'));
      expect(same(found)).toEqual(same(expected));
    }
  });

  it('are valid records in every format and mode, and all bytes are read', () => {
    const random = seededRandom(SEED + 1);
    for (const format of ['auto', 'json', 'syslog', 'text'] as const) {
      for (const mode of ['off', 'indent', 'java', 'python', 'go', 'pattern'] as const) {
        const reader = new LineRecords(format, 64, joinerOf(mode, '^[a-z{]'), 'h');
        for (let i = 0; i < ROUNDS / 24; i++)
          messages(reader, randomText(random), random, i % 2 === 0);
      }
    }
  });
});

describe('bodies', () => {
  it('are accounted for, whatever is in them', async () => {
    const random = seededRandom(SEED + 2);
    const balance = new Balance();
    let ingest: Ingest | null = null;
    const sink = new MemorySink({
      name: 'http',
      acks: 0,
      delivery: (report) => ingest?.delivered(report),
    });
    ingest = new Ingest({
      sink,
      topic: 'logs',
      balance,
      clock: systemClock,
      answerTimeoutMs: 10_000,
    });
    for (let i = 0; i < ROUNDS; i++) {
      const body = randomText(random);
      const mode = (['lines', 'values', 'text'] satisfies BodyMode[])[i % 3]!;
      const before = balance.received;
      const result = await ingest.take({
        body,
        mode,
        peer: 'p',
        fields: { message: null, time: null },
      });
      expect(balance.received - before).toBe(result.accepted + result.rejected);
      expect(balance.inFlight).toBe(0);
      expect(sink.records().length).toBe(result.accepted);
      expect(result.errors.length).toBe(Math.min(result.rejected, 10));
      sink.stored.length = 0;
    }
  });
});
