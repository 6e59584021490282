import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { App } from '../../../src/app.ts';
import { FatalError } from '../../../src/base/errors.ts';
import { readConfiguration, settingsOf } from '../../../src/config/configuration.ts';
import type { ApplianceStatus } from '../../../src/console/status.ts';
import { metricNames } from '../../../src/observe/catalogue.ts';
import { applianceLog } from '../../../src/observe/logger.ts';
import { parseExposition } from '../../../src/observe/merge-exposition.ts';
import { freePort } from '../../peers/peer.ts';
import type { TestRole } from './roles/role.ts';

const entry = new URL('./roles/role.ts', import.meta.url);

let folder: string;
const apps: App[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-app-'));
});

afterEach(async () => {
  for (const app of apps.splice(0)) await app.stop();
  rmSync(folder, { recursive: true });
});

/** With a role for each broker, or one for all. */
const appliance = async (
  role: TestRole | readonly TestRole[] = {},
  set: Record<string, string> = {},
) => {
  const options = Object.entries({
    'console.port': '0',
    'kafka.port': '0',
    'collectors.http.enabled': 'false',
    'connectors.elasticsearch.url': 'http://127.0.0.1:1',
    ...set,
  }).map(([name, value]) => ({ name, value, option: '--set' }));
  const sources = { environment: {}, options, workingDirectory: folder };
  const settings = settingsOf(await readConfiguration(sources), '9.9.9', folder);
  const lines: string[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString());
      done();
    },
  });
  const app = new App({
    settings: {
      ...settings,
      brokers: settings.brokers.map((broker, i) => {
        const own = Array.isArray(role) ? (role as readonly TestRole[])[i] : role;
        return { ...broker, given: { ...broker.given, ...(own as object) } };
      }),
    },
    warnings: ['something to know'],
    log: applianceLog({ level: 'info', format: 'json', stream }),
    entries: { broker: entry, collectors: entry, connectors: entry },
    stopMsMax: 3_000,
  });
  apps.push(app);
  return { app, lines };
};

const url = (app: App): string => `http://127.0.0.1:${app.settings.values['console.port']}`;

const get = async (app: App, path: string, headers: Record<string, string> = {}) => {
  const answer = await fetch(`${url(app)}${path}`, { headers });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
};

/** A folder that can't be made, as on a disk that is gone: a file is in its place. */
const deadDisk = (): string => {
  const file = join(folder, 'dead');
  writeFileSync(file, '');
  return file;
};

const lightsOf = async (app: App): Promise<Record<string, string>> =>
  Object.fromEntries((await app.roles()).map(({ name, light }) => [name, light]));

const until = async (holds: () => Promise<boolean>): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
};

const brokersOnly = { roles: 'broker,console' };

const statusOf = async (app: App): Promise<ApplianceStatus> =>
  JSON.parse((await get(app, '/api/v1/status')).text) as ApplianceStatus;

describe('the appliance', () => {
  it('starts its roles, serves, and stops in order with its lock given back', async () => {
    const { app, lines } = await appliance();
    await app.start();
    const status = await statusOf(app);
    expect(status.roles.map((role) => [role.name, role.light])).toEqual([
      ['broker', 'green'],
      ['collectors', 'green'],
      ['connectors', 'green'],
      ['console', 'green'],
    ]);
    expect(status).toMatchObject({
      version: '9.9.9',
      light: 'green',
      warnings: ['something to know'],
    });
    expect(app.settings.bootstrap).toEqual(['127.0.0.1:4242']);
    expect((await get(app, '/healthz')).status).toBe(200);
    expect((await get(app, '/readyz')).status).toBe(200);
    await app.stop();
    const stopped = lines
      .map((line) => JSON.parse(line) as { message: string; weir?: { role: string } })
      .filter((line) => line.message === 'stopped in order')
      .map((line) => line.weir?.role);
    expect(stopped).toEqual(['connectors', 'collectors', 'broker']);
    expect(existsSync(join(folder, 'weir-data', 'weir.lock'))).toBe(false);
    await expect(get(app, '/healthz')).rejects.toThrow();
  });

  it('starts no thread for a role that has nothing to do, and says why', async () => {
    const off = ['syslog', 'files', 'scrape'].map((name) => [
      `collectors.${name}.enabled`,
      'false',
    ]);
    const set = { ...Object.fromEntries(off), 'connectors.elasticsearch.url': '' };
    const { app } = await appliance({}, set as Record<string, string>);
    await app.start();
    const { roles, light } = await statusOf(app);
    expect(light).toBe('green');
    expect(roles.map(({ name, reason }) => [name, reason])).toEqual([
      ['broker', ''],
      ['collectors', 'nothing to do: syslog, files and scrape are off'],
      ['connectors', 'nothing to do: connectors.elasticsearch.url is not set'],
      ['console', ''],
    ]);
  });

  it('refuses a data folder that is in use, and leaves the other one alone', async () => {
    const { app: first } = await appliance();
    await first.start();
    const { app: second } = await appliance();
    await expect(second.start()).rejects.toThrow(/is in use by process/);
    expect((await get(first, '/healthz')).status).toBe(200);
  });

  it('ends a start that was under way when it is told to stop', async () => {
    const { app } = await appliance();
    const started = app.start();
    await app.stop();
    await expect(started).rejects.toThrow();
    expect(existsSync(join(folder, 'weir-data', 'weir.lock'))).toBe(false);
    const { app: next } = await appliance();
    await next.start();
  });

  it('does not start without its broker', async () => {
    const { app } = await appliance({ start: 'fatal' });
    await expect(app.start()).rejects.toThrow(new FatalError('port 9092 is taken'));
    expect(existsSync(join(folder, 'weir-data', 'weir.lock'))).toBe(false);
  });

  it('does not start when the port of the console is taken, and says what to do', async () => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as net.AddressInfo;
    const { app } = await appliance({}, { 'console.port': String(port) });
    await expect(app.start()).rejects.toThrow(
      `port ${port} of 127.0.0.1 (console) is taken by another program; stop it, or choose another port: --set console.port=${port + 1}`,
    );
    taken.close();
  });

  it('goes on while a role dies and comes back', async () => {
    const { app } = await appliance(
      { dies: 'throw', diesAfterMs: 300 },
      { roles: 'broker,console' },
    );
    await app.start();
    const seen = new Set<string>();
    let restarts = 0;
    while (restarts < 1 || !seen.has('red')) {
      const { roles } = await statusOf(app);
      const broker = roles.find((role) => role.name === 'broker');
      seen.add(broker!.light);
      restarts = Number(broker!.details['restarts']);
      if (broker!.light === 'red') {
        expect(broker!.reason).toMatch(/not run(ning)?: Error: an invariant does not hold$/);
      }
    }
    const samples = parseExposition((await get(app, '/metrics')).text);
    const counted = samples.find((s) => s.name === 'weir_role_restarts_total');
    expect(counted?.labels).toEqual({ role: 'broker', broker: '0' });
  });

  it('exposes one valid text of all threads, in which every family of ours is known', async () => {
    const { app } = await appliance();
    await app.start();
    await get(app, '/healthz');
    const { text, headers } = await get(app, '/metrics');
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toContain(
      'test_role{broker="0",name="broker"} 1\ntest_role{name="collectors"} 1\n',
    );
    const types = [...text.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1]!);
    expect(new Set(types).size).toBe(types.length);
    const ours = types.filter((name) => name.startsWith('weir_'));
    expect(ours.length).toBeGreaterThan(8);
    for (const name of ours) expect(metricNames).toContain(name);
    const samples = parseExposition(text);
    expect(samples.find((s) => s.name === 'weir_metrics_duplicate_series_total')?.value).toBe(0);
    expect(samples.filter((s) => s.name === 'weir_role_up').map((s) => s.value)).toEqual([1, 1, 1]);
  });
});

describe('an appliance of several brokers', () => {
  const three = { ...brokersOnly, brokers: '3', 'data.dir': 'd1,d2,d3' };

  it('starts a thread for each, tells each of all, and locks every folder', async () => {
    const { app, lines } = await appliance({}, three);
    await app.start();
    expect(await lightsOf(app)).toEqual({
      'broker-0': 'green',
      'broker-1': 'green',
      'broker-2': 'green',
      console: 'green',
    });
    const { bootstrap, brokers } = app.settings;
    expect(new Set(bootstrap).size).toBe(3);
    for (const { given, address } of brokers) {
      expect(address).not.toMatch(/:0$/);
      expect(given['cluster.brokers']).toEqual(brokers.map((b) => `${b.id}@${b.address}`));
    }
    const folders = ['d1', 'd1/broker-0', 'd2/broker-1', 'd3/broker-2'];
    const locks = folders.map((name) => join(folder, name, 'weir.lock'));
    for (const lock of locks) expect(existsSync(lock), lock).toBe(true);
    const { app: second } = await appliance({}, { ...three, 'data.dir': 'd4,d2,d5' });
    await expect(second.start()).rejects.toThrow(/d2\/broker-1 is in use by process/);
    expect(await app.stop()).toBe(true);
    for (const lock of locks) expect(existsSync(lock), lock).toBe(false);
    const stopped = lines.filter((line) => line.includes('stopped in order'));
    expect(stopped).toHaveLength(3);
  });

  it('makes them one cluster, and one with brokers that come later', async () => {
    const clusterOf = (dir: string): string | undefined =>
      /^cluster\.id=(.+)$/m.exec(readFileSync(join(folder, dir, 'meta.properties'), 'utf8'))?.[1];
    const { app } = await appliance({}, { ...brokersOnly, 'data.dir': 'd1' });
    await app.start();
    await app.stop();
    const first = clusterOf('d1/broker-0');
    expect(first).toBeDefined();
    const { app: grown } = await appliance({}, three);
    await grown.start();
    await grown.stop();
    for (const dir of ['d1/broker-0', 'd2/broker-1', 'd3/broker-2']) {
      expect(clusterOf(dir)).toBe(first);
    }
  });

  it('starts with a majority when a disk is dead, and takes the broker in when it is back', async () => {
    const dead = deadDisk();
    const { app } = await appliance({}, { ...three, 'data.dir': `d1,${dead},d3` });
    await app.start();
    const { roles, light } = await statusOf(app);
    expect(light).toBe('red');
    expect(roles.find(({ name }) => name === 'broker-1')?.reason).toMatch(
      /can't use the data folder/,
    );
    expect((await get(app, '/readyz')).status).toBe(200);
    expect((await get(app, '/metrics/broker/1')).status).toBe(503);
    const up = parseExposition((await get(app, '/metrics')).text).filter(
      ({ name }) => name === 'weir_role_up',
    );
    expect(up.map(({ labels, value }) => [labels['role'], labels['broker'], value])).toEqual([
      ['broker-0', '0', 1],
      ['broker-1', '1', 0],
      ['broker-2', '2', 1],
    ]);
    rmSync(dead);
    await until(async () => (await lightsOf(app))['broker-1'] === 'green');
    const ids = ['d1/broker-0', 'dead/broker-1'].map((dir) =>
      /^cluster\.id=.+$/m.exec(readFileSync(join(folder, dir, 'meta.properties'), 'utf8')),
    );
    expect(ids[0]?.[0]).toBe(ids[1]?.[0]);
  });

  it('does not start with a minority, and says why', async () => {
    const { app } = await appliance([{ start: 'fatal' }, {}, { start: 'fatal' }], three);
    await expect(app.start()).rejects.toThrow(
      /[01] of 3 brokers can start, and 2 are needed:\n {2}broker-0: port 9092 is taken\n {2}broker-2: port/,
    );
    expect(existsSync(join(folder, 'd1', 'weir.lock'))).toBe(false);
  });

  it('restarts one that dies, and no other', async () => {
    const { app } = await appliance([{}, { dies: 'throw', diesAfterMs: 300 }, {}], three);
    await app.start();
    const restarts = async () =>
      (await app.roles())
        .filter(({ name }) => name.startsWith('broker'))
        .map(({ details }) => Number(details['restarts'] ?? -1));
    await until(async () => (await restarts())[1]! > 0);
    expect(await restarts()).toEqual([0, expect.any(Number), 0]);
    expect((await get(app, '/readyz')).status).toBe(200);
  });

  it('tells their metrics apart, in one text and in one for each', async () => {
    const { app } = await appliance({}, { ...three, 'metrics.labels': 'kafka_cluster=weir' });
    await app.start();
    const { text } = await get(app, '/metrics');
    const series = (id: number): string =>
      `test_role{broker="${id}",kafka_cluster="weir",name="broker-${id}"} 1\n`;
    expect(text).toContain(`# TYPE test_role gauge\n${series(0)}${series(1)}${series(2)}`);
    const one = (await get(app, '/metrics/broker/2')).text;
    expect(one).toBe(`# TYPE test_role gauge\n${series(2)}`);
    const rest = (await get(app, '/metrics/appliance')).text;
    expect(rest).toContain('weir_build_info{kafka_cluster="weir",');
    expect(rest).not.toContain('test_role');
    expect((await get(app, '/metrics/broker/3')).status).toBe(404);
  });

  it('tells when a stop was not in order', async () => {
    const { app } = await appliance([{}, { stop: 'hang' }, {}], three);
    await app.start();
    expect(await app.stop()).toBe(false);
  });

  it('runs one of them in a process of its own, which owns only that one’s folders', async () => {
    const ports = { ...three, 'kafka.port': String(await freePort()), roles: 'broker' };
    const { app: one } = await appliance({}, { ...ports, 'brokers.here': '1' });
    const { app: two } = await appliance({}, { ...ports, 'brokers.here': '2' });
    await Promise.all([one.start(), two.start()]);
    expect(await lightsOf(one)).toEqual({ 'broker-1': 'green' });
    expect(await lightsOf(two)).toEqual({ 'broker-2': 'green' });
    expect(existsSync(join(folder, 'd1', 'weir.lock'))).toBe(false);
    expect(existsSync(join(folder, 'd1', 'format.lock'))).toBe(false);
    const { app: again } = await appliance({}, { ...ports, 'brokers.here': '1' });
    await expect(again.start()).rejects.toThrow(/in use/);
  });
});
