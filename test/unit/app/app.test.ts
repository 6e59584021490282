import { existsSync, mkdtempSync, rmSync } from 'node:fs';
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

const appliance = async (role: TestRole = {}, set: Record<string, string> = {}) => {
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
    settings: { ...settings, broker: role as never },
    warnings: ['something to know'],
    log: applianceLog({ level: 'info', format: 'json', stream }),
    entries: { broker: entry, collectors: entry, connectors: entry },
  });
  apps.push(app);
  return { app, lines };
};

const url = (app: App): string => `http://127.0.0.1:${app.settings.values['console.port']}`;

const get = async (app: App, path: string, headers: Record<string, string> = {}) => {
  const answer = await fetch(`${url(app)}${path}`, { headers });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
};

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
    expect(counted?.labels).toEqual({ role: 'broker' });
  });

  it('exposes one valid text of all threads, in which every family of ours is known', async () => {
    const { app } = await appliance();
    await app.start();
    await get(app, '/healthz');
    const { text, headers } = await get(app, '/metrics');
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toContain('test_role{name="broker"} 1\ntest_role{name="collectors"} 1\n');
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
