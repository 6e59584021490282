import { describe, expect, it } from 'vitest';
import { EcsWriter, fragment } from '../../../src/collectors/ecs-writer.ts';

const OPEN = fragment(',"message":"');

function record(
  text: Buffer | string,
  limit?: number,
): { json: Record<string, unknown>; stop: number; bytes: Buffer } {
  const writer = new EcsWriter(limit);
  const source = Buffer.from(text);
  writer.begin(Date.UTC(2026, 10, 22, 15, 4, 5, 67));
  writer.raw(OPEN);
  const stop = writer.text(source, 0, source.length);
  writer.byte(0x22);
  writer.end();
  const bytes = Buffer.from(writer.buffer.subarray(0, writer.pos));
  return { json: JSON.parse(bytes.toString()) as Record<string, unknown>, stop, bytes };
}

describe('EcsWriter', () => {
  it('writes the timestamp with milliseconds', () => {
    expect(record('x').json).toEqual({ '@timestamp': '2026-11-22T15:04:05.067Z', message: 'x' });
  });

  it('keeps the timestamp right over milliseconds, seconds and verbatim stamps', () => {
    const writer = new EcsWriter();
    const stampOf = (ms: number): unknown => {
      writer.begin(ms);
      writer.end();
      return (JSON.parse(writer.buffer.toString('utf8', 0, writer.pos)) as Record<string, unknown>)[
        '@timestamp'
      ];
    };
    for (const ms of [
      0, 1, 999, 1000, 1_700_000_000_123, 1_700_000_000_124, 1_700_000_001_124, -1,
    ]) {
      expect(stampOf(ms)).toBe(new Date(ms).toISOString());
    }
    const verbatim = Buffer.from('2020-01-02T03:04:05.123456789+01:00');
    writer.beginVerbatim(verbatim, 0, verbatim.length);
    writer.end();
    expect(writer.buffer.toString('utf8', 0, writer.pos)).toBe(
      `{"@timestamp":"${verbatim.toString()}"}`,
    );
    expect(stampOf(1_700_000_001_124)).toBe(new Date(1_700_000_001_124).toISOString());
    expect(stampOf(Number.MAX_SAFE_INTEGER)).toBe('9999-12-31T23:59:59.999Z');
  });

  it('escapes what JSON wants escaped, and nothing else', () => {
    const text =
      Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('') + '漢字 🜁 \u2028';
    const { json, bytes } = record(text);
    expect(json['message']).toBe(text);
    expect(bytes.includes('\n')).toBe(false);
    expect(json['tags']).toBeUndefined();
  });

  it('copies runs of any length, and what is special between them', () => {
    for (let run = 0; run < 120; run++) {
      for (const special of ['"', '\\', '\n', '\u007f', 'é', '🜁']) {
        const text = `${'a'.repeat(run)}${special}${'b'.repeat(run)}${special}${special}`;
        expect(record(text).json['message']).toBe(text);
        const cut = record(text, 80 + run);
        expect(cut.json['message']).toBe(Buffer.from(text).toString('utf8', 0, cut.stop));
      }
    }
  });

  it('replaces what is not UTF-8 and says so', () => {
    for (const bad of [
      [0xff],
      [0xc0, 0xaf],
      [0xed, 0xa0, 0x80],
      [0xf5, 0x80, 0x80, 0x80],
      [0xe2, 0x82],
      [0x80],
    ]) {
      const { json } = record(
        Buffer.concat([Buffer.from('a'), Buffer.from(bad), Buffer.from('b')]),
      );
      expect(json['message']).toMatch(/^a\uFFFD+b$/);
      expect(json['tags']).toEqual(['invalid_utf8']);
    }
  });

  it('stops at the limit, at the end of a character, and says where', () => {
    for (const [text, size] of [
      ['a', 1],
      ['é', 2],
      ['\n', 1],
      ['🜁', 4],
    ] as const) {
      const source = Buffer.from(text.repeat(1000));
      const { json, stop, bytes } = record(source, 400);
      expect(stop).toBeLessThan(source.length);
      expect(stop % size).toBe(0);
      expect(bytes.length).toBeLessThan(420);
      expect(json['message']).toBe(source.toString('utf8', 0, stop));
    }
  });

  it('ends a line at its newline, without the carriage return', () => {
    const writer = new EcsWriter();
    const source = Buffer.from('one\r\ntwo\n\r\nlast');
    const lines: string[] = [];
    for (let at = 0; at < source.length; ) {
      writer.begin(0);
      writer.raw(OPEN);
      const stop = writer.line(source, at, source.length);
      writer.byte(0x22);
      writer.end();
      lines.push(
        String(
          (JSON.parse(writer.buffer.toString('utf8', 0, writer.pos)) as { message: string })
            .message,
        ),
      );
      at = stop + 1;
    }
    expect(lines).toEqual(['one', 'two', '', 'last']);
  });

  it('writes whole numbers', () => {
    const writer = new EcsWriter();
    for (const value of [0, 9, 10, 123456, Number.MAX_SAFE_INTEGER]) {
      writer.begin(0);
      const from = writer.pos;
      writer.integer(value);
      expect(writer.buffer.toString('utf8', from, writer.pos)).toBe(String(value));
    }
  });
});
