import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { type HttpCollector, httpCollector } from '../../../src/collectors/http/http-collector.ts';
import { collectorDefaults, type HttpSettings } from '../../../src/collectors/settings.ts';
import { ErrorCode, ProtocolError } from '../../../src/protocol/error-codes.ts';
import { memorySinks } from './support/memory-sink.ts';

let sinks = memorySinks();
let collector: HttpCollector;
let app: FastifyInstance;
let port = 0;

async function serve(settings: Partial<HttpSettings> = {}): Promise<void> {
  sinks = memorySinks();
  collector = httpCollector({
    settings: { ...collectorDefaults.http, ...settings },
    sinks: sinks.factory,
    clock: systemClock,
    logger: silentLogger,
  });
  app = fastify();
  await app.register(collector.plugin);
  await collector.start();
  await app.listen({ host: '127.0.0.1', port: 0 });
  port = (app.server.address() as AddressInfo).port;
}

beforeEach(() => serve());
afterEach(async () => {
  await app.close();
  await collector.stop();
  collector.balance.check();
  expect(collector.balance.inFlight).toBe(0);
  expect([...collector.gauges()].find(([name]) => name === 'body_bytes')).toEqual([
    'body_bytes',
    0,
  ]);
});

interface Answer {
  status: number;
  body: {
    accepted?: number;
    rejected?: number;
    errors?: { line: number; reason: string }[];
    error?: string;
  };
  retryAfter: string | null;
}

async function post(
  body: string | Uint8Array,
  type = '',
  headers: Record<string, string> = {},
  query = '',
): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}/ingest${query}`, {
    method: 'POST',
    body: new Blob([Buffer.from(body)], { type }),
    headers,
  });
  return {
    status: response.status,
    body: (await response.json()) as Answer['body'],
    retryAfter: response.headers.get('retry-after'),
  };
}

const event = (name: string): number => new Map(collector.tallies()).get(name) ?? 0;

describe('bodies', () => {
  it('takes an object, an array, concatenated objects and lines', async () => {
    for (const [type, body, count] of [
      ['application/json', '{"message":"a"}', 1],
      ['application/json; charset=utf-8', '[{"message":"a"}, {"message":"b"}]', 2],
      ['application/json', '{"message":"a"}{"message":"b"} {"message":"c"}', 3],
      ['application/json', '{"message":"a"}\n{"message":"b"}\n', 2],
      ['application/x-ndjson', '{"message":"a"}\r\n\n{"message":"b"}', 2],
      ['application/json', '[]', 0],
      ['', '{"message":"a"}', 1],
      ['application/x-www-form-urlencoded', '{"message":"a"}', 1],
      ['text/plain', 'a\nb\r\n\nc', 3],
      ['', 'plain text', 1],
    ] as const) {
      const answer = await post(body, type);
      expect([type, body, answer.status, answer.body]).toEqual([
        type,
        body,
        200,
        { accepted: count, rejected: 0, errors: [] },
      ]);
    }
    expect(sinks.sink().messages().slice(0, 3)).toEqual(['a', 'a', 'b']);
    expect(sinks.sink().messages().slice(-4)).toEqual(['a', 'b', 'c', 'plain text']);
  });

  it('says where records came from', async () => {
    await post('x', 'text/plain');
    expect(sinks.sink().stored[0]?.headers).toEqual({
      'weir.source': 'http',
      'weir.peer': '127.0.0.1',
    });
  });

  it('keeps the good lines, names the bad ones, and puts them into dead-letters', async () => {
    const answer = await post(
      '{"message":"a"}\n{"message":\n42\n{"message":"b"}\n',
      'application/x-ndjson',
    );
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      accepted: 2,
      rejected: 2,
      errors: [
        { line: 2, reason: 'unexpected end' },
        { line: 3, reason: 'expected an object or a string' },
      ],
    });
    const dead = sinks.sink().stored.filter((record) => record.topic === 'dead-letters');
    expect(dead.map((record) => [record.text, record.headers['weir.error']])).toEqual([
      ['{"message":', 'unexpected end'],
      ['42', 'expected an object or a string'],
    ]);
    expect(collector.balance.rejected.get('malformed')).toBe(1);
    expect(collector.balance.stored).toBe(2);
  });

  it('answers 400 when nothing is good', async () => {
    const answer = await post('nonsense', 'application/json');
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({
      accepted: 0,
      rejected: 1,
      errors: [{ line: 1, reason: 'expected a JSON value' }],
    });
  });

  it('does not guess records out of a broken pretty-printed array', async () => {
    const answer = await post('[\n{\n"a": 1\n},\n{\n"a" 2,\n"b": "x"\n}\n]', 'application/json');
    expect(answer.body).toMatchObject({ accepted: 1, rejected: 1, errors: [{ line: 5 }] });
  });

  it('says that an array does not end', async () => {
    const answer = await post('[{"a":1}', 'application/json');
    expect(answer.body).toMatchObject({
      accepted: 1,
      rejected: 1,
      errors: [{ reason: 'the array does not end' }],
    });
  });

  it('reads the fields that query and headers name', async () => {
    await post(
      '{"body":"hi","when":1763823845}',
      'application/json',
      {},
      '?_msg_field=body&_time_field=when',
    );
    await post('{"body":"hi"}', 'application/json', { 'VL-Msg-Field': 'body' });
    expect(sinks.sink().records()).toMatchObject([
      { '@timestamp': '2025-11-22T15:04:05.000Z', message: 'hi' },
      { message: 'hi' },
    ]);
  });

  it('splits a line that does not fit a record', async () => {
    const line = 'x'.repeat(2_500_000);
    const answer = await post(`${line}\nshort`, 'text/plain');
    expect(answer.body.accepted).toBe(4);
    const records = sinks.sink().records();
    expect(
      records
        .slice(0, 3)
        .map((record) => record['message'])
        .join(''),
    ).toBe(line);
    expect(records.map((record) => record['tags'])).toEqual([
      ['split'],
      ['split'],
      ['split'],
      undefined,
    ]);
  });

  it('keeps text that is not UTF-8, with NUL bytes, and says so', async () => {
    await post(Buffer.from([0x61, 0, 0xff]), 'text/plain');
    expect(sinks.sink().records()).toMatchObject([
      { message: 'a\u0000\uFFFD', tags: ['invalid_utf8'] },
    ]);
  });
});

describe('encodings', () => {
  const body = '{"message":"a"}\n{"message":"b"}\n';

  it.each([
    ['gzip', zlib.gzipSync(body)],
    [
      'gzip',
      Buffer.concat([zlib.gzipSync('{"message":"a"}\n'), zlib.gzipSync('{"message":"b"}\n')]),
    ],
    ['zstd', zlib.zstdCompressSync(body)],
    [
      'zstd',
      Buffer.concat([
        zlib.zstdCompressSync('{"message":"a"}\n'),
        zlib.zstdCompressSync('{"message":"b"}\n'),
      ]),
    ],
    ['deflate', zlib.deflateSync(body)],
    ['deflate', zlib.deflateRawSync(body)],
    ['identity', Buffer.from(body)],
  ])('reads %s (case %#)', async (encoding, bytes) => {
    const answer = await post(bytes, 'application/x-ndjson', { 'content-encoding': encoding });
    expect([answer.status, answer.body.accepted]).toEqual([200, 2]);
  });

  it.each(['br', 'gzip, gzip', 'nonsense'])('refuses %s with 415', async (encoding) => {
    expect((await post(body, '', { 'content-encoding': encoding })).status).toBe(415);
  });

  it('refuses what is not what it says', async () => {
    expect((await post(body, '', { 'content-encoding': 'gzip' })).status).toBe(400);
    for (const [encoding, good] of [
      ['zstd', zlib.zstdCompressSync(body)],
      ['deflate', zlib.deflateSync(body)],
    ] as const) {
      const bytes = Buffer.concat([good, Buffer.from('what follows is no member')]);
      const { status } = await post(bytes, '', { 'content-encoding': encoding });
      expect([encoding, status]).toEqual([encoding, 400]);
    }
    const half = zlib.gzipSync(body.repeat(100)).subarray(0, 60);
    expect((await post(half, '', { 'content-encoding': 'gzip' })).status).toBe(400);
  });

  it.each([
    ['application/json', '\uFEFF{"message":"a"}', 'a'],
    ['', '\uFEFF{"message":"a"}', 'a'],
    ['application/x-ndjson', '\uFEFF{"message":"a"}\n', 'a'],
    ['text/plain', '\uFEFFa\n', 'a'],
  ])('reads %j with a byte order mark', async (type, text, message) => {
    expect((await post(text, type)).body).toMatchObject({ accepted: 1, rejected: 0 });
    expect(sinks.sink().messages()).toEqual([message]);
  });

  it.each([
    ['text/plain; charset=ISO-8859-1', Buffer.from('caf\u00e9', 'latin1')],
    ['application/json; charset="windows-1252"', Buffer.from('{"message":"caf\u00e9"}', 'latin1')],
    ['application/json;charset=utf-16le', Buffer.from('{"message":"caf\u00e9"}', 'utf16le')],
    ['text/plain; charset=utf-16', Buffer.from('\uFEFFcaf\u00e9', 'utf16le')],
    ['text/plain; format=flowed; charset=US-ASCII', Buffer.from('caf\u00e9')],
    ['application/json; charset=utf8', Buffer.from('{"message":"caf\u00e9"}')],
  ])('reads %s', async (type, body) => {
    expect((await post(body, '', { 'content-type': type })).body).toMatchObject({ accepted: 1 });
    expect(sinks.sink().messages()).toEqual(['caf\u00e9']);
    expect(sinks.sink().records('logs')[0]?.['tags']).toBeUndefined();
  });

  it('refuses a charset that it does not know with 415', async () => {
    const answer = await post('a', '', { 'content-type': 'text/plain; charset=klingon' });
    expect([answer.status, answer.body.error]).toEqual([415, 'charset-unsupported']);
  });

  it('bounds what a charset makes of a body', async () => {
    await app.close();
    await serve({ decodedBytesMax: 1000 });
    const type = { 'content-type': 'text/plain; charset=latin1' };
    expect((await post(Buffer.alloc(900, 0xe9), '', type)).status).toBe(413);
  });

  it('refuses unknown media types with 415', async () => {
    expect((await post(body, 'application/msgpack')).status).toBe(415);
  });

  it.each(['gzip', 'zstd', 'deflate'])('stops a %s bomb at the cap', async (encoding) => {
    await app.close();
    await serve({ decodedBytesMax: 1_000_000 });
    const zeros = Buffer.alloc(300_000_000);
    const bomb =
      encoding === 'gzip'
        ? zlib.gzipSync(zeros, { level: 1 })
        : encoding === 'zstd'
          ? zlib.zstdCompressSync(zeros)
          : zlib.deflateSync(zeros, { level: 1 });
    const answer = await post(bomb, 'text/plain', { 'content-encoding': encoding });
    expect(answer.status).toBe(413);
    expect(event('requests_413')).toBe(1);
  });
});

describe('limits', () => {
  it('refuses a body that is too long, declared or not', async () => {
    await app.close();
    await serve({ bodyBytesMax: 1000 });
    expect((await post('x'.repeat(1001), 'text/plain')).status).toBe(413);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = http.request(
        { port, method: 'POST', path: '/ingest', headers: { 'content-type': 'text/plain' } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      request.on('error', reject);
      request.write('x'.repeat(600));
      request.end('x'.repeat(600));
    });
    expect(status).toBe(413);
    expect((await post('x'.repeat(1000), 'text/plain')).status).toBe(200);
  });

  it('gives up on a slow sender', async () => {
    await app.close();
    await serve({ requestTimeoutMs: 50 });
    const answer = await half('POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc');
    expect(answer).toMatch(/^HTTP\/1.1 408/);
    expect(event('requests_408')).toBe(1);
  });

  it('counts requests that end half-way, and takes nothing of them', async () => {
    const socket = net.connect(port, '127.0.0.1');
    socket.write('POST /ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"message":"a"}');
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.destroy();
    await expect.poll(() => event('requests_incomplete')).toBe(1);
    expect(sinks.sink().stored).toEqual([]);
    expect(collector.balance.received).toBe(0);
  });

  it('refuses whole requests while the log is slow', async () => {
    await app.close();
    await serve({ bufferBytesMax: 100 });
    sinks.sink().auto = false;
    const first = post('x'.repeat(200), 'text/plain');
    await expect.poll(() => sinks.sink().bufferedBytes).toBeGreaterThan(100);
    const second = await post('y', 'text/plain');
    expect([second.status, second.retryAfter]).toEqual([429, '1']);
    sinks.sink().report();
    expect((await first).status).toBe(200);
    sinks.sink().auto = true;
    expect((await post('y', 'text/plain')).status).toBe(200);
  });

  it('waits for room in the middle of a body', async () => {
    sinks.sink().bytesMax = 200;
    const answer = await post(
      Array.from({ length: 50 }, (_, i) => `{"msg":"${i}"}`).join('\n'),
      'application/x-ndjson',
    );
    expect(answer.body.accepted).toBe(50);
    expect(sinks.sink().messages()).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
  });

  it('bounds the bytes of bodies under way', async () => {
    await app.close();
    await serve({ inFlightBytesMax: 1000 });
    expect((await post('x'.repeat(1001), 'text/plain')).status).toBe(429);
    expect((await post('x'.repeat(900), 'text/plain')).status).toBe(200);
  });

  it('takes plain bodies while as many are decompressed as may be', async () => {
    const release = blockThreads();
    const zipped = zlib.gzipSync('zipped');
    const answers = Array.from({ length: 5 }, () =>
      post(zipped, 'text/plain', { 'content-encoding': 'gzip' }),
    );
    try {
      expect((await Promise.race(answers)).status).toBe(429);
      expect((await post('plain', 'text/plain')).status).toBe(200);
      expect(sinks.sink().messages()).toEqual(['plain']);
    } finally {
      release();
      await Promise.all(answers);
    }
    expect(sinks.sink().messages()).toEqual(['plain', 'zipped', 'zipped', 'zipped', 'zipped']);
  });
});

describe('promises', () => {
  it('answers only after the log has answered', async () => {
    sinks.sink().auto = false;
    let answered = false;
    const answer = post('a\nb', 'text/plain').then((result) => {
      answered = true;
      return result;
    });
    await expect.poll(() => sinks.sink().waiting.length).toBe(2);
    sinks.sink().report(null, 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(answered).toBe(false);
    sinks.sink().report(null, 1);
    expect((await answer).status).toBe(200);
  });

  it('answers 503 when the log refuses', async () => {
    sinks.sink().error = new Error('disk is full');
    const answer = await post('a', 'text/plain');
    expect([answer.status, answer.retryAfter, answer.body.error]).toEqual([
      503,
      '1',
      'log-unavailable',
    ]);
    expect(collector.balance.rejected.get('log_unavailable')).toBe(1);
    expect(collector.status().light).toBe('yellow');
  });

  it('refuses only the record that the log never takes, and says so', async () => {
    sinks.sink().auto = false;
    const lines = '{"message":"fits"}\n{"message":"huge"}\n';
    const answer = post(lines, 'application/x-ndjson');
    await expect.poll(() => sinks.sink().waiting.length).toBe(2);
    sinks.sink().report(null, 1);
    sinks.sink().report(new ProtocolError(ErrorCode.MESSAGE_TOO_LARGE));
    expect(await answer).toMatchObject({
      status: 200,
      body: { accepted: 1, rejected: 1, errors: [{ line: 0 }] },
    });
    expect(collector.balance.rejected.get('too_large')).toBe(1);
    expect(collector.balance.inFlight).toBe(0);
  });

  it('answers 503 when the log says nothing', async () => {
    await app.close();
    await serve({ answerTimeoutMs: 50 });
    sinks.sink().auto = false;
    expect((await post('a', 'text/plain')).status).toBe(503);
    sinks.sink().report();
    expect(collector.balance.stored).toBe(1);
  });
});

/** Keeps the threads that decompress waiting at a pipe, until the function returned is called. */
function blockThreads(): () => void {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-http-'));
  const pipe = path.join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
  for (let i = 0; i < threads; i++)
    fs.open(pipe, 'r', (_error, descriptor) => fs.closeSync(descriptor));
  return () => {
    fs.closeSync(fs.openSync(pipe, 'r+'));
    fs.rmSync(folder, { recursive: true });
  };
}

/** Sends raw bytes and returns what comes back until the connection is closed. */
function half(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
}
