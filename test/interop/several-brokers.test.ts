/** The appliance with several brokers, as users run it: nothing here is made for tests but the deaths. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { App } from '../../src/app.ts';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { readConfiguration, settingsOf } from '../../src/config/configuration.ts';
import { applianceLog } from '../../src/observe/logger.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { runTool, type ToolResult } from '../peers/peer.ts';
import { readNumbers, SteadyProducer } from '../support/steady-producer.ts';
import { freeRow } from '../support/weir-brokers.ts';
import { root, WeirProcess } from '../support/weir-process.ts';
import { batchOf, createTopic as createOn, produce, WireClient } from '../unit/broker/fixture.ts';

let folder: string;
const stops: (() => Promise<unknown>)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-several-'));
});

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  delete process.env['WEIR_TEST_DEATH'];
  rmSync(folder, { recursive: true, force: true });
});

/** In this process; its brokers' threads die when they are told to. */
const appliance = async (set: Record<string, string>): Promise<App> => {
  process.env['WEIR_TEST_DEATH'] = join(folder, 'death');
  const options = Object.entries({
    roles: 'broker',
    brokers: '3',
    'data.dir': ['d0', 'd1', 'd2'].map((name) => join(folder, name)).join(','),
    'kafka.port': '0',
    'console.port': '0',
    ...set,
  }).map(([name, value]) => ({ name, value, option: '--set' }));
  const sources = { environment: {}, options, workingDirectory: folder };
  const stream = new Writable({ write: (_chunk, _encoding, done) => done() });
  const app = new App({
    settings: settingsOf(await readConfiguration(sources), '0.0.0', folder),
    warnings: [],
    log: applianceLog({ level: 'info', format: 'json', stream }),
    entries: { broker: new URL('../support/mortal-broker.ts', import.meta.url) },
  });
  stops.push(() => app.stop());
  await app.start();
  return app;
};

const createTopic = async (bootstrap: readonly string[], name: string): Promise<void> => {
  const client = new Client({ bootstrap, clientId: 'test' });
  try {
    const [created] = await new Admin(client).createTopics([{ name, partitions: 3 }]);
    expect(created?.error).toBeNull();
    expect(created?.replicationFactor).toBe(3);
  } finally {
    client.close();
  }
};

const producing = (bootstrap: readonly string[], topic: string): SteadyProducer => {
  const producer = new SteadyProducer(bootstrap, topic);
  stops.push(() => producer.stop());
  return producer;
};

/** Nothing that was acknowledged is missing, and nothing stands twice. */
const expectKept = async (
  bootstrap: readonly string[],
  topic: string,
  producer: SteadyProducer,
) => {
  const numbers = await readNumbers(bootstrap, topic);
  const stored = new Set(numbers);
  expect(producer.acknowledged.filter((n) => !stored.has(n))).toEqual([]);
  expect(numbers.length).toBe(stored.size);
  expect(producer.errors).toEqual([]);
};

describe('an appliance of three brokers', () => {
  it('goes on while the thread of one dies and comes back, and then of another', async () => {
    const app = await appliance({});
    const { bootstrap } = app.settings;
    await createTopic(bootstrap, 't');
    const producer = producing(bootstrap, 't');
    await producer.more(100);
    for (const name of ['broker-0', 'broker-2']) {
      writeFileSync(join(folder, 'death'), name);
      const report = async () => (await app.roles()).find((role) => role.name === name);
      await expect.poll(async () => (await report())?.details['restarts']).toBe(1);
      await producer.more(200);
      await expect
        .poll(async () => (await app.roles()).map(({ light }) => light))
        .toEqual(['green', 'green', 'green']);
      await producer.more(100);
    }
    await producer.stop();
    await expectKept(bootstrap, 't', producer);
    expect(await app.stop()).toBe(true);
  });

  it('goes on when a disk dies, and takes the broker in again with an empty one', async () => {
    const app = await appliance({});
    const { bootstrap } = app.settings;
    await createTopic(bootstrap, 't');
    const producer = producing(bootstrap, 't');
    await producer.more(100);
    // What the thread finds at its next start is no folder.
    rmSync(join(folder, 'd1'), { recursive: true });
    writeFileSync(join(folder, 'd1'), '');
    writeFileSync(join(folder, 'death'), 'broker-1');
    const light = async () => (await app.roles()).find(({ name }) => name === 'broker-1')?.light;
    await expect.poll(light).toBe('red');
    await producer.more(200);
    rmSync(join(folder, 'd1'));
    mkdirSync(join(folder, 'd1'));
    await expect.poll(light, { timeout: 60_000 }).toBe('green');
    await expect
      .poll(async () => (await app.roles()).map((role) => role.light), { timeout: 60_000 })
      .toEqual(['green', 'green', 'green']);
    await producer.stop();
    await expectKept(bootstrap, 't', producer);
  }, 180_000);
});

describe('a lone broker with two disks', () => {
  it('starts without the one that is broken, and has all back with it', async () => {
    const [first, second] = ['first', 'second'].map((name) => join(folder, name)) as [
      string,
      string,
    ];
    const weir = await WeirProcess.start({
      roles: 'broker',
      data: join(folder, 'data'),
      settings: [`broker.log.dirs=${first},${second}`],
    });
    stops.push(() => weir.halt());
    const send = async (): Promise<number[]> => {
      const client = await WireClient.connect(weir.port);
      const codes: number[] = [];
      for (const partition of [0, 1, 2, 3]) {
        codes.push((await produce(client, 't', batchOf(['x']), { partition })).errorCode);
      }
      await client.close();
      return codes;
    };
    const client = await WireClient.connect(weir.port);
    await createOn(client, 't', 4);
    await client.close();
    expect(await send()).toEqual([0, 0, 0, 0]);
    await weir.halt();
    renameSync(second, join(folder, 'kept'));
    writeFileSync(second, 'no folder');
    await weir.restart();
    const { KAFKA_STORAGE_ERROR: broken } = ErrorCode;
    expect((await send()).toSorted((a, b) => a - b)).toEqual([0, 0, broken, broken]);
    expect(weir.output).toContain('2 partitions are offline');
    await weir.halt();
    rmSync(second);
    renameSync(join(folder, 'kept'), second);
    await weir.restart();
    expect(await send()).toEqual([0, 0, 0, 0]);
  }, 60_000);
});

describe('weir up --brokers 3', () => {
  const weirUp = async (data: string, settings: readonly string[]): Promise<WeirProcess> => {
    const broker = { id: 0, port: await freeRow(4) };
    const weir = await WeirProcess.start({ broker, data, settings });
    stops.push(() => weir.halt());
    return weir;
  };
  const command = (weir: WeirProcess, ...args: string[]): Promise<ToolResult> =>
    runTool(process.execPath, [
      join(root, 'src/main.ts'),
      ...args,
      '--bootstrap-server',
      weir.bootstrap,
    ]);
  const ok = async (weir: WeirProcess, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await command(weir, ...args);
    expect(code, stderr).toBe(0);
    return stdout;
  };
  const folders = (): string => [0, 1, 2].map((i) => join(folder, `d${i}`)).join(',');
  const quiet = ['collectors.files.enabled=false', 'collectors.scrape.enabled=false'];

  it('keeps what was acknowledged when all of it is killed at once', async () => {
    const weir = await weirUp(folders(), [...quiet, 'brokers=3']);
    const bootstrap = [0, 1, 2].map((id) => `127.0.0.1:${weir.port + id}`);
    await createTopic(bootstrap, 't');
    const producer = producing(bootstrap, 't');
    await producer.more(300);
    await weir.kill();
    await weir.restart();
    await producer.more(100);
    await producer.stop();
    await expectKept(bootstrap, 't', producer);
    expect(await weir.halt()).toBe(0);
  });

  it('grows from one broker, gives its topics more replicas, and shrinks again', async () => {
    const data = join(folder, 'd0');
    const one = await weirUp(data, quiet);
    await ok(one, 'topic', 'create', 't', '--partitions', '2');
    const producer = producing([one.bootstrap], 't');
    await producer.more(100);
    await producer.stop();
    expect(await one.halt()).toBe(0);

    const four = await weirUp(data, [...quiet, 'brokers=4']);
    const bootstrap = [0, 1, 2, 3].map((id) => `127.0.0.1:${four.port + id}`);
    await expect.poll(() => four.output).toMatch(/one replica only, .*\bt\b/);
    await ok(four, 'topic', 'alter', 't', '--replication-factor', '3');
    const under = ['topic', 'describe', '--under-replicated-partitions', '--json'];
    await expect.poll(async () => JSON.parse(await ok(four, ...under)) as unknown).toEqual([]);
    const [topic] = JSON.parse(await ok(four, 'topic', 'describe', 't', '--json'));
    expect(topic.replicationFactor).toBe(3);
    const held = new Set<number>(
      topic.partitions.flatMap((p: { replicas: number[] }) => p.replicas),
    );
    const leaving = [1, 2, 3].find((id) => held.has(id))!;

    const refused = await command(four, 'broker', 'remove', String(leaving));
    expect(refused.stderr).toMatch(/holds \d replicas?; first: weir broker drain/);
    await ok(four, 'broker', 'drain', String(leaving), '--throttle', '100000000');
    const rows = JSON.parse(await ok(four, 'broker', 'list', '--json')) as { id: number }[];
    expect(rows).toHaveLength(4);
    expect(rows.find(({ id }) => id === leaving)).toMatchObject({ partitions: 0, leaders: 0 });
    await four.halt();

    const kept = [0, 1, 2, 3].filter((id) => id !== leaving);
    const settings = ['brokers=3', ...kept.map((id, i) => `brokers[${i}].id=${id}`)];
    const three = await weirUp(data, [...quiet, ...settings]);
    await ok(three, 'broker', 'remove', String(leaving));
    const left = JSON.parse(await ok(three, 'broker', 'list', '--json')) as { id: number }[];
    expect(left.map(({ id }) => id)).toEqual(kept);
    const now = kept.map((id) => `127.0.0.1:${three.port + id}`);
    expect(now).not.toEqual(bootstrap);
    await expectKept(now, 't', producer);
    const status = await (await fetch(`${three.url}/metrics`)).text();
    for (const id of kept) {
      expect(status).toContain(`kafka_server_kafkaserver_brokerstate{broker="${id}"} 3\n`);
    }
  }, 240_000);

  it('ends with 1 when it is told twice to end', async () => {
    const port = await freeRow(3);
    const args = ['src/weir.mjs', 'up', '--brokers', '3', '--data', folders(), '--roles', 'broker'];
    const child = spawn(process.execPath, [...args, '--set', `kafka.port=${port}`], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ended = new Promise<number | null>((resolve) => {
      child.once('exit', (code) => resolve(code));
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await expect.poll(() => said).toContain('Weir');
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGTERM'), 20);
    expect(await ended).toBe(1);
  });
});
