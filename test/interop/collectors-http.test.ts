import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import zlib from 'node:zlib';
import fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { type HttpCollector, httpCollector } from '../../src/collectors/http/http-collector.ts';
import { collectorDefaults } from '../../src/collectors/settings.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { memorySinks } from '../unit/collectors/support/memory-sink.ts';

describeWithPeers(['curl'], 'curl sends to /ingest', () => {
  const sinks = memorySinks();
  let collector: HttpCollector;
  let app: FastifyInstance;
  let url = '';

  beforeAll(async () => {
    collector = httpCollector({
      settings: { ...collectorDefaults.http, decodedBytesMax: 10_000_000 },
      sinks: sinks.factory,
      clock: systemClock,
      logger: silentLogger,
    });
    app = fastify();
    await app.register(collector.plugin);
    await collector.start();
    await app.listen({ host: '127.0.0.1', port: 0 });
    url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/ingest`;
  });
  afterAll(async () => {
    await app?.close();
    await collector.stop();
    collector.balance.check();
  });
  beforeEach(() => {
    sinks.sink().stored.length = 0;
  });

  /** Runs curl with the body on its standard input; returns the status and the answer. */
  async function curl(body: string | Buffer, ...options: string[]): Promise<[number, unknown]> {
    const child = spawn('curl', [
      '-s',
      '-w',
      '\n%{http_code}',
      ...options,
      '--data-binary',
      '@-',
      url,
    ]);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.stdin.on('error', () => {});
    child.stdin.end(body);
    await once(child, 'close');
    const cut = text.lastIndexOf('\n');
    return [Number(text.slice(cut + 1)), JSON.parse(text.slice(0, cut))];
  }
  const taken = { accepted: 2, rejected: 0, errors: [] };

  it('as a form, which is what it says when told nothing', async () => {
    expect(await curl('{"message":"a"}\n{"message":"b"}')).toEqual([200, taken]);
    expect(await curl('plain\nlines')).toEqual([200, taken]);
    expect(sinks.sink().messages()).toEqual(['a', 'b', 'plain', 'lines']);
  });

  it('in chunks, after asking whether it may', async () => {
    const line = `{"message":"${'x'.repeat(2_000_000)}"}`.replaceAll('x', 'xy').slice(0, 700_000);
    const body = `${line}"}\n${line}"}`;
    const options = [
      '-H',
      'content-type: application/x-ndjson',
      '-H',
      'transfer-encoding: chunked',
      '-H',
      'expect: 100-continue',
    ];
    expect(await curl(body, ...options)).toEqual([200, taken]);
  });

  it.each([
    ['gzip', zlib.gzipSync],
    ['deflate', zlib.deflateSync],
    ['zstd', zlib.zstdCompressSync],
  ] as const)('in %s', async (encoding, compress) => {
    const body = compress(Buffer.from('{"message":"a"}\n{"message":"b"}'));
    expect(await curl(body, '-H', `content-encoding: ${encoding}`)).toEqual([200, taken]);
  });

  it('a bomb, and is refused', async () => {
    const bomb = zlib.gzipSync(Buffer.alloc(200_000_000));
    const [status] = await curl(bomb, '-H', 'content-encoding: gzip');
    expect(status).toBe(413);
  });

  it('too much, and is told before it has sent all', async () => {
    const [status] = await curl(Buffer.alloc(30_000_000, 'x'));
    expect(status).toBe(413);
  });
});
