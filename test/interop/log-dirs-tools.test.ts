/** Apache Kafka's own tools on a broker with several log directories. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool } from '../peers/kafka.ts';
import {
  batchOf,
  createTopic,
  fetch,
  produce,
  type RunningBroker,
  startBroker,
  valuesOf,
  WireClient,
} from '../unit/broker/fixture.ts';

const LOG_DIRS = 'org.apache.kafka.tools.LogDirsCommand';
const REASSIGN = 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand';
const CONFIGS = 'kafka.admin.ConfigCommand';
const RATE = 'replica.alter.log.dirs.io.max.bytes.per.second';

/** As `LogDirsCommand` prints it. */
interface Described {
  readonly logDir: string;
  readonly error: string | null;
  readonly partitions: { partition: string; size: number; offsetLag: number; isFuture: boolean }[];
}

describeWithPeers(['kafka'], 'Kafka’s tools on several log directories', () => {
  let running: RunningBroker;
  let client: WireClient;
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-several-dirs-'));
  const [first, second] = ['first', 'second'].map((name) => path.join(root, name)) as [
    string,
    string,
  ];
  beforeAll(async () => {
    running = await startBroker({ 'log.dirs': [first, second] }, { directory: root });
    client = await WireClient.connect(running.port);
  });
  afterAll(async () => {
    await client?.close();
    await running?.stop();
    fs.rmSync(root, { recursive: true, force: true });
  });

  const admin = async (tool: string, ...args: string[]): Promise<string> => {
    const all = ['--bootstrap-server', `127.0.0.1:${running.port}`, ...args];
    const { code, stdout, stderr } = await kafkaTool(tool, all, { timeoutMs: 120_000 });
    expect(code === 0 ? '' : `${stdout}\n${stderr}`).toBe('');
    return stdout;
  };
  const described = async (): Promise<Described[]> => {
    const out = await admin(LOG_DIRS, '--describe', '--topic-list', 'moved');
    const { logDirs } = JSON.parse(out.slice(out.indexOf('{'))).brokers[0];
    return logDirs.sort((a: Described, b: Described) => (a.logDir < b.logDir ? -1 : 1));
  };
  const plan = (to: string): string => {
    const file = path.join(root, 'plan.json');
    const partition = { topic: 'moved', partition: 0, replicas: [0], log_dirs: [to] };
    fs.writeFileSync(file, JSON.stringify({ version: 1, partitions: [partition] }));
    return file;
  };
  const verify = (file: string, ...more: string[]): Promise<string> =>
    admin(REASSIGN, '--verify', '--reassignment-json-file', file, ...more);

  it('ReassignPartitionsCommand moves a replica at a pace, while it is written to and read', async () => {
    await createTopic(client, 'moved');
    const sent: string[] = [];
    const send = async (value: string): Promise<void> => {
      expect((await produce(client, 'moved', batchOf([value]))).errorCode).toBe(0);
      sent.push(value);
    };
    for (let i = 0; i < 200; i++) await send(`${i}-${'x'.repeat(5000)}`);
    const before = await described();
    expect(before.map(({ logDir, error }) => [logDir, error])).toEqual([
      [first, null],
      [second, null],
    ]);
    const source = before.find(({ partitions }) => partitions.length > 0)!.logDir;
    const target = source === first ? second : first;
    const file = plan(target);
    const executed = await admin(
      REASSIGN,
      ...['--execute', '--reassignment-json-file', file],
      ...['--replica-alter-log-dirs-throttle', '20000'],
    );
    expect(executed).toContain('The replica-alter-dir throttle limit was set to 20000 B/s');
    expect(executed).toContain(
      `Successfully started moving log directory to ${target} for replica moved-0 with broker 0`,
    );
    expect(await verify(file, '--preserve-throttles')).toContain(
      `Reassignment of replica moved-0-0 is still in progress`,
    );
    const during = await described();
    const copy = during.find(({ logDir }) => logDir === target)!.partitions;
    expect(copy).toMatchObject([{ partition: 'moved-0', isFuture: true }]);
    expect(copy[0]!.offsetLag).toBeGreaterThan(0);
    await send('during the move');
    await admin(
      CONFIGS,
      ...['--entity-type', 'brokers', '--entity-name', '0'],
      ...['--alter', '--add-config', `${RATE}=100000000`],
    );
    for (let i = 0; running.broker.services.logs.mover.size > 0; i++) await send(`more ${i}`);
    expect(await verify(file)).toContain(
      `Reassignment of replica moved-0-0 completed successfully`,
    );
    // Verifying has taken the throttle away.
    expect(
      await admin(CONFIGS, '--describe', '--entity-type', 'brokers', '--entity-name', '0'),
    ).not.toContain(RATE);
    await send('after the move');
    const after = await described();
    expect(after.find(({ logDir }) => logDir === source)!.partitions).toEqual([]);
    expect(after.find(({ logDir }) => logDir === target)!.partitions).toMatchObject([
      { partition: 'moved-0', isFuture: false, offsetLag: 0 },
    ]);
    const { records } = await fetch(client, 'moved', 0, { partitionMaxBytes: 50_000_000 });
    expect(valuesOf(records)).toEqual(sent);
  });

  it('ReassignPartitionsCommand is told of a directory that there is not', async () => {
    const all = [
      ...['--bootstrap-server', `127.0.0.1:${running.port}`],
      ...['--execute', '--reassignment-json-file', plan(path.join(root, 'absent'))],
    ];
    const { code, stdout, stderr } = await kafkaTool(REASSIGN, all, { timeoutMs: 120_000 });
    expect(code).toBe(1);
    expect(`${stdout}\n${stderr}`).toContain('LogDirNotFoundException');
  });

  it('LogDirsCommand tells of a directory that has failed', async () => {
    await client.close();
    await running.broker.stop();
    fs.renameSync(second, path.join(root, 'away'));
    fs.writeFileSync(second, '');
    running = await startBroker({ 'log.dirs': [first, second] }, { directory: root });
    client = await WireClient.connect(running.port);
    const dirs = await described();
    expect(dirs.map(({ logDir, error }) => [logDir, error])).toEqual([
      [first, null],
      [second, expect.stringContaining('KafkaStorageException')],
    ]);
  });
});
