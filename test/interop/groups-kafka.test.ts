/**
 * Apache Kafka's own tools on our groups: its console consumer, ConsumerGroupCommand, and the
 * formatters that print `__consumer_offsets`.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool } from '../peers/kafka.ts';
import { freePort } from '../peers/peer.ts';
import {
  batchOf,
  createTopic,
  produce,
  type RunningBroker,
  startBroker,
  WireClient,
} from '../unit/broker/fixture.ts';

const CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
const GROUPS = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand';
const OFFSETS_FORMATTER = 'org.apache.kafka.tools.consumer.OffsetsMessageFormatter';
const GROUP_FORMATTER = 'org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter';

const TOPIC = 'orders';
const PARTITIONS = 3;
const PER_PARTITION = 40;
/** The records' timestamps: one a second from here on, in every partition. */
const START_MS = Date.parse('2026-01-01T00:00:00.000Z');

interface GroupLine {
  partition: number;
  committed: string;
  end: string;
  lag: string;
}

describeWithPeers(['kafka'], 'Kafka’s tools on groups', () => {
  let running: RunningBroker;
  let bootstrap: string;

  const fill = async (from: number, count: number): Promise<void> => {
    const client = await WireClient.connect(running.port);
    for (let p = 0; p < PARTITIONS; p++) {
      for (let i = from; i < from + count; i++) {
        const batch = batchOf([`${p}-${i}`], { timestamp: START_MS + i * 1_000 });
        expect((await produce(client, TOPIC, batch, { partition: p })).errorCode).toBe(0);
      }
    }
    await client.close();
  };

  const run = async (tool: string, ...args: string[]): Promise<string> => {
    const all = ['--bootstrap-server', bootstrap, ...args];
    const { code, stdout, stderr } = await kafkaTool(tool, all, { timeoutMs: 60_000 });
    expect(`${code}\n${code === 0 ? '' : stdout + stderr}`).toBe('0\n');
    expect(stdout).not.toMatch(/^Error/m);
    return stdout;
  };
  const groups = (...args: string[]): Promise<string> => run(GROUPS, ...args);

  /** Consumes with group `g` until nothing comes for a while. */
  const consume = async (group: string, ...args: string[]): Promise<string[]> => {
    const idle = ['--timeout-ms', '5000', '--group', group, '--topic', TOPIC];
    const { stdout } = await kafkaTool(CONSUMER, [
      '--bootstrap-server',
      bootstrap,
      ...idle,
      ...args,
    ]);
    return stdout.split('\n').filter((line) => line !== '');
  };

  const describeGroup = async (group: string): Promise<GroupLine[]> =>
    (await groups('--describe', '--group', group))
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((cells) => cells[0] === group)
      .map((cells) => ({
        partition: Number(cells[2]),
        committed: cells[3] ?? '',
        end: cells[4] ?? '',
        lag: cells[5] ?? '',
      }))
      .sort((a, b) => a.partition - b.partition);

  const committed = async (group: string): Promise<string[]> =>
    (await describeGroup(group)).map((line) => line.committed);

  const reset = (...how: string[]): Promise<string> =>
    groups('--reset-offsets', '--group', 'g', '--topic', TOPIC, ...how, '--execute');

  beforeAll(async () => {
    const port = await freePort();
    bootstrap = `127.0.0.1:${port}`;
    running = await startBroker({
      listeners: [`PLAINTEXT://${bootstrap}`],
      'group.initial.rebalance.delay.ms': 0,
    });
    const client = await WireClient.connect(running.port);
    await createTopic(client, TOPIC, PARTITIONS);
    await client.close();
    await fill(0, PER_PARTITION);
  });
  afterAll(() => running.stop());

  it('consume everything once, and commit', async () => {
    const lines = await consume('g', '--from-beginning');
    expect(new Set(lines).size).toBe(PARTITIONS * PER_PARTITION);
    expect(lines).toHaveLength(PARTITIONS * PER_PARTITION);
    expect(await consume('g', '--from-beginning')).toEqual([]);
  });

  it('list and describe the group', async () => {
    expect((await groups('--list')).trim()).toBe('g');
    expect(await groups('--list', '--state')).toMatch(/^g +Classic +Consumer +Empty|^g +Empty/im);
    const end = String(PER_PARTITION);
    expect(await describeGroup('g')).toEqual(
      [0, 1, 2].map((partition) => ({ partition, committed: end, end, lag: '0' })),
    );
    expect(await groups('--describe', '--group', 'g', '--state')).toMatch(/Empty +0\b/);
  });

  it('show members while they consume', async () => {
    const consuming = consume('live', '--command-property', 'client.id=reader');
    const { groups: coordinator } = running.broker.services;
    await expect
      .poll(() => [...coordinator.groupView()].find((g) => g.group === 'live')?.state, {
        timeout: 20_000,
      })
      .toBe('Stable');
    const members = await groups('--describe', '--group', 'live', '--members', '--verbose');
    expect(members).toMatch(/^live +reader-\S+ +\/127\.0\.0\.1 +reader +3 .*orders:0,1,2 /m);
    expect(await consuming).toEqual([]);
    expect(await groups('--describe', '--group', 'live', '--state')).toMatch(/Empty/);
  });

  it('reset offsets in every way', async () => {
    await reset('--to-earliest');
    expect(await committed('g')).toEqual(['0', '0', '0']);
    await reset('--to-latest');
    expect(await committed('g')).toEqual(['40', '40', '40']);
    await reset('--to-datetime', '2026-01-01T00:00:10.000');
    expect(await committed('g')).toEqual(['10', '10', '10']);
    await reset('--shift-by', '5');
    expect(await committed('g')).toEqual(['15', '15', '15']);
    await reset('--shift-by', '-100');
    expect(await committed('g')).toEqual(['0', '0', '0']);
    await reset('--to-offset', '33');
    expect(await committed('g')).toEqual(['33', '33', '33']);
    expect(await consume('g')).toHaveLength(PARTITIONS * 7);
  });

  it('go on after a restart of the broker, where they were', async () => {
    running = await running.restart();
    await fill(PER_PARTITION, 2);
    expect((await consume('g')).sort()).toEqual(['0-40', '0-41', '1-40', '1-41', '2-40', '2-41']);
    expect(await committed('g')).toEqual(['42', '42', '42']);
  });

  it('print our offsets and groups out of __consumer_offsets', async () => {
    const dump = async (formatter: string): Promise<any[]> => {
      const { stdout } = await kafkaTool(CONSUMER, [
        '--bootstrap-server',
        bootstrap,
        ...['--topic', '__consumer_offsets', '--from-beginning', '--timeout-ms', '6000'],
        ...['--formatter', formatter],
      ]);
      return stdout
        .replaceAll('}{', '}\n{')
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line));
    };
    const offsets = await dump(OFFSETS_FORMATTER);
    const last = offsets
      .filter((r) => r.key.data.group === 'g' && r.key.data.partition === 1)
      .at(-1);
    expect(last).toMatchObject({
      key: { type: 1, data: { group: 'g', topic: TOPIC, partition: 1 } },
      value: { version: 4, data: { offset: 42, metadata: '' } },
    });
    const stored = await dump(GROUP_FORMATTER);
    const live = stored.filter((r) => r.key.data.group === 'live');
    expect(live[0]).toMatchObject({
      key: { type: 2 },
      value: {
        version: 3,
        data: { protocolType: 'consumer', protocol: 'range', members: [{ clientId: 'reader' }] },
      },
    });
    expect(live.at(-1).value.data).toMatchObject({ protocol: null, leader: null, members: [] });
  });

  it('delete single offsets, and whole groups', async () => {
    const client = await WireClient.connect(running.port);
    await createTopic(client, 'other', 1);
    await client.close();
    await groups(
      '--reset-offsets',
      '--group',
      'g',
      '--topic',
      'other',
      '--to-earliest',
      '--execute',
    );
    await groups('--delete-offsets', '--group', 'g', '--topic', `${TOPIC}:1`);
    const topics = [...running.broker.services.groups.lagView()]
      .filter((o) => o.group === 'g')
      .map((o) => `${o.topic}-${o.partition}`)
      .sort();
    expect(topics).toEqual(['orders-0', 'orders-2', 'other-0']);
    await groups('--delete', '--group', 'g', '--group', 'live');
    expect(await groups('--list')).not.toMatch(/^(g|live)$/m);
    running = await running.restart();
    expect(await groups('--list')).not.toMatch(/^(g|live)$/m);
  });
});
