import { describe, expect, it } from 'vitest';
import { ecsObjects } from '../../../src/collectors/ecs-objects.ts';
import { EcsWriter } from '../../../src/collectors/ecs-writer.ts';
import { type JsonFields, JsonRecordMaker } from '../../../src/collectors/json-record.ts';
import { indexTemplate } from '../../../src/connectors/elasticsearch/index-template.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const NOW_TEXT = '2026-11-22T12:00:00.000Z';
const writer = new EcsWriter();

function make(source: Buffer | string, fields?: JsonFields) {
  const maker = new JsonRecordMaker(writer, fields);
  const bytes = Buffer.from(source);
  const stop = maker.scan(bytes, 0, bytes.length);
  if (stop < 0) return { text: '', refused: maker.reason, copied: false };
  if (!maker.write(0, stop, NOW)) return { text: '', refused: maker.reason, copied: false };
  const { buffer, start, end } = maker.made;
  return { text: buffer.toString('utf8', start, end), refused: '', copied: buffer === bytes };
}
const json = (source: Buffer | string, fields?: JsonFields): unknown => {
  const { text, refused } = make(source, fields);
  expect(refused).toBe('');
  expect(text).not.toContain('\n');
  return JSON.parse(text);
};

const tooLong = (source: string): string =>
  `${source.length} bytes of JSON make a record that is longer than the 950000 bytes that fit`;

describe('JsonRecordMaker', () => {
  it('takes a finished record as the bytes it is', () => {
    const text =
      '{"@timestamp":"2026-01-02T03:04:05.123456789Z","message":"x","log":{"level":"info"},"n":12345678901234567890}';
    expect(make(text)).toEqual({ text, refused: '', copied: true });
  });

  it('renames the usual fields and keeps the others, digits included', () => {
    const { text } = make(
      '{"level":"warn","n":12345678901234567890,"msg":"hello","time":1763823845123,"a":{"b":[1]}}',
    );
    expect(text).toBe(
      '{"@timestamp":"2025-11-22T15:04:05.123Z","message":"hello","log":{"level":"warn"},"n":12345678901234567890,"a":{"b":[1]}}',
    );
  });

  it('stamps what has no time', () => {
    expect(json('{"a":1}')).toEqual({ '@timestamp': NOW_TEXT, a: 1 });
    expect(json('{}')).toEqual({ '@timestamp': NOW_TEXT });
    expect(json('{"time":0}')).toEqual({ '@timestamp': NOW_TEXT });
    expect(json('{"time":null}')).toEqual({ '@timestamp': NOW_TEXT });
  });

  it('reads times as text and number in all units', () => {
    for (const time of [
      '"2025-11-22T15:04:05.123Z"',
      '"2025-11-22 15:04:05.123"',
      '1763823845.123',
      '"1763823845123"',
      '1763823845123456',
      '1763823845123456789',
    ]) {
      expect(json(`{"ts":${time}}`)).toEqual({ '@timestamp': '2025-11-22T15:04:05.123Z' });
    }
  });

  it('keeps the whole source when the time makes no sense', () => {
    const source = '{"@timestamp":"yesterday","message":"m"}';
    expect(json(source)).toEqual({
      '@timestamp': NOW_TEXT,
      message: 'm',
      event: { original: source },
      tags: ['time_error'],
    });
  });

  it('takes the fields that the sender names', () => {
    const fields = { message: 'body', time: 'when' };
    expect(json('{"body":"b","when":"2025-11-22T15:04:05Z","log":"other"}', fields)).toEqual({
      '@timestamp': '2025-11-22T15:04:05Z',
      message: 'b',
      log: { original: 'other' },
    });
    expect(json('{"body":"b","message":"own"}', fields)).toEqual({
      '@timestamp': NOW_TEXT,
      message: 'own',
      body: 'b',
    });
  });

  it('prefers @timestamp and message, and keeps the runners-up', () => {
    expect(json('{"msg":"1","time":1,"@timestamp":"2025-11-22T15:04:05Z","message":"2"}')).toEqual({
      '@timestamp': '2025-11-22T15:04:05Z',
      message: '2',
      msg: '1',
      time: 1,
    });
  });

  it('makes a text of a message that is none', () => {
    expect(json('{"message":{"a":1}}')).toEqual({ '@timestamp': NOW_TEXT, message: '{"a":1}' });
    expect(json('{"log":{"logger":"x"},"level":"info"}')).toEqual({
      '@timestamp': NOW_TEXT,
      log: { logger: 'x' },
      level: 'info',
    });
  });

  it('puts a bare value under an object of ECS where indices have its like', () => {
    expect(
      json('{"message":"m","error":"boom","host":"web1","service":["a","b"],"trace":7,"n":1}'),
    ).toEqual({
      '@timestamp': NOW_TEXT,
      message: 'm',
      error: { message: 'boom' },
      host: { name: 'web1' },
      service: { name: ['a', 'b'] },
      trace: { id: 7 },
      n: 1,
    });
    const final = '{"@timestamp":"2025-11-22T15:04:05Z","message":"m","error":false}';
    expect(json(final)).toMatchObject({ error: { message: false } });
  });

  it('knows all objects that the index template has', () => {
    const { template } = indexTemplate('logs-a-b', 'elasticsearch') as {
      template: { mappings: { properties: Record<string, { properties?: object }> } };
    };
    const names = Object.entries(template.mappings.properties)
      .filter(([, { properties }]) => properties !== undefined)
      .map(([name]) => name);
    expect(ecsObjects.map(({ name }) => name).sort()).toEqual(names.sort());
  });

  it('leaves objects, and what an index takes for absent, where they are', () => {
    const text =
      '{"@timestamp":"2025-11-22T15:04:05Z","error":null,"host":{"name":"a"},"trace":[{"line":1}],"event":[ ]}';
    expect(make(text)).toEqual({ text, refused: '', copied: true });
  });

  it('names no key twice when the text of "log" is not the message', () => {
    for (const source of [
      '{"message":"m","log":"raw","level":"info"}',
      '{"log":"raw","level":"info","message":"m"}',
    ]) {
      expect(make(source).text).toBe(
        `{"@timestamp":"${NOW_TEXT}","message":"m","log":{"level":"info","original":"raw"}}`,
      );
    }
    expect(json('{"message":"m","log":null,"level":"info"}')).toMatchObject({ level: 'info' });
    expect(json('{"log":"x","log.level":"warn"}')).toEqual({
      '@timestamp': NOW_TEXT,
      message: 'x',
      'log.level': 'warn',
    });
  });

  it('names the levels that are numbers', () => {
    expect(json('{"level":50,"severity":"x"}')).toEqual({
      '@timestamp': NOW_TEXT,
      log: { level: 'error' },
      severity: 'x',
    });
    expect(json('{"level":35}')).toEqual({ '@timestamp': NOW_TEXT, level: 35 });
  });

  it('puts its tags before those of the sender', () => {
    expect(json('{"time":"?","tags":["a"]}')).toMatchObject({ tags: ['time_error', 'a'] });
    expect(json('{"time":"?","tags":[ ]}')).toMatchObject({ tags: ['time_error'] });
    expect(json('{"time":"?","tags":"a"}')).toMatchObject({ tags: ['time_error', 'a'] });
  });

  it('repairs bytes that are not UTF-8', () => {
    expect(json(Buffer.from('{"message":"a\xff"}', 'latin1'))).toEqual({
      '@timestamp': NOW_TEXT,
      message: 'a\uFFFD',
      tags: ['invalid_utf8'],
    });
    expect(json(Buffer.from('"a\xff"', 'latin1'))).toEqual({
      '@timestamp': NOW_TEXT,
      message: 'a\uFFFD',
      tags: ['invalid_utf8'],
    });
  });

  it('writes a pretty-printed object on one line', () => {
    expect(json('{\n  "@timestamp": "2025-11-22T15:04:05Z",\n  "a" : [\n1\n]\n}')).toEqual({
      '@timestamp': '2025-11-22T15:04:05Z',
      a: [1],
    });
  });

  it('takes a string as the message, and refuses other scalars', () => {
    expect(json('"he\\"y"')).toEqual({ '@timestamp': NOW_TEXT, message: 'he"y' });
    expect(make('1').refused).toBe('expected an object or a string');
  });

  it('copies keys with a meaning to others as bytes', () => {
    const source = '{"__proto__":{"polluted":true},"constructor":1}';
    const { text } = make(source);
    expect(text).toBe(`{"@timestamp":"${NOW_TEXT}",${source.slice(1)}`);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('keeps members beyond those it remembers', () => {
    const many = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`k${i}`, i]));
    expect(json(JSON.stringify({ ...many, level: 'info' }))).toEqual({
      '@timestamp': NOW_TEXT,
      ...many,
      level: 'info',
    });
  });

  it('refuses what nests too deeply or is too large', () => {
    expect(make(`{"a":${'['.repeat(100_000)}`).refused).toBe('nested too deeply');
    const long = 'x'.repeat(2_000_000);
    for (const source of [
      `{"a":"${long}"}`,
      `"${long}"`,
      `{"@timestamp":"2025-11-22T15:04:05Z","a":"${long}"}`,
    ]) {
      expect(make(source).refused).toBe(tooLong(source));
    }
  });

  it.each(['"…"', '{"message":"…"}', '{"a":"…"}', '{"level":"…"}'])(
    'refuses %s whose record is too large while the source itself is not',
    (form) => {
      const source = form.replace('…', 'x'.repeat(950_000 - 2 - form.length));
      expect(make(source).refused).toBe(tooLong(source));
    },
  );
});
