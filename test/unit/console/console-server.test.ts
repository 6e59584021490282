import net from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { OperatingError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { type ConsoleOptions, ConsoleServer } from '../../../src/console/console-server.ts';
import { MetricsPage } from '../../../src/console/metrics-page.ts';
import type { ApplianceStatus } from '../../../src/console/status.ts';
import { CachedTopics } from '../../../src/console/topics.ts';
import { parseExposition } from '../../../src/observe/merge-exposition.ts';
import { MetricsRegistry } from '../../../src/observe/registry.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const servers: ConsoleServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

const serve = async (given: Partial<ConsoleOptions> = {}) => {
  const registry = new MetricsRegistry();
  const errors: string[] = [];
  const server = new ConsoleServer({
    host: '127.0.0.1',
    port: 0,
    token: null,
    connectionsMax: 100,
    requestTimeoutMs: 2_000,
    clock: systemClock,
    logger: { ...silentLogger, error: (message) => errors.push(message) },
    registry,
    metrics: new MetricsPage(systemClock, () => [Promise.resolve('x 1\n')]),
    status: () => Promise.resolve({ version: '1.2.3' } as ApplianceStatus),
    notReady: () => Promise.resolve([]),
    plugins: [],
    ...given,
  });
  servers.push(server);
  const port = await server.start();
  return { server, registry, errors, port, base: `http://127.0.0.1:${port}` };
};

describe('the console', () => {
  it('serves the page under a policy that allows nothing from elsewhere', async () => {
    const { base } = await serve();
    const answer = await fetch(base);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(await answer.text()).toContain('<title>Weir</title>');
  });

  it('answers what it does not know, and what is not for it, with an error as JSON', async () => {
    const { base } = await serve();
    const answer = await fetch(`${base}/nothing`);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toEqual({
      error: { code: 'not-found', message: 'nothing is served under GET /nothing' },
    });
    expect((await fetch(`${base}/api/v1/status`, { method: 'POST' })).status).toBe(404);
  });

  it('is not ready while it has reasons not to be', async () => {
    const { base } = await serve({ notReady: () => Promise.resolve(['broker: is away']) });
    const answer = await fetch(`${base}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({ status: 'not ready', reasons: ['broker: is away'] });
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
  });

  it('tells senders of operating errors, and keeps bugs to the log', async () => {
    const { base, errors } = await serve({
      plugins: [
        async (server) => {
          server.get('/full', () =>
            Promise.reject(new OperatingError('overload', 'come back later')),
          );
          server.get('/bug', () => Promise.reject(new TypeError('secret detail')));
        },
      ],
    });
    const full = await fetch(`${base}/full`);
    expect([full.status, await full.json()]).toEqual([
      503,
      { error: { code: 'overload', message: 'come back later' } },
    ]);
    const bug = await fetch(`${base}/bug`);
    expect(bug.status).toBe(500);
    expect(await bug.text()).not.toContain('secret detail');
    expect(errors).toEqual(['HTTP request failed']);
  });

  it('counts requests by route, never by path', async () => {
    const { base, registry } = await serve();
    await fetch(`${base}/healthz`);
    await fetch(`${base}/a`);
    await fetch(`${base}/b`);
    const counted = parseExposition(await registry.text())
      .filter(({ name }) => name === 'weir_http_requests_total')
      .map(({ labels, value }) => [labels['route'], labels['status'], value]);
    expect(counted).toEqual([
      ['/healthz', '200', 1],
      ['(none)', '404', 2],
    ]);
  });

  it('refuses a body where none is taken before it is read', async () => {
    const { base } = await serve({
      plugins: [async (server) => void server.post('/small', async () => 'ok')],
    });
    const body = JSON.stringify({ text: 'x'.repeat(70_000) });
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(`${base}/small`, { method: 'POST', body, headers })).status).toBe(413);
  });

  it('closes a connection that never finishes its request', async () => {
    const { port } = await serve({ requestTimeoutMs: 1_000 });
    const socket = net.connect(port, '127.0.0.1');
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('close', () => resolve(text));
      socket.on('error', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('turns connections above its limit away, and counts them', async () => {
    const { port, registry } = await serve({ connectionsMax: 1 });
    const first = net.connect(port, '127.0.0.1');
    await new Promise((resolve) => first.once('connect', resolve));
    first.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => first.once('data', resolve));
    const second = net.connect(port, '127.0.0.1');
    await new Promise((resolve) => second.once('close', resolve).on('error', () => {}));
    first.destroy();
    const samples = parseExposition(await registry.text());
    expect(samples.find((s) => s.name === 'weir_http_connections_dropped_total')?.value).toBe(1);
  });
});

describe('who may ask', () => {
  it('shows a token where there is one, but for health, page, and metrics on this machine', async () => {
    const { base, registry } = await serve({ token: 'open sesame'.replace(' ', '-') });
    const status = async (path: string, headers: Record<string, string> = {}) =>
      (await fetch(`${base}${path}`, { headers })).status;
    expect(await status('/api/v1/status')).toBe(401);
    expect(await status('/api/v1/status', { authorization: 'Bearer wrong' })).toBe(401);
    expect(await status('/nothing')).toBe(401);
    expect(await status('/api/v1/status', { authorization: 'Bearer open-sesame' })).toBe(200);
    for (const path of ['/healthz', '/readyz', '/', '/metrics'])
      expect(await status(path)).toBe(200);
    const samples = parseExposition(await registry.text());
    expect(samples.find((s) => s.name === 'weir_http_refused_total')?.value).toBe(3);
  });

  it('is no page of another site that writes', async () => {
    const { base } = await serve({
      plugins: [async (server) => void server.post('/write', async () => 'ok')],
    });
    const post = async (origin: string): Promise<number> =>
      (await fetch(`${base}/write`, { method: 'POST', headers: { origin } })).status;
    expect(await post('http://evil.example')).toBe(403);
    expect(await post('null')).toBe(403);
    expect(await post(base)).toBe(200);
  });
});

describe('/metrics', () => {
  it('comes packed when asked for', async () => {
    const { base, port } = await serve();
    const plain = await fetch(`${base}/metrics`, { headers: { 'accept-encoding': 'identity' } });
    expect([plain.headers.get('content-encoding'), await plain.text()]).toEqual([null, 'x 1\n']);
    const raw = await new Promise<Buffer>((resolve) => {
      const chunks: Buffer[] = [];
      const socket = net.connect(port, '127.0.0.1', () => {
        socket.write(
          'GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip;q=1.0\r\nConnection: close\r\n\r\n',
        );
      });
      socket.on('data', (chunk) => chunks.push(Buffer.from(chunk)));
      socket.on('close', () => resolve(Buffer.concat(chunks)));
    });
    const end = raw.indexOf('\r\n\r\n');
    expect(raw.subarray(0, end).toString()).toMatch(/content-encoding: gzip/i);
    expect(gunzipSync(raw.subarray(end + 4)).toString()).toBe('x 1\n');
  });

  it('asks the threads at most once a second, and goes on without one that fails', async () => {
    const clock = new ManualClock();
    let asked = 0;
    const page = new MetricsPage(clock, () => {
      asked += 1;
      return [Promise.resolve(`asked ${asked}\n`), Promise.reject(new Error('stuck'))];
    });
    expect(await Promise.all([page.text(), page.text()])).toEqual(['asked 1\n', 'asked 1\n']);
    clock.advance(999);
    expect(await page.text()).toBe('asked 1\n');
    expect(gunzipSync(await page.zipped()).toString()).toBe('asked 1\n');
    clock.advance(1);
    expect(await page.text()).toBe('asked 2\n');
    expect(gunzipSync(await page.zipped()).toString()).toBe('asked 2\n');
    expect(page.failures).toBe(2);
  });
});

describe('parts of the metrics', () => {
  it('are pages of their own, which fail when their thread does', async () => {
    const of = (answer: () => Promise<string>) =>
      new MetricsPage(systemClock, () => [answer()], { labels: [['c', 'x']], whole: true });
    const gone = () =>
      Promise.reject<string>(new OperatingError('role-gone', 'role broker-1 is not running'));
    const { base } = await serve({
      metricsParts: new Map([
        ['broker/0', of(() => Promise.resolve('up 1\n'))],
        ['broker/1', of(gone)],
      ]),
    });
    expect(await (await fetch(`${base}/metrics/broker/0`)).text()).toBe('up{c="x"} 1\n');
    const down = await fetch(`${base}/metrics/broker/1`);
    expect(down.status).toBe(503);
    expect(await down.json()).toMatchObject({ error: { code: 'role-gone' } });
    expect((await fetch(`${base}/metrics/broker/2`)).status).toBe(404);
  });
});

describe('the topics', () => {
  it('are asked for at most once a second', async () => {
    const clock = new ManualClock();
    let asked = 0;
    const topics = new CachedTopics(
      {
        topics: async () => [
          {
            name: `t${++asked}`,
            partitions: 1,
            records: 0,
            unknown: 0,
            replicationFactor: 1,
            underReplicated: 0,
          },
        ],
      },
      clock,
    );
    const names = async (): Promise<string[]> => (await topics.topics()).map(({ name }) => name);
    expect(await names()).toEqual(['t1']);
    expect(await names()).toEqual(['t1']);
    clock.advance(1_000);
    expect(await names()).toEqual(['t2']);
  });
});
