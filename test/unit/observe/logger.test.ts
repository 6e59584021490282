import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/base/clock.ts';
import { applianceLog, type LogOptions, withFields } from '../../../src/observe/logger.ts';
import { OwnLog } from '../../../src/observe/own-log.ts';
import { Redactor } from '../../../src/observe/redactor.ts';

const stopped = (nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 6)): Clock & { add(ms: number): void } => {
  let passed = 0;
  return {
    now: () => nowMs + passed,
    monotonic: () => passed,
    after: () => ({ cancel: () => {} }),
    add: (ms) => {
      passed += ms;
    },
  };
};

const capture = (options: Partial<LogOptions> = {}) => {
  const lines: string[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(...chunk.toString().split('\n').slice(0, -1));
      done();
    },
  });
  const log = applianceLog({ level: 'info', format: 'json', clock: stopped(), stream, ...options });
  return { log, lines };
};

describe('the log', () => {
  it('writes ECS records with nested names', () => {
    const { log, lines } = capture();
    log.logger.warn('disk is nearly full', {
      'disk.free': 12,
      'disk.path': '/data',
      error: undefined,
    });
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        '@timestamp': '2026-01-02T03:04:05.006Z',
        message: 'disk is nearly full',
        log: { level: 'warn' },
        ecs: { version: '9.2.0' },
        service: { name: 'weir' },
        process: { pid: process.pid },
        disk: { free: 12, path: '/data' },
      },
    ]);
  });

  it('writes a line for people', () => {
    const { log, lines } = capture({ format: 'human' });
    log.logger.error('role died', {
      'weir.role': 'broker',
      n: 1,
      s: 'a "b"',
      'error.stack_trace': 'A\nB',
    });
    expect(lines).toEqual([
      '03:04:05.006 ERROR  broker: role died  n=1  s="a \\"b\\""',
      '    A',
      '    B',
    ]);
  });

  it('takes JSON when nobody watches, and leaves out what is below its level', () => {
    const { log, lines } = capture({ format: 'auto', level: 'warn' });
    expect(log.format).toBe('json');
    log.logger.info('no');
    log.logger.warn('yes');
    expect(lines).toHaveLength(1);
    expect(log.lines).toEqual({ debug: 0, info: 1, warn: 1, error: 0 });
  });

  it('lets no text forge a line or steer a terminal', () => {
    for (const format of ['json', 'human'] as const) {
      const { log, lines } = capture({ format });
      log.logger.info('a\nb\u001b[31m\u009b2J\u2028\u202e', { 'client.id': 'x\r\ny\u0000' });
      expect(lines).toHaveLength(1);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may come out.
      expect(lines[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
      expect(lines[0]).toContain('\\u001b[31m');
    }
  });

  it('cuts a field that has no end', () => {
    const { log, lines } = capture();
    log.logger.info('long', { text: 'x'.repeat(100_000) });
    expect(lines[0]!.length).toBeLessThan(20_000);
    expect(lines[0]).toContain('(100000 characters)');
  });

  it('is not led astray by fields named like parts of an object', () => {
    const { log, lines } = capture();
    log.logger.info('m', { '__proto__.polluted': 1, 'message.sub': 2, constructor: 3 });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(JSON.parse(lines[0]!)).toMatchObject({ 'message.sub': 2, constructor: 3 });
  });

  it('adds fixed fields to each line', () => {
    const { log, lines } = capture();
    withFields(log.logger, { 'weir.role': 'broker' }).info('m', { a: 1 });
    expect(JSON.parse(lines[0]!)).toMatchObject({ weir: { role: 'broker' }, a: 1 });
  });
});

describe('secrets', () => {
  const redactor = new Redactor([
    ['connectors.elasticsearch.password', 'hunter2'],
    ['console.token', 'hunter2-and-more'],
    ['short', 'abc'],
    ['unset', null],
  ]);

  it('never get out, in a message, a field or a stack', () => {
    for (const format of ['json', 'human'] as const) {
      const { log, lines } = capture({ format, redactor });
      log.logger.error('401 from http://u:hunter2@es', {
        'url.full': 'http://u:hunter2-and-more@es',
        'connectors.elasticsearch.password': 'anything',
        'error.stack_trace': 'Error: hunter2\n at x',
        'error.cause': new Error('hunter2'),
      });
      const all = lines.join('\n');
      expect(all).not.toContain('hunter2');
      expect(all).not.toContain('anything');
      expect(all).not.toContain('-and-more');
      expect(all).toContain('http://u:***@es');
    }
  });

  it('that are too short to tell from words are masked by name only', () => {
    expect(redactor.text('abcdef')).toBe('abcdef');
    expect(redactor.field('short', 'abc')).toBe('***');
  });
});

describe('the own log in the topic of logs', () => {
  const connected = (room = Number.POSITIVE_INFINITY) => {
    const clock = stopped();
    const { log, lines } = capture({ clock });
    const own = new OwnLog(clock);
    log.add(own);
    const taken: string[] = [];
    const state = { room };
    own.connect((value) => {
      if (taken.length >= state.room) return false;
      taken.push(Buffer.from(value).toString());
      return true;
    });
    return { log, lines, own, taken, clock, state };
  };

  it('carries the same record that is printed', () => {
    const { log, lines, taken, own } = connected();
    log.logger.info('hello', { 'weir.role': 'broker' });
    expect(taken).toEqual(lines);
    expect(own.sent).toBe(1);
  });

  it('carries no line about the carrying', () => {
    const { log, lines, taken } = connected();
    log.printOnly.error('the log does not take our lines');
    expect(lines).toHaveLength(1);
    expect(taken).toEqual([]);
  });

  it('ends when each line makes the log say another one', () => {
    const clock = stopped();
    const { log, lines } = capture({ clock });
    const own = new OwnLog(clock);
    log.add(own);
    let offered = 0;
    own.connect(() => {
      offered += 1;
      expect(offered).toBeLessThan(100);
      log.logger.warn('a batch was refused', { 'kafka.offset': offered });
      return true;
    });
    log.logger.info('first');
    expect(offered).toBe(11);
    expect(own.dropped.repeated).toBe(1);
    expect(lines).toHaveLength(12);
    clock.add(10_000);
    log.logger.info('second');
    expect(offered).toBe(22);
  });

  it('bounds different lines, too, and starts anew with the next window', () => {
    const { log, taken, own, clock } = connected();
    for (let i = 0; i < 600; i++) log.logger.info(`line ${i}`);
    expect(taken).toHaveLength(500);
    expect(own.dropped.rate).toBe(100);
    clock.add(10_000);
    log.logger.info('line');
    expect(taken).toHaveLength(501);
  });

  it('keeps what came before there was a log, up to its bound, and counts the rest', () => {
    const clock = stopped();
    const { log } = capture({ clock });
    const own = new OwnLog(clock);
    log.add(own);
    log.logger.info('early');
    for (let i = 0; i < 100; i++) log.logger.info(`x${i}`, { text: 'x'.repeat(16_000) });
    expect(own.waitingBytes).toBeLessThanOrEqual(1_048_576);
    expect(own.dropped.buffer).toBeGreaterThan(30);
    const taken: Uint8Array[] = [];
    own.connect((value) => taken.push(value) > 0);
    expect(own.waitingBytes).toBe(0);
    expect(taken.length + own.dropped.buffer).toBe(101);
    expect(Buffer.from(taken[0]!).toString()).toContain('early');
  });

  it('offers again what had no room, in order', () => {
    const { log, taken, state } = connected(1);
    log.logger.info('a');
    log.logger.info('b');
    expect(taken).toHaveLength(1);
    state.room = 10;
    log.logger.info('c');
    expect(taken.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual([
      'a',
      'b',
      'c',
    ]);
  });
});
