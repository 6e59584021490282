import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import winston from 'winston';
import { recordLine } from '../../../src/collectors/winston/record.ts';
import {
  WeirTransport,
  type WeirTransportOptions,
} from '../../../src/collectors/winston/transport.ts';

interface Reply {
  status: number;
  body?: string;
  headers?: Record<string, string>;
}

let server: http.Server;
let url = '';
let requests: {
  path: string;
  lines: Record<string, unknown>[];
  headers: http.IncomingHttpHeaders;
}[] = [];
let reply: (n: number, lines: unknown[]) => Reply | 'hang up' = () => ({ status: 200 });

beforeEach(async () => {
  requests = [];
  reply = () => ({ status: 200 });
  server = http.createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      const lines = text.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
      const answer = reply(requests.length, lines);
      requests.push({ path: request.url ?? '', lines, headers: request.headers });
      if (answer === 'hang up') request.socket.destroy();
      else response.writeHead(answer.status, answer.headers).end(answer.body ?? '{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function make(options: WeirTransportOptions = {}): {
  transport: WeirTransport;
  logger: winston.Logger;
  warnings: string[];
} {
  const transport = new WeirTransport({ url, lingerMs: 10, retryMsMax: 50, ...options });
  const warnings: string[] = [];
  transport.on('warn', (error: Error) => warnings.push(error.message));
  return { transport, logger: winston.createLogger({ transports: [transport] }), warnings };
}

async function finish(logger: winston.Logger, transport: WeirTransport): Promise<void> {
  const done = once(transport, 'finish');
  logger.end();
  await done;
}

const messages = (): unknown[] =>
  requests.flatMap(({ lines }) => lines.map((line) => line['message']));

describe('WeirTransport', () => {
  it('sends records as ECS lines, in order, and flushes at the end', async () => {
    const { transport, logger } = make({ service: 'shop', token: 'secret', batchRecordsMax: 10 });
    for (let i = 0; i < 25; i++) logger.warn(`line ${i}`, { user: { id: i } });
    await finish(logger, transport);
    expect(messages()).toEqual(Array.from({ length: 25 }, (_, i) => `line ${i}`));
    expect(requests[0]?.path).toBe('/ingest');
    expect(requests[0]?.headers).toMatchObject({
      authorization: 'Bearer secret',
      'content-type': 'application/x-ndjson',
    });
    expect(requests[0]?.lines[3]).toMatchObject({
      log: { level: 'warn' },
      service: { name: 'shop' },
      user: { id: 3 },
    });
    expect(Date.parse(String(requests[0]?.lines[0]?.['@timestamp']))).toBeGreaterThan(0);
    expect(transport.stats()).toMatchObject({
      received: 25,
      delivered: 25,
      retried: 0,
      dropped: 0,
      queued: 0,
    });
  });

  it('takes errors, cycles, BigInts and throwing getters', async () => {
    const { transport, logger } = make();
    const cycle: Record<string, unknown> = { n: 1n, nan: Number.NaN };
    cycle['self'] = cycle;
    logger.info('cycle', { cycle, failure: new TypeError('bad') });
    logger.info('own fields', { log: { logger: 'x' }, service: 'meta', host: 'text' });
    await finish(logger, transport);
    const [first, third] = requests.flatMap(({ lines }) => lines);
    expect(first).toMatchObject({
      cycle: { n: '1', nan: 'NaN', self: '[circular]' },
      failure: { type: 'TypeError', message: 'bad' },
    });
    expect(third).toMatchObject({
      log: { level: 'info', logger: 'x' },
      service: { name: 'meta' },
      host_: 'text',
    });
  });

  it('keeps kind, code, stack and causes of an error, however it was logged', async () => {
    const { transport, logger } = make();
    const failure = (): Error =>
      Object.assign(new TypeError('bad', { cause: new Error('root') }), { code: 'ECONNREFUSED' });
    logger.error(failure());
    logger.log({ level: 'error', message: failure() as unknown as string });
    logger.error('said', { error: failure() });
    // As winston itself logs an uncaught exception.
    const thrown = failure();
    logger.log({ level: 'error', message: 'uncaught', error: thrown, stack: thrown.stack });
    logger.error(new AggregateError([new RangeError('one')], 'many'));
    // A child logger hands on a copy that has the text of the stack, and no kind.
    logger.child({ n: 1 }).error(failure());
    await finish(logger, transport);
    const lines = requests.flatMap((request) => request.lines);
    for (const line of lines.slice(0, 4)) {
      expect(line['error']).toMatchObject({
        type: 'TypeError',
        message: 'bad',
        code: 'ECONNREFUSED',
        stack_trace: expect.stringContaining('TypeError: bad\n'),
        cause: { type: 'Error', message: 'root' },
      });
    }
    expect(messages()).toEqual(['bad', 'bad', 'said', 'uncaught', 'many', 'bad']);
    expect(lines[4]).toMatchObject({ error: { errors: [{ type: 'RangeError', message: 'one' }] } });
    expect(lines[5]).toMatchObject({ error: { stack_trace: expect.stringContaining('bad') } });
  });

  it('cuts an error that is its own cause', () => {
    const failure = new Error('loop');
    failure.cause = { failure };
    const line = recordLine({ level: 'info', message: 'm', failure }, 0, {
      service: undefined,
      host: 'h',
    });
    expect(JSON.parse(line)).toMatchObject({
      failure: { message: 'loop', cause: { failure: { cause: '[circular]' } } },
    });
  });

  it('makes a text of a message that is none', () => {
    const texts = [Symbol('s'), 10n, null, undefined, Number.NaN, ['a', 1n]].map((message) => {
      const line = recordLine({ level: 'info', message }, 0, { service: undefined, host: 'h' });
      return (JSON.parse(line) as { message: unknown }).message;
    });
    expect(texts).toEqual(['Symbol(s)', '10', 'null', '', 'NaN', '["a","1"]']);
  });

  it('writes the message of a record whose metadata throws', () => {
    const info = {
      level: 'info',
      message: 'getter',
      deep: {
        get broken(): string {
          throw new Error('no');
        },
      },
    };
    expect(JSON.parse(recordLine(info, 0, { service: undefined, host: 'h' }))).toEqual({
      '@timestamp': '1970-01-01T00:00:00.000Z',
      message: 'getter',
      log: { level: 'info' },
      host: { name: 'h' },
      tags: ['metadata_lost'],
    });
  });

  it('keeps a record that is too long, without its end', async () => {
    const { transport, logger } = make();
    logger.info('x'.repeat(3_000_000));
    await finish(logger, transport);
    expect(requests[0]?.lines[0]?.['tags']).toEqual(['truncated']);
    expect(transport.stats().delivered).toBe(1);
  });

  it('sends again after 429, 5xx and broken connections, and loses nothing', async () => {
    reply = (n) =>
      n === 0
        ? { status: 429, headers: { 'retry-after': '0' } }
        : n === 1
          ? { status: 503 }
          : n === 2
            ? 'hang up'
            : { status: 200 };
    const { transport, logger, warnings } = make();
    logger.info('a');
    logger.info('b');
    await finish(logger, transport);
    expect(requests.at(-1)?.lines.map((line) => line['message'])).toEqual(['a', 'b']);
    expect(transport.stats()).toMatchObject({
      delivered: 2,
      retried: 6,
      dropped: 0,
      lastError: '',
    });
    expect(warnings).toEqual(['Weir does not take log records: Weir answered 429']);
  });

  it('drops and counts what does not fit, and the application goes on', async () => {
    reply = () => ({ status: 503 });
    const { transport, logger, warnings } = make({ queueRecordsMax: 5, closeTimeoutMs: 100 });
    for (let i = 0; i < 20; i++) logger.info(`line ${i}`);
    await finish(logger, transport);
    expect(transport.stats()).toMatchObject({
      received: 20,
      delivered: 0,
      dropped: 20,
      droppedByReason: { queue_full: 15, closed: 5, refused: 0 },
      queued: 0,
    });
    expect(warnings[0]).toBe('log records are dropped: queue_full');
  });

  it('counts what Weir refuses, and does not send it again', async () => {
    reply = (n) =>
      n === 0 ? { status: 200, body: '{"accepted":1,"rejected":1}' } : { status: 400 };
    const { transport, logger } = make({ batchRecordsMax: 2 });
    for (const text of ['a', 'b', 'c']) logger.info(text);
    await finish(logger, transport);
    expect(requests.length).toBe(2);
    expect(transport.stats()).toMatchObject({ delivered: 1, droppedByReason: { refused: 2 } });
  });

  it('halves a batch that is too large for the server', async () => {
    reply = (_n, lines) => ({ status: lines.length > 3 ? 413 : 200 });
    const { transport, logger } = make();
    for (let i = 0; i < 10; i++) logger.info(String(i));
    await finish(logger, transport);
    expect(transport.stats()).toMatchObject({ delivered: 10, dropped: 0 });
  });

  it('never throws when nobody listens', async () => {
    const { transport, logger } = make({ url: 'http://127.0.0.1:1', closeTimeoutMs: 100 });
    logger.error('x');
    await finish(logger, transport);
    expect(transport.stats()).toMatchObject({ dropped: 1, queued: 0 });
  });
});
