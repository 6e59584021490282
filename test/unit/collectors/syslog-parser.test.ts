import { describe, expect, it } from 'vitest';
import { EcsWriter } from '../../../src/collectors/ecs-writer.ts';
import { zoneOf } from '../../../src/collectors/syslog/bsd-time.ts';
import { SyslogParser } from '../../../src/collectors/syslog/syslog-parser.ts';

const NOW = Date.UTC(2026, 10, 22, 12);
const NOW_TEXT = '2026-11-22T12:00:00.000Z';
const writer = new EcsWriter();
const PEER = Buffer.from('10.0.0.9');

interface Parsed {
  '@timestamp': string;
  message: string;
  log: { level: string; syslog: Record<string, unknown> };
  host?: { name: string };
  service?: { name: string };
  process?: { name?: string; pid?: number };
  event?: { original: string };
  tags?: string[];
}

function parse(line: string | Buffer, now = NOW, zone = '+00:00'): Parsed {
  const bytes = Buffer.from(line);
  new SyslogParser(writer, zoneOf(zone)).write(bytes, 0, bytes.length, now, PEER);
  return JSON.parse(writer.buffer.toString('utf8', 0, writer.pos)) as Parsed;
}

describe('RFC 5424', () => {
  it('reads all fields', () => {
    expect(
      parse(
        '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 1234 ID47 ' +
          '[exampleSDID@32473 iut="3" eventSource="App\\"lic\\]at\\\\ion\\x" eventID="1011"][other@1 a="b"] \uFEFFAn application event',
      ),
    ).toEqual({
      '@timestamp': '2003-10-11T22:14:15.003Z',
      message: 'An application event',
      log: {
        level: 'notice',
        syslog: {
          facility: { code: 20, name: 'local4' },
          priority: 165,
          severity: { code: 5, name: 'notice' },
          msgid: 'ID47',
          structured_data: {
            'exampleSDID@32473': { iut: '3', eventSource: 'App"lic]at\\ion\\x', eventID: '1011' },
            'other@1': { a: 'b' },
          },
        },
      },
      host: { name: 'mymachine.example.com' },
      service: { name: 'evntslog' },
      process: { name: 'evntslog', pid: 1234 },
    });
  });

  it('takes nil for absent', () => {
    const parsed = parse('<34>1 - - - - - - just text');
    expect(parsed).toEqual({
      '@timestamp': NOW_TEXT,
      message: 'just text',
      log: { level: 'critical', syslog: expect.anything() as unknown },
      host: { name: '10.0.0.9' },
    });
  });

  it('allows a message to be missing', () => {
    expect(parse('<34>1 2026-11-22T10:00:00+02:00 h a p m [x@1]')).toMatchObject({
      '@timestamp': '2026-11-22T10:00:00+02:00',
      message: '',
      log: { syslog: { procid: 'p', msgid: 'm', structured_data: { 'x@1': {} } } },
    });
  });

  it('numbers names that come twice', () => {
    expect(
      parse('<34>1 - - - - - [a x="1" x="2" y="3" x="4"][a x="5"] m').log.syslog['structured_data'],
    ).toEqual({
      a: { x: '1', x_2: '2', y: '3', x_3: '4' },
      a_2: { x: '5' },
    });
  });

  it('marks a time that it cannot read', () => {
    expect(parse('<34>1 yesterday h a - - - m')).toMatchObject({
      '@timestamp': NOW_TEXT,
      message: 'm',
      host: { name: 'h' },
      event: { original: '<34>1 yesterday h a - - - m' },
      tags: ['time_error'],
    });
  });

  it.each(['<34>1 ', '<34>1 x', '<34>1 - - - - -', `<34>1 - ${'h'.repeat(300)} - - - - m`])(
    'keeps %j whole',
    (line) => {
      const parsed = parse(line);
      expect(parsed.event).toEqual({ original: line });
      expect(parsed.tags).toEqual(['parse_error']);
      expect(parsed.message).toBe(line.slice(4));
      expect(parsed.log.syslog['priority']).toBe(34);
    },
  );
});

describe('RFC 5424 with structured data that is none', () => {
  it.each([
    '[a x="1 m',
    '[a x=1] m',
    '[]m',
    // Some devices leave it out.
    'link is up',
  ])('keeps the header, and %j as the message', (rest) => {
    const line = `<34>1 2026-11-22T10:00:00Z h app 42 id ${rest}`;
    expect(parse(line)).toMatchObject({
      '@timestamp': '2026-11-22T10:00:00Z',
      message: rest,
      log: { syslog: { priority: 34, msgid: 'id' } },
      host: { name: 'h' },
      service: { name: 'app' },
      process: { pid: 42 },
      event: { original: line },
      tags: ['parse_error'],
    });
    expect(parse(line).log.syslog).not.toHaveProperty('structured_data');
  });
});

describe('RFC 3164', () => {
  it('reads the classic form', () => {
    expect(
      parse("<34>Oct 11 22:14:15 mymachine su[42]: 'su root' failed for lonvick on /dev/pts/8"),
    ).toEqual({
      '@timestamp': '2026-10-11T22:14:15.000Z',
      message: "'su root' failed for lonvick on /dev/pts/8",
      log: {
        level: 'critical',
        syslog: expect.objectContaining({ facility: { code: 4, name: 'auth' } }) as unknown,
      },
      host: { name: 'mymachine' },
      service: { name: 'su' },
      process: { name: 'su', pid: 42 },
    });
  });

  it.each([
    ['<13>Nov  2 03:04:05 h app: m', '2026-11-02T03:04:05.000Z', 'h', 'app', 'm'],
    ['<13>Nov 2 03:04:05 h app: m', '2026-11-02T03:04:05.000Z', 'h', 'app', 'm'],
    ['<13>Nov 22 10:00:00 app: m', '2026-11-22T10:00:00.000Z', '10.0.0.9', 'app', 'm'],
    ['<13>Nov 22 10:00:00 app[x-1]: m', '2026-11-22T10:00:00.000Z', '10.0.0.9', 'app', 'm'],
    [
      '<13>Nov 22 10:00:00 h plain words: here',
      '2026-11-22T10:00:00.000Z',
      'h',
      undefined,
      'plain words: here',
    ],
    [
      '<13>2026-11-22T10:00:00.123456+01:00 h app: m',
      '2026-11-22T10:00:00.123456+01:00',
      'h',
      'app',
      'm',
    ],
    ['<13>2026-11-22 10:00:00 h app: m', '2026-11-22T10:00:00.000Z', 'h', 'app', 'm'],
    ['<13>Nov 22 2025 10:00:00 h app: m', '2025-11-22T10:00:00.000Z', 'h', 'app', 'm'],
    ['<13>Nov 22 10:00:00 2025 h app: m', '2025-11-22T10:00:00.000Z', 'h', 'app', 'm'],
    ['<13>Nov 22 10:00:00 2025', NOW_TEXT.replace('12:', '10:'), '10.0.0.9', undefined, '2025'],
    ['<13>Nov 22 10:00:00 1234 app: m', '2026-11-22T10:00:00.000Z', '1234', 'app', 'm'],
    ['<13>Nov 22 10:00:00 UTC h app: m', '2026-11-22T10:00:00.000Z', 'h', 'app', 'm'],
    ['<13>Nov 22 10:00:00 GMT: app: m', '2026-11-22T10:00:00.000Z', '10.0.0.9', 'app', 'm'],
    ['<13>Nov 22 10:00:00 UTCHOST app: m', '2026-11-22T10:00:00.000Z', 'UTCHOST', 'app', 'm'],
    [
      '<189>29: *Jan  1 03:13:14.663 UTC: %LINK-3-UPDOWN: Interface up',
      '2027-01-01T03:13:14.663Z',
      '10.0.0.9',
      '%LINK-3-UPDOWN',
      'Interface up',
    ],
    ['<13>hello: world', NOW_TEXT, '10.0.0.9', undefined, 'hello: world'],
    ['<13>', NOW_TEXT, '10.0.0.9', undefined, ''],
    ['<13>Nov 22 10:00:00 h', '2026-11-22T10:00:00.000Z', '10.0.0.9', undefined, 'h'],
    ['<13>Nov 99 10:00:00 h a: m', NOW_TEXT, '10.0.0.9', undefined, 'Nov 99 10:00:00 h a: m'],
  ])('reads %s', (line, stamp, host, app, message) => {
    const parsed = parse(line);
    expect([parsed['@timestamp'], parsed.host?.name, parsed.service?.name, parsed.message]).toEqual(
      [stamp, host, app, message],
    );
    expect(parsed.tags).toBeUndefined();
  });

  it('guesses the year that is nearest to now', () => {
    const at = (text: string, now: string): string =>
      parse(`<13>${text} h a: m`, Date.parse(now))['@timestamp'];
    expect(at('Dec 31 23:59:59', '2027-01-01T00:00:01Z')).toBe('2026-12-31T23:59:59.000Z');
    expect(at('Jan  1 00:00:01', '2026-12-31T23:59:59Z')).toBe('2027-01-01T00:00:01.000Z');
    expect(at('Aug  1 00:00:00', '2026-12-31T00:00:00Z')).toBe('2026-08-01T00:00:00.000Z');
  });

  it('uses the zone of the listener', () => {
    expect(parse('<13>Nov 22 10:00:00 h a: m', NOW, '+05:30')['@timestamp']).toBe(
      '2026-11-22T04:30:00.000Z',
    );
    expect(parse('<13>Nov 22 10:00:00 UTC h a: m', NOW, '+05:30')['@timestamp']).toBe(
      '2026-11-22T10:00:00.000Z',
    );
    const local = new Date(2026, 10, 22, 10).toISOString();
    expect(parse('<13>Nov 22 10:00:00 h a: m', NOW, 'local')['@timestamp']).toBe(local);
  });
});

describe('anything else', () => {
  it('takes a line without priority as a notice of the user', () => {
    expect(parse('just text')).toMatchObject({
      message: 'just text',
      log: { level: 'notice', syslog: { priority: 13 } },
    });
  });

  it.each(['<', '<>', '<192>x', '<1234>x', '<12', '<ab>x'])('keeps %s whole', (line) => {
    expect(parse(line)).toMatchObject({
      message: line,
      event: { original: line },
      tags: ['parse_error'],
    });
  });

  it('keeps NUL bytes and bytes that are not UTF-8', () => {
    expect(parse(Buffer.from('<13>Nov 22 10:00:00 h a: x\u0000y\xff', 'latin1'))).toMatchObject({
      message: 'x\u0000y\uFFFD',
      tags: ['invalid_utf8'],
    });
  });
});
