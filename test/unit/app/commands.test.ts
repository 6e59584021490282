import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { configCommand } from '../../../src/cli/config.ts';
import { metricsCommand } from '../../../src/cli/metrics.ts';
import { runCommand } from '../../../src/cli/run.ts';
import { startScreen } from '../../../src/cli/start-screen.ts';
import { statusCommand } from '../../../src/cli/status.ts';
import { readConfiguration, settingsOf } from '../../../src/config/configuration.ts';
import type { ApplianceStatus } from '../../../src/console/status.ts';
import { fakeTerminal } from '../cli/fake-terminal.ts';

const commands = [statusCommand, configCommand, metricsCommand];

let folder: string;
let server: http.Server | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-commands-'));
});

afterEach(() => {
  server?.close();
  server = null;
  rmSync(folder, { recursive: true });
});

const run = async (...argv: string[]) => {
  const terminal = fakeTerminal();
  const code = await runCommand(commands, argv, terminal);
  return { code, out: terminal.written(), err: terminal.errors() };
};

const appliance = async (answers: Record<string, string>, token?: string): Promise<string> => {
  server = http.createServer((request, response) => {
    const answer = answers[request.url ?? ''];
    const refused = token !== undefined && request.headers.authorization !== `Bearer ${token}`;
    response.writeHead(refused ? 401 : answer === undefined ? 404 : 200).end(answer ?? '');
  });
  const listening = server.listen(0, '127.0.0.1');
  await new Promise((resolve) => listening.once('listening', resolve));
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
};

const status: ApplianceStatus = {
  version: '1.2.3',
  light: 'yellow',
  uptimeSeconds: 200,
  dataDir: '/data',
  bootstrap: ['127.0.0.1:9092'],
  endpoints: [{ what: 'Kafka', where: '127.0.0.1:9092', note: 'any Kafka client' }],
  warnings: ['kafka.host: 0.0.0.0 is open'],
  roles: [
    { name: 'broker', light: 'green', reason: '', details: {} },
    { name: 'collectors', light: 'yellow', reason: 'port 5514 is taken', details: {} },
  ],
  topics: [
    {
      name: 'logs',
      partitions: 1,
      records: 12,
      unknown: 0,
      replicationFactor: 1,
      underReplicated: 0,
    },
  ],
  topicsReason: '',
  process: { pid: 7, residentBytes: 104_857_600, node: '26.0.0' },
};

describe('weir status', () => {
  it('tells of every broker, where there are several', async () => {
    const broker = (id: number, details: Record<string, unknown>) => ({
      name: `broker-${id}`,
      light: 'green' as const,
      reason: '',
      details: { restarts: 0, ...details },
    });
    const counts = { leaders: 4, replicas: 9, underReplicated: 1 };
    const url = await appliance({
      '/api/v1/status': JSON.stringify({
        ...status,
        bootstrap: ['127.0.0.1:9092', '127.0.0.1:9093'],
        roles: [
          broker(0, { ...counts, isController: true, listeners: ['127.0.0.1:9092'] }),
          { ...broker(1, { restarts: 2 }), light: 'red', reason: 'does not run' },
        ],
      }),
    });
    const { out } = await run('status', '--url', url);
    expect(out).toMatch(/broker-1 +red +does not run\n/);
    expect(out).toMatch(/^ +0 +127\.0\.0\.1:9092 +yes +4 +9 +1 +0$/m);
    expect(out).toMatch(/^ +1 +- +- +- +- +2$/m);
    expect(out).toMatch(/logs +1 +12 +1 +0\n/);
  });

  it('tells of replicas, where the other brokers are processes of their own', async () => {
    const [logs] = status.topics!;
    const shown = async (more: Partial<ApplianceStatus>): Promise<string> => {
      const url = await appliance({ '/api/v1/status': JSON.stringify({ ...status, ...more }) });
      return (await run('status', '--url', url)).out;
    };
    const bootstrap = ['127.0.0.1:9092', '127.0.0.1:9093'];
    expect(await shown({ bootstrap })).toMatch(/RECORDS +REPLICATION-FACTOR +UNDER-REPLICATED\n/);
    const replicated = { ...logs!, replicationFactor: 3, underReplicated: 1 };
    expect(await shown({ topics: [replicated] })).toMatch(/logs +1 +12 +3 +1\n/);
    expect(await shown({})).not.toContain('UNDER-REPLICATED');
  });

  it('says of which partitions the records are not counted', async () => {
    const [logs] = status.topics!;
    const topics = [{ ...logs!, partitions: 3, unknown: 2 }];
    const url = await appliance({ '/api/v1/status': JSON.stringify({ ...status, topics }) });
    const { out } = await run('status', '--url', url);
    expect(out).toMatch(/logs +3 +≥ 12\n/);
    expect(out).toContain('! logs: records of 2 of 3 partitions are not counted');
  });

  it('prints what every part says, and exits with 0 while all work', async () => {
    const url = await appliance({ '/api/v1/status': JSON.stringify(status) });
    const { code, out } = await run('status', '--url', url);
    expect(code).toBe(0);
    expect(out).toContain('Weir 1.2.3: yellow, up 3 min, 100 MB resident, pid 7\n');
    expect(out).toMatch(/broker +green +works\n/);
    expect(out).toMatch(/collectors +yellow +port 5514 is taken\n/);
    expect(out).toMatch(/logs +1 +12\n/);
    expect(out).toContain('! kafka.host: 0.0.0.0 is open\n');
  });

  it('exits with 1 when a part does not work, and prints JSON for programs', async () => {
    const url = await appliance({ '/api/v1/status': JSON.stringify({ ...status, light: 'red' }) });
    const { code, out } = await run('status', '--url', url, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual({ ...status, light: 'red' });
  });

  it('says what to look at when nobody answers', async () => {
    const url = await appliance({});
    server?.close();
    const { code, err } = await run('status', '--url', url);
    expect(code).toBe(1);
    expect(err).toMatch(/^weir: no console answers at http:.* is it running \(weir up\)/);
  });

  it.each(['banana', 'ftp://127.0.0.1', '127.0.0.1:8080'])(
    'takes %j for a mistake of the user',
    async (url) => {
      const { code, err } = await run('status', '--url', url);
      expect(code).toBe(2);
      expect(err).toBe(`weir: --url takes http://HOST:PORT; saw '${url}'\n`);
    },
  );

  it('sends its token, and says when one is wanted', async () => {
    const url = await appliance({ '/api/v1/status': JSON.stringify(status) }, 's3cret');
    expect((await run('status', '--url', url, '--token', 's3cret')).code).toBe(0);
    expect((await run('status', '--url', url)).err).toBe(
      `weir: ${url} wants its token: --token TOKEN\n`,
    );
  });
});

describe('weir metrics', () => {
  const text = '# TYPE a gauge\na{topic="x"} 1\na{topic="y"} 2\n# TYPE bc counter\nbc 3\n';

  it('prints a table, filtered by name', async () => {
    const url = await appliance({ '/metrics': text });
    const { out } = await run('metrics', 'a', '--url', url);
    expect(out).toBe('METRIC        VALUE\na{topic="x"}      1\na{topic="y"}      2\n');
    expect((await run('metrics', 'nothing', '--url', url)).code).toBe(1);
  });

  it('prints JSON, or the text as it is served', async () => {
    const url = await appliance({ '/metrics': text });
    const { out } = await run('metrics', 'bc', '--url', url, '--json');
    expect(JSON.parse(out)).toEqual([{ name: 'bc', labels: {}, value: 3 }]);
    expect((await run('metrics', '--raw', '--url', url)).out).toContain(
      '# TYPE bc counter\nbc 3\n',
    );
    expect(await run('metrics', 'bc 3', '--raw', '--url', url)).toMatchObject({
      ...{ code: 0, out: 'bc 3\n' },
    });
    expect(await run('metrics', 'nothing', '--raw', '--url', url)).toMatchObject({
      ...{ code: 1, out: '' },
    });
  });
});

describe('weir config', () => {
  // What these tests themselves are told by environment is no key.
  beforeEach(() => {
    for (const name of Object.keys(process.env)) {
      if (name.startsWith('WEIR_')) vi.stubEnv(name, undefined);
    }
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('says that no key has a text, and which may have been meant', async () => {
    const { code, out, err } = await run('config', 'keys', 'brokrs');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toBe("weir: no key has 'brokrs' in its name or meaning; did you mean 'brokers'?\n");
    expect((await run('config', 'keys', 'brokers')).code).toBe(0);
  });

  it('checks a file, and exits with 1 when something is wrong', async () => {
    const file = join(folder, 'weir.yaml');
    writeFileSync(file, 'console:\n  prot: 1\n');
    const { code, out } = await run('config', 'check', file);
    expect(code).toBe(1);
    expect(out).toBe(`${file}:2:3: unknown key console.prot; did you mean console.port?\n`);
    writeFileSync(file, 'console:\n  port: 1\n');
    const good = await run('config', 'check', file, '--json');
    expect(good.code).toBe(0);
    expect(JSON.parse(good.out)).toEqual({ file, problems: [], warnings: [] });
  });

  it('shows effective values with their origin, and never a secret', async () => {
    const file = join(folder, 'weir.yaml');
    writeFileSync(file, 'console.token: open-sesame\n');
    const { code, out } = await run('config', 'show', file, '--given', '--set', 'kafka.port=1');
    expect(code).toBe(0);
    expect(out).toBe(
      'KEY            VALUE  FROM\nkafka.port     1      --set\nconsole.token  ***    weir.yaml:1\n',
    );
    const all = await run('config', 'show', file, '--json');
    expect(all.out).not.toContain('open-sesame');
  });

  it('lists keys with their meaning', async () => {
    const { out } = await run('config', 'keys', 'console.port');
    expect(out).toBe(
      'console.port\n    Its port; 0 takes any free one.\n    a whole number; default 8080\n',
    );
  });

  it('suggests the command that was meant', async () => {
    const { code, err } = await run('config', 'chekc');
    expect(code).toBe(2);
    expect(err).toContain("did you mean 'check'?");
  });
});

describe('the first screen', () => {
  it('fits a terminal of a hundred columns, and needs no console', async () => {
    const screenOf = async (set: Record<string, string>): Promise<string> => {
      const options = Object.entries(set).map(([name, value]) => ({
        name,
        value,
        option: '--set',
      }));
      const sources = { environment: {}, options, workingDirectory: folder };
      const settings = settingsOf(await readConfiguration(sources), '1.2.3', '/srv');
      return startScreen({ settings, configFile: null, warnings: ['beware'], startedInMs: 321 });
    };
    const full = await screenOf({});
    for (const line of full.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
    expect(full).toMatch(
      /^Weir 1\.2\.3 is up \(0\.32 s\): broker, collectors, connectors, console\n/,
    );
    expect(full).toContain('npx weir tail ');
    expect(full).not.toContain('--bootstrap-server');
    expect(full).toContain('  ! beware\n');
    const three = await screenOf({ brokers: '3', 'data.dir': '/a,/b,/c' });
    expect(three).toMatch(/^Weir 1\.2\.3 is up \(0\.32 s\): 3 brokers, collectors/);
    for (const port of [9092, 9093, 9094]) expect(three).toContain(`127.0.0.1:${port}`);
    expect(three).toMatch(/Data +\/a\n +\/b\/broker-1\n +\/c\/broker-2\n/);
    for (const line of three.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
    const one = await screenOf({ brokers: '3', 'brokers.here': '1', roles: 'broker' });
    expect(one).toMatch(/^Weir 1\.2\.3 is up \(0\.32 s\): broker 1 of 3\n/);
    const secured = await screenOf({
      'broker.listeners': 'CLIENTS://127.0.0.1:9092',
      'broker.listener.security.protocol.map': 'CLIENTS:SASL_PLAINTEXT',
      'broker.listener.name.clients.sasl.enabled.mechanisms': 'SCRAM-SHA-512',
      'data.dir': "/it's here",
    });
    expect(secured).toContain(
      `npx weir tail --bootstrap-server 127.0.0.1:19092 --data '/it'\\''s here'\n`,
    );
    expect(secured).not.toContain('kcat');
    const inner = {
      'broker.listeners': 'SASL_SSL://127.0.0.1:9092,INNER://127.0.0.1:9192',
      'broker.listener.security.protocol.map': 'SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,INNER:SSL',
      'broker.inter.broker.listener.name': 'INNER',
    };
    expect(await screenOf(inner)).toContain('npx weir tail --command-config FILE\n');
    const open = {
      ...inner,
      'broker.listeners': 'PLAINTEXT://127.0.0.1:9094,INNER://127.0.0.1:9192',
    };
    expect(await screenOf(open)).toMatch(
      /tail --bootstrap-server 127.0.0.1:9094 +or: kcat -b 127.0.0.1:9094/,
    );
    const kafka = { 'engine.kafka.bootstrap': 'kafka:9093' };
    expect(await screenOf(kafka)).toMatch(/tail --bootstrap-server kafka:9093 +or: kcat/);
    expect(await screenOf({ ...kafka, 'engine.kafka.security.protocol': 'SSL' })).toContain(
      'npx weir tail --bootstrap-server kafka:9093 --command-config FILE\n',
    );
    const bare = await screenOf({ roles: 'broker' });
    expect(bare).not.toContain('curl');
    const shipping = { 'connectors.elasticsearch.url': 'https://u:secret@es:9200/' };
    expect(await screenOf(shipping)).toMatch(/Elasticsearch +https:\/\/es:9200 +gets logs as /);
    expect(await screenOf(shipping)).not.toContain('secret');
  });
});
