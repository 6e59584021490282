import { describe, expect, test } from 'vitest';
import { parseArguments } from '../../../src/cli/arguments.ts';
import { consumeCommand } from '../../../src/cli/consume.ts';
import { LineSplitter } from '../../../src/cli/lines.ts';
import { logLineText, readLogLine } from '../../../src/cli/log-line.ts';
import { recordFormat } from '../../../src/cli/record-format.ts';
import { parseDuration, parseTime } from '../../../src/cli/time.ts';
import { forEachRecord } from '../../../src/protocol/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/protocol/record-batch-builder.ts';
import { fakeTerminal } from './fake-terminal.ts';

describe('lines of input', () => {
  const split = (chunks: readonly string[], max = 100): string[] => {
    const lines: string[] = [];
    const splitter = new LineSplitter(max, (bytes, start, end) => {
      lines.push(bytes.toString('utf8', start, end));
    });
    for (const chunk of chunks) {
      const buffer = Buffer.from(chunk);
      splitter.push(buffer);
      buffer.fill(0); // The owner reuses it.
    }
    splitter.end();
    return lines;
  };

  test.each([
    [['a\nb\nc'], ['a', 'b', 'c']],
    [
      ['a', 'b', 'c\n', 'd\n'],
      ['abc', 'd'],
    ],
    [
      ['one\r\ntwo\r', '\nthree'],
      ['one', 'two', 'three'],
    ],
    [['\n\n'], ['', '']],
    [['é'], ['é']],
    [[], []],
  ])('cuts %j', (chunks, lines) => {
    expect(split(chunks)).toEqual(lines);
  });

  test('refuses a line without an end instead of keeping it', () => {
    expect(() => split(['x'.repeat(60), 'x'.repeat(60)])).toThrow('longer than 100 bytes');
  });
});

describe('records', () => {
  const format = (args: readonly string[], key: string | null, value: Buffer | null): string => {
    const builder = new RecordBatchBuilder();
    const headers = [{ key: 'h', value: Buffer.from('1') }];
    builder.append(1000, key === null ? null : Buffer.from(key), value, headers);
    const out: Uint8Array[] = [];
    const parsed = parseArguments(consumeCommand, ['logs', ...args], fakeTerminal());
    const write = recordFormat(parsed);
    forEachRecord(builder.build(), 0, (record) => {
      write(record, { topic: 'logs', partition: 3 }, out);
    });
    return Buffer.concat(out).toString();
  };
  const properties = (...list: string[]): string[] => list.flatMap((p) => ['--property', p]);

  test('are written as the console consumer of Kafka does', () => {
    expect(format([], 'k', Buffer.from('v'))).toBe('v\n');
    const all = [
      ...['print.key=true', 'print.timestamp=true', 'print.offset=true'],
      ...['print.partition=true', 'print.headers=true', 'key.separator=|'],
    ];
    expect(format(properties(...all), null, null)).toBe(
      'CreateTime:1000|Partition:3|Offset:0|h:1|null|null\n',
    );
    expect(format(properties('print.value=false', 'print.key=true'), 'k', null)).toBe('k\n');
    expect(format(properties('line.separator=\\0'), 'k', Buffer.from('v'))).toBe('v\0');
  });

  test('are JSON when asked, bytes that are no text as base64', () => {
    expect(JSON.parse(format(['--json'], 'k', Buffer.from([0xff])))).toEqual({
      topic: 'logs',
      partition: 3,
      offset: 0,
      timestamp: 1000,
      key: 'k',
      valueBase64: '/w==',
      headers: { h: '1' },
    });
  });

  test('refuse a property that does not exist', () => {
    expect(() => format(properties('print.keys=true'), null, null)).toThrow(
      "did you mean 'print.key'",
    );
  });
});

describe('log lines', () => {
  const text = (value: string | object): string => {
    const line = readLogLine(typeof value === 'string' ? value : JSON.stringify(value), 0);
    return logLineText(line, false).slice('2026-11-22 15:00:00.000 '.length);
  };

  test.each<[string | object, string]>([
    [
      { message: 'hi', log: { level: 'info' }, service: { name: 's' }, host: { name: 'h' } },
      'INFO  s/h hi\n',
    ],
    [{ message: 'hi', 'log.level': 'warning', 'host.name': 'h' }, 'WARNI h hi\n'],
    [{ message: 'failed', error: { message: 'no route' } }, '      failed: no route\n'],
    ['not JSON', '      not JSON\n'],
    ['[1,2]', '      [1,2]\n'],
    [{ other: 1 }, '      {"other":1}\n'],
    [{ message: 'two\nlines\n' }, '      two\n    lines\n'],
  ])('shows %j', (value, line) => {
    expect(text(value)).toBe(line);
  });

  test('does not let a record command the terminal', () => {
    expect(text({ message: '\u001b[2Jgone\u0007 \u009b31m' })).toBe(
      '      \\x1b[2Jgone\\x07 \\x9b31m\n',
    );
  });

  test('colours levels for people only', () => {
    const line = readLogLine(JSON.stringify({ message: 'x', log: { level: 'error' } }), 0);
    expect(logLineText(line, true)).toContain('\u001b[31mERROR\u001b[0m');
    expect(logLineText(line, false)).not.toContain('\u001b');
  });

  test('takes the time of the record, else the one of the log', () => {
    const time = Date.UTC(2026, 10, 22);
    expect(readLogLine('{"@timestamp":"2026-11-22T00:00:00Z"}', 5).time).toBe(time);
    expect(readLogLine('{"@timestamp":"yesterday"}', 5).time).toBe(5);
  });
});

test('reads times and durations', () => {
  expect(parseDuration('1.5h', '--age takes')).toBe(5_400_000);
  expect(parseDuration('250ms', '--age takes')).toBe(250);
  expect(() => parseDuration('soon', '--age takes')).toThrow('--age takes a duration like 30s');
  expect(parseTime('2026-11-22T15:00:00Z', '--at takes')).toBe(Date.UTC(2026, 10, 22, 15));
  expect(() => parseTime('15:00', '--at takes')).toThrow('--at takes a time like 2026');
});
