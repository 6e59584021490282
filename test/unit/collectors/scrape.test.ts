import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { nodeTransport } from '../../../src/base/node-transport.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { EcsWriter } from '../../../src/collectors/ecs-writer.ts';
import { ExpositionReader } from '../../../src/collectors/scrape/exposition.ts';
import { httpGet } from '../../../src/collectors/scrape/http-get.ts';
import { ScrapeCollector } from '../../../src/collectors/scrape/scrape-collector.ts';
import { collectorDefaults } from '../../../src/collectors/settings.ts';
import { fuzzRounds, fuzzSeed } from '../../support/fuzz.ts';
import { memorySinks } from './support/memory-sink.ts';

const writer = new EcsWriter();
const NOW = Date.UTC(2026, 10, 22, 12);

function read(text: string): { samples: Record<string, unknown>[]; malformed: string[] } {
  const bytes = Buffer.from(text);
  const samples: Record<string, unknown>[] = [];
  const malformed: string[] = [];
  new ExpositionReader(writer).read(bytes, {
    targetLabels: Buffer.from('"instance":"i"'),
    nowMs: NOW,
    take: () => {
      samples.push(
        JSON.parse(writer.buffer.toString('utf8', 0, writer.pos)) as Record<string, unknown>,
      );
      return true;
    },
    malformed: (start, end) => malformed.push(bytes.toString('utf8', start, end)),
  });
  return { samples, malformed };
}

describe('ExpositionReader', () => {
  it('reads names, types, values, labels and stamps', () => {
    const { samples, malformed } = read(
      [
        '# HELP http_requests_total The "total"',
        '# TYPE http_requests_total counter',
        'http_requests_total{method="post",path="C:\\\\DIR\\n\\"x\\"",} 1027 1395066363000',
        'http_requests_total 3 # {trace="x"} 1',
        '# TYPE rpc_seconds histogram',
        'rpc_seconds_bucket{le="+Inf"} 2.5e+3',
        'rpc_seconds_sum 5',
        'other{ a = "1" , b="é" } .5',
        '  spaced \t 1',
        '',
      ].join('\r\n'),
    );
    expect(malformed).toEqual([]);
    const stamp = '2026-11-22T12:00:00.000Z';
    expect(samples).toEqual([
      {
        '@timestamp': '2014-03-17T14:26:03.000Z',
        name: 'http_requests_total',
        type: 'counter',
        value: 1027,
        labels: { instance: 'i', method: 'post', path: 'C:\\DIR\n"x"' },
      },
      {
        '@timestamp': stamp,
        name: 'http_requests_total',
        type: 'counter',
        value: 3,
        labels: { instance: 'i' },
      },
      {
        '@timestamp': stamp,
        name: 'rpc_seconds_bucket',
        type: 'histogram',
        value: 2500,
        labels: { instance: 'i', le: '+Inf' },
      },
      {
        '@timestamp': stamp,
        name: 'rpc_seconds_sum',
        type: 'histogram',
        value: 5,
        labels: { instance: 'i' },
      },
      {
        '@timestamp': stamp,
        name: 'other',
        type: 'untyped',
        value: 0.5,
        labels: { instance: 'i', a: '1', b: 'é' },
      },
      { '@timestamp': stamp, name: 'spaced', type: 'untyped', value: 1, labels: { instance: 'i' } },
    ]);
  });

  it('keeps a label of the sample that the target has, too, under another name', () => {
    expect(
      read('a{instance="theirs",b="c"} 1\nb{exported_instance="x",instances="y"} 1\n').samples,
    ).toMatchObject([
      { labels: { instance: 'i', exported_instance: 'theirs', b: 'c' } },
      { labels: { instance: 'i', exported_instance: 'x', instances: 'y' } },
    ]);
  });

  it('keeps what JSON has no number for', () => {
    expect(
      read('a NaN\nb +Inf\nc -inf\n').samples.map((s) => [s['value'], s['value_text']]),
    ).toEqual([
      [null, 'NaN'],
      [null, '+Inf'],
      [null, '-Inf'],
    ]);
  });

  it.each([
    'a',
    'a{b="c" 1',
    'a{b=c} 1',
    'a{="c"} 1',
    'a x',
    '1a 2',
    'a{b="c"}',
    'a 1 later',
    '{} 1',
    'a{b="\\',
  ])('refuses %j', (line) => {
    expect(read(`${line}\nok 1\n`)).toMatchObject({ malformed: [line], samples: [{ name: 'ok' }] });
  });

  it('survives random and mutated text', () => {
    const random = seededRandom(fuzzSeed(20_261_122));
    const sample = 'a_total{b="c\\"d",e="f"} 1.5e3 123 # {x="y"} 1\n# TYPE a_total counter\n';
    for (let i = fuzzRounds(20_000); i > 0; i--) {
      const bytes = Buffer.from(sample);
      for (let edits = 0; edits < 3; edits++)
        bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256);
      read(bytes.toString('latin1'));
    }
  });
});

describe('the scrape collector', () => {
  let collector: ScrapeCollector;
  let server: http.Server;
  let answer: (response: http.ServerResponse, request: http.IncomingMessage) => void;
  const sinks = memorySinks();
  const get = httpGet(systemClock, nodeTransport);

  async function serve(limits: { timeoutMs?: number; bodyBytesMax?: number } = {}): Promise<void> {
    server = http.createServer((request, response) => answer(response, request));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const targets = [`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`];
    collector = new ScrapeCollector({
      settings: { ...collectorDefaults.scrape, targets, intervalMs: 50, ...limits },
      sinks: sinks.factory,
      get,
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
    });
    await collector.start();
  }
  afterEach(async () => {
    await collector.stop();
    get.close();
    server.closeAllConnections();
    server.close();
    expect(collector.balance.inFlight).toBe(0);
  });

  const values = (name: string): unknown[] =>
    sinks
      .sink()
      .records('metrics')
      .filter((record) => record['name'] === name)
      .map((record) => record['value']);

  it('stores samples, and says that the target is up', async () => {
    answer = (response) => response.end('x 1\nbad\n');
    await serve();
    await expect.poll(() => values('x').length).toBeGreaterThan(2);
    expect(values('up')[0]).toBe(1);
    expect(values('scrape_samples_scraped')[0]).toBe(1);
    expect(collector.balance.rejected.get('malformed')).toBeGreaterThan(0);
    expect(sinks.sink().stored[0]?.headers['weir.source']).toBe('scrape');
  });

  it('reads an answer in chunks', async () => {
    answer = (response) =>
      response.socket?.end(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nx 7\n\r\n0\r\n\r\n',
      );
    await serve();
    await expect.poll(() => values('x').length).toBeGreaterThan(2);
    expect(values('x')[0]).toBe(7);
  });

  it.each([
    [
      // As Envoy does, unless it is told otherwise.
      'speaks no HTTP/1.0',
      (response: http.ServerResponse, request: http.IncomingMessage) =>
        request.httpVersion === '1.0' ? response.writeHead(426).end() : response.end('x 7\n'),
    ],
    [
      'keeps the connection open, asked or not',
      (response: http.ServerResponse) =>
        response.socket?.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nx 7\n'),
    ],
    [
      'is elsewhere',
      (response: http.ServerResponse, request: http.IncomingMessage) =>
        request.url === '/metrics'
          ? response.writeHead(302, { location: '/prometheus?a=b' }).end()
          : response.end(request.url === '/prometheus?a=b' ? 'x 7\n' : ''),
    ],
    [
      'compresses unasked',
      (response: http.ServerResponse) =>
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x 7\n')),
    ],
  ])('reads a target that %s', async (_what, behave) => {
    answer = behave;
    await serve({ timeoutMs: 2000 });
    await expect.poll(() => values('x'), { timeout: 1500 }).toContain(7);
    expect(values('up')).not.toContain(0);
  });

  it.each([
    [
      'answers 500',
      (response: http.ServerResponse) => response.writeHead(500).end(),
      'answered 500',
    ],
    ['never answers', () => {}, 'no answer within 100 ms'],
    [
      'says too much',
      (response: http.ServerResponse) => response.end('x'.repeat(20_000)),
      'more than 10000 bytes',
    ],
    [
      'unpacks to too much',
      (response: http.ServerResponse) =>
        response
          .writeHead(200, { 'content-encoding': 'gzip' })
          .end(gzipSync('x 1\n'.repeat(5_000))),
      'more than 10000 bytes',
    ],
    [
      'sends on to what is no HTTP',
      (response: http.ServerResponse) => response.writeHead(302, { location: 'ftp://x/' }).end(),
      'answered 302',
    ],
    [
      'answers with a page',
      (response: http.ServerResponse) => response.end('<html>\n<p>Welcome</p>\n</html>\n'),
      'no line of the answer is a sample',
    ],
    [
      'hangs up',
      (response: http.ServerResponse) => response.destroy(),
      'the connection ended before the answer',
    ],
  ])('tells a target that %s', async (_what, behave, reason) => {
    answer = behave;
    await serve({ timeoutMs: 100, bodyBytesMax: 10_000 });
    await expect.poll(() => values('up')).toContain(0);
    expect(collector.status()).toMatchObject({
      light: 'yellow',
      reason: expect.stringContaining(reason) as unknown,
    });
    answer = (response) => response.end('x 1\n');
    await expect.poll(() => values('up')).toContain(1);
    expect(collector.status().light).toBe('green');
  });
});
