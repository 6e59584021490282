import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { metricNames } from '../../../src/observe/catalogue.ts';
import { parseExposition } from '../../../src/observe/merge-exposition.ts';

const launcher = resolve(import.meta.dirname, '../../../src/weir.mjs');

let folder: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-launcher-'));
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

/** `oldNode`: this Node says it is version 20, so that the launcher looks for another one. */
const run = (args: string[], oldNode = false, env: Record<string, string> = {}): Run => {
  const preload = join(folder, 'old.mjs');
  writeFileSync(preload, "Object.defineProperty(process, 'version', { value: 'v20.20.2' });\n");
  const flags = oldNode ? ['--import', preload] : [];
  const child = spawn(process.execPath, [...flags, launcher, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const ended = new Promise<number | NodeJS.Signals | null>((done) => {
    child.once('close', (code, signal) => done(signal ?? code));
  });
  return { child, output: () => output, ended };
};

const printed = async ({ output, ended }: Run, text: string): Promise<void> => {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  while (!output().includes(text)) {
    if (over) throw new Error(`it ended before it printed '${text}':\n${output()}`);
    await new Promise((done) => setTimeout(done, 10));
  }
};

const up = (...set: string[]): string[] => [
  'up',
  '--data',
  join(folder, 'data'),
  ...['kafka.port=0', 'console.port=0', 'roles=broker,console', ...set].flatMap((s) => [
    '--set',
    s,
  ]),
];

describe.each([
  ['a Node that it can run on', false],
  ['an older Node', true],
])('weir, started by %s', (_name, old) => {
  it('runs a command with its exit code', async () => {
    const help = run(['--help'], old);
    expect(await help.ended).toBe(0);
    expect(help.output()).toContain('Usage: weir COMMAND');
    const wrong = run(['statsu'], old);
    expect(await wrong.ended).toBe(2);
    expect(wrong.output()).toBe(
      "weir: unknown command 'statsu'; did you mean 'status'? (see: weir --help)\n",
    );
  });

  it('serves, prints one screen, and ends in order when it is told to', async () => {
    const weir = run(up(), old);
    await printed(weir, 'Scrape metrics');
    const screen = weir.output();
    expect(screen).toMatch(/Kafka +127\.0\.0\.1:[1-9]\d* /);
    expect(screen).toMatch(/Console +http:\/\/127\.0\.0\.1:[1-9]\d* /);
    expect(screen).toMatch(new RegExp(`Data +${join(folder, 'data')}\\n`));
    expect(screen).toMatch(/Send a log +curl -d '\{"message":"hello"\}' http:.*\/ingest\n/);
    expect(screen).toMatch(/Read it back +npx weir tail --bootstrap-server 127\.0\.0\.1:\d+ /);
    weir.child.kill('SIGTERM');
    expect(await weir.ended).toBe(0);
  });
});

describe('weir up', () => {
  it('says who uses the data folder, and exits with 1', async () => {
    const first = run(up());
    await printed(first, 'Scrape metrics');
    const second = run(up());
    expect(await second.ended).toBe(1);
    expect(second.output()).toMatch(
      /weir: the data folder .* is in use by process \d+; stop that one, or choose another/,
    );
    first.child.kill('SIGINT');
    expect(await first.ended).toBe(0);
  });

  it('says which port is taken and what to do, for Kafka as for the console', async () => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    await new Promise((done) => taken.once('listening', done));
    const { port } = taken.address() as net.AddressInfo;
    for (const key of ['kafka.port', 'console.port']) {
      const weir = run(up(`${key}=${port}`));
      expect(await weir.ended).toBe(1);
      const lines = weir
        .output()
        .split('\n')
        .filter((line) => line.startsWith('weir: '));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain(String(port));
      expect(lines[0]).toMatch(/taken by another program|another program has that port/);
    }
    taken.close();
  });

  it('refuses a configuration with all that is wrong, and starts nothing', async () => {
    writeFileSync(join(folder, 'weir.yaml'), 'console.prot: 1\nkafka:\n  port: x\n');
    const weir = run(['up']);
    expect(await weir.ended).toBe(1);
    expect(weir.output()).toBe(
      [
        'weir: the configuration has 2 problems:',
        '  weir.yaml:1:1: unknown key console.prot; did you mean console.port?',
        '  weir.yaml:2:9: kafka.port must be a whole number, but is "x"',
        '',
      ]
        .join('\n')
        .replace('2:9', '3:9'),
    );
  });

  it('writes JSON to standard output when nobody watches, and no secret', async () => {
    const weir = run(up('console.token=open-sesame-17'));
    await printed(weir, 'Scrape metrics');
    weir.child.kill('SIGTERM');
    await weir.ended;
    expect(weir.output()).not.toContain('open-sesame-17');
    const first = weir
      .output()
      .split('\n')
      .find((line) => line.startsWith('{'));
    expect(JSON.parse(first!)).toHaveProperty('@timestamp');
  });

  it('ends in order when its terminal is gone, and goes on when only its reader is', async () => {
    const weir = run(up());
    await printed(weir, 'Scrape metrics');
    const url = /curl (http:\S+)\/metrics/.exec(weir.output())![1]!;
    weir.child.stdout!.destroy();
    weir.child.kill('SIGHUP');
    expect(await weir.ended).toBe(0);
    expect(existsSync(join(folder, 'data', 'weir.lock'))).toBe(false);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  it('exposes only metrics of the catalogue, each described once', async () => {
    const weir = run(up());
    await printed(weir, 'Scrape metrics');
    const url = /curl (http:\S+)\/metrics/.exec(weir.output())![1]!;
    const posted = await fetch(`${url}/ingest`, { method: 'POST', body: '{"message":"hello"}' });
    expect(posted.status).toBe(200);
    const text = await (await fetch(`${url}/metrics`)).text();
    const types = [...text.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1]!);
    expect(new Set(types).size).toBe(types.length);
    const ours = types.filter((name) => /^(weir|kafka)_/.test(name));
    expect(ours.length).toBeGreaterThan(60);
    expect(ours.filter((name) => !metricNames.has(name))).toEqual([]);
    const series = parseExposition(text);
    const keys = series.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`);
    expect(new Set(keys).size).toBe(keys.length);
    const unknown = series.filter(({ value }) => Number.isNaN(value));
    expect(unknown.filter(({ name }) => /^(weir|kafka)_/.test(name))).toEqual([]);
    const duplicates = series.find(({ name }) => name === 'weir_metrics_duplicate_series_total');
    expect(duplicates?.value).toBe(0);
    weir.child.kill('SIGTERM');
    expect(await weir.ended).toBe(0);
  });

  it('comes back after it was killed', async () => {
    const first = run(up());
    await printed(first, 'Scrape metrics');
    first.child.kill('SIGKILL');
    expect(await first.ended).toBe('SIGKILL');
    const lock = JSON.parse(readFileSync(join(folder, 'data', 'weir.lock'), 'utf8')) as {
      pid: number;
    };
    expect(lock.pid).toBe(first.child.pid);
    const second = run(up());
    await printed(second, 'Scrape metrics');
    second.child.kill('SIGTERM');
    expect(await second.ended).toBe(0);
  });
});

it.skipIf(!existsSync('/dev/full'))('says in one line that its output has no room', () => {
  const words = ['-c', '"$0" "$@" > /dev/full', process.execPath, launcher, 'config', 'keys'];
  const { status, stderr } = spawnSync('sh', words, { cwd: folder, encoding: 'utf8' });
  expect(stderr).toMatch(/^weir: .*ENOSPC.*\n$/);
  expect(status).toBe(1);
});
