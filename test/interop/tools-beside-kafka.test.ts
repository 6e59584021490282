/**
 * Apache Kafka's command line tools, each with the same arguments on three brokers of ours and on three of
 * Apache Kafka, and what they print compared line by line.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { type Kafka, kafkaTool, startKafkaCluster } from '../peers/kafka.ts';
import { ToolShell } from '../peers/tool-shell/tool-shell.ts';
import { TestCluster } from '../support/cluster.ts';
import { batchOf, produce, WireClient } from '../unit/broker/fixture.ts';
import { differences } from './differential/differences.ts';
import * as replicas from './differential/replicas.ts';
import { Side as WireSide } from './differential/side.ts';
import { configs } from './tools/configs.ts';
import { type Comparison, type ToolSide, ToolSides } from './tools/tool-sides.ts';
import { TOPICS, topics } from './tools/topics.ts';
import { transactions } from './tools/transactions.ts';

const ACLS = 'org.apache.kafka.tools.AclCommand';
const API_VERSIONS = 'org.apache.kafka.tools.BrokerApiVersionsCommand';
const CLIENT_METRICS = 'org.apache.kafka.tools.ClientMetricsCommand';
const CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
const DELETE_RECORDS = 'org.apache.kafka.tools.DeleteRecordsCommand';
const ELECTION = 'org.apache.kafka.tools.LeaderElectionCommand';
const FEATURES = 'org.apache.kafka.tools.FeatureCommand';
const GROUPS = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand';
const LOG_DIRS = 'org.apache.kafka.tools.LogDirsCommand';
const OFFSETS = 'org.apache.kafka.tools.GetOffsetShell';
const QUORUM = 'org.apache.kafka.tools.MetadataQuorumCommand';
const REASSIGN = 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand';
const VERIFIABLE_CONSUMER = 'org.apache.kafka.tools.VerifiableConsumer';
const VERIFIABLE_PRODUCER = 'org.apache.kafka.tools.VerifiableProducer';

/** Of all brokers. */
const settings = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:ANONYMOUS',
  'offsets.topic.num.partitions': 3,
  'group.initial.rebalance.delay.ms': 0,
  'auto.leader.rebalance.enable': false,
};

const RECORDS = 40;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

describeWithPeers(['kafka'], 'Kafka’s tools print the same of us and of Apache Kafka:', () => {
  let kafka: Kafka[] = [];
  let cluster: TestCluster;
  let shell: ToolShell;
  let sides: readonly [ToolSide, ToolSide];
  let tools: ToolSides;
  let folder: string;
  /** Of the first record; each one is a minute later than the one before. */
  const firstMs = Date.now() - HOUR_MS;

  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-tools-'));
    [kafka, cluster, shell] = await Promise.all([
      startKafkaCluster(3, settings),
      TestCluster.start(3, { ...settings, 'min.insync.replicas': 2 }),
      ToolShell.start(),
    ]);
    const ports = kafka.map(({ bootstrap }) => Number(bootstrap.split(':')[1]));
    const addresses = kafka.map(({ bootstrap }) => bootstrap);
    sides = [
      { name: 'Kafka', bootstrap: addresses.join(','), ports },
      {
        name: 'we',
        bootstrap: cluster.bootstrap.join(','),
        ports: cluster.members.map(({ port }) => port),
      },
    ];
    tools = new ToolSides(sides, shell, folder);
    await eachSide(fill);
  });
  afterAll(async () => {
    await shell?.stop();
    await cluster?.stop();
    await Promise.all(kafka.map((broker) => broker.stop()));
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const eachSide = <T>(work: (side: ToolSide) => Promise<T>): Promise<T[]> => tools.eachSide(work);
  const alike: ToolSides['alike'] = (...asked) => tools.alike(...asked);
  const print: ToolSides['print'] = (...asked) => tools.print(...asked);
  const inFile: ToolSides['inFile'] = (...file) => tools.inFile(...file);

  /** Two topics with the same records in the same places. */
  async function fill({ bootstrap, ports }: ToolSide): Promise<void> {
    const create = ['--bootstrap-server', bootstrap, '--create'];
    for (const topic of ['orders', 'other']) {
      const assignment = ['--replica-assignment', '0:1:2,0:2:1'];
      const made = await shell.run(TOPICS, [...create, '--topic', topic, ...assignment]);
      expect(made.code === 0 ? '' : made.stdout).toBe('');
    }
    const client = await WireClient.connect(ports[0]!);
    for (const partition of [0, 1]) {
      for (let i = 0; i < RECORDS; i++) {
        const batch = batchOf([`record ${i}`], { timestamp: firstMs + i * MINUTE_MS });
        const { errorCode } = await produce(client, 'orders', batch, { partition, acks: -1 });
        expect(errorCode).toBe(0);
      }
    }
    await client.close();
  }

  /** Groups have coordinators from now on. */
  async function coordinate({ ports }: ToolSide): Promise<void> {
    const client = await WireClient.connect(ports[0]!);
    const coordinatorKeys = Array.from({ length: 20 }, (_, i) => `group-${i}`);
    const find = () => client.request('FindCoordinator', 4, { keyType: 0, coordinatorKeys });
    await expect
      .poll(async () => (await find()).coordinators.every((c: any) => c.errorCode === 0))
      .toBe(true);
    await client.close();
  }

  describe('ConsumerGroupCommand', () => {
    const COORDINATOR: Comparison = { mask: [[/BROKER +\(\d\)/g, 'COORDINATOR']] };
    const shop = ['--group', 'shop'];
    const reset = (how: readonly string[], expected: RegExp, more = ['--topic', 'orders']) =>
      alike(GROUPS, ['--reset-offsets', ...shop, ...more, ...how], expected, { sorted: true });
    const committed = (...offsets: number[]): Promise<string> =>
      alike(
        GROUPS,
        ['--describe', ...shop],
        new RegExp(offsets.map((o, i) => `shop orders ${i} ${o} 40 ${40 - o} `).join('[^]*')),
        { sorted: true },
      );
    const partitions = (offset: number): RegExp =>
      new RegExp(`shop orders 0 ${offset}\\b[^]*shop orders 1 ${offset}\\b`);

    it('resets offsets by every method', async () => {
      await eachSide(coordinate);
      await alike(GROUPS, ['--list'], /^$/);
      await reset(['--to-earliest', '--dry-run'], partitions(0));
      await alike(GROUPS, ['--describe', ...shop], /Group shop not found/);
      await reset(['--to-earliest', '--execute'], partitions(0));
      await committed(0, 0);
      await reset(['--to-latest', '--execute'], partitions(40));
      await reset(['--to-offset', '7', '--execute'], partitions(7));
      await reset(['--shift-by', '5', '--execute'], partitions(12));
      await committed(12, 12);
      await reset(['--shift-by', '-100', '--execute'], partitions(0));
      await reset(['--shift-by', '100', '--execute'], partitions(40));
      const at = new Date(firstMs + 9.5 * MINUTE_MS).toISOString();
      await reset(['--to-datetime', at, '--execute'], partitions(10));
      await reset(
        ['--to-datetime', new Date(Date.now()).toISOString(), '--execute'],
        partitions(40),
      );
      const ago = Math.round((Date.now() - firstMs) / 1_000 - 20.5 * 60);
      await reset(['--by-duration', `PT${ago}S`, '--execute'], partitions(21));
      await committed(21, 21);
      await reset(['--to-current', '--execute'], partitions(21));
      await reset(['--to-offset', '9', '--execute'], /shop orders 1 9/, ['--topic', 'orders:1']);
      await committed(21, 9);
      await reset(['--to-earliest', '--execute'], /shop other 1 0/, ['--topic', 'other']);
      await reset(['--to-offset', '3', '--execute'], /shop orders 0 3/, ['--all-topics']);
      await reset(['--to-offset', '1000', '--dry-run'], /shop orders 0 40/);
    });

    it('exports offsets, and takes them from a file', async () => {
      const more = ['--topic', 'orders', '--topic', 'other:0'];
      const csv = await reset(['--to-current', '--export', '--dry-run'], /"?orders"?,0,3/, more);
      expect(csv.split('\n')).toHaveLength(3);
      const file = inFile('offsets.csv', 'orders,0,30\norders,1,31\nother,0,0\n');
      await reset(['--from-file', file, '--dry-run'], /shop orders 0 30/, []);
      await reset(['--from-file', file, '--execute'], /shop orders 1 31/, []);
      const two = inFile('groups.csv', 'shop,orders,0,5\nstall,orders,1,6\n');
      const args = ['--reset-offsets', ...shop, '--group', 'stall', '--from-file', two];
      await alike(GROUPS, [...args, '--execute'], /stall orders 1 6/, { sorted: true });
      await committed(5, 31);
      const all = ['--reset-offsets', '--all-groups', '--all-topics', '--to-latest', '--dry-run'];
      await alike(GROUPS, all, /stall orders 1 40/, { sorted: true });
    });

    it('lists and describes groups that nobody is in', async () => {
      await alike(GROUPS, ['--list'], /shop\nstall/, { sorted: true });
      await alike(GROUPS, ['--list', '--state'], /shop Empty/, { sorted: true });
      await alike(GROUPS, ['--list', '--state', 'Stable'], /STATE/);
      await alike(GROUPS, ['--list', '--type'], /shop Classic/, { sorted: true });
      await alike(GROUPS, ['--list', '--type', 'consumer'], /TYPE/);
      await alike(GROUPS, ['--list', '--type', 'none'], /Invalid types list/);
      await alike(
        GROUPS,
        ['--describe', ...shop, '--state'],
        /shop COORDINATOR - Empty 0/,
        COORDINATOR,
      );
      await alike(GROUPS, ['--describe', ...shop, '--state', '--verbose'], /Empty/, COORDINATOR);
      await alike(GROUPS, ['--describe', ...shop, '--members'], /has no active members/);
      await alike(GROUPS, ['--describe', ...shop, '--offsets', '--verbose'], /shop orders 0 - 5/, {
        sorted: true,
      });
      await alike(GROUPS, ['--describe', '--all-groups'], /stall orders 1 6 40 34/, {
        sorted: true,
      });
    });

    const inUse = async (protocol: string): Promise<void> => {
      const group = `live-${protocol}`;
      const consuming = eachSide(({ bootstrap }) =>
        shell.run(CONSUMER, [
          ...['--bootstrap-server', bootstrap, '--topic', 'orders', '--group', group],
          ...['--from-beginning', '--timeout-ms', '9000'],
          ...['--command-property', `group.protocol=${protocol}`],
          ...['--command-property', 'client.id=one'],
          ...['--command-property', 'auto.commit.interval.ms=100'],
        ]),
      );
      await eachSide(({ bootstrap }) =>
        expect
          .poll(async () => {
            const args = ['--bootstrap-server', bootstrap, '--describe', '--group', group];
            return (await shell.run(GROUPS, args)).stdout.match(/ 40 +40 +0 /g)?.length ?? 0;
          })
          .toBe(2),
      );
      const of = ['--group', group];
      const masked: Comparison = {
        sorted: true,
        // A consumer makes its own id in Kafka's way of writing UUIDs.
        mask: [...COORDINATOR.mask!, [/(?<=\s)[\w-]{22}(?=\s)/g, 'UUID']],
      };
      await alike(GROUPS, ['--describe', ...of], /orders 0 40 40 0 /, masked);
      await alike(GROUPS, ['--describe', ...of, '--verbose'], /orders 1 /, masked);
      await alike(GROUPS, ['--describe', ...of, '--state'], /Stable 1/, masked);
      await alike(GROUPS, ['--describe', ...of, '--state', '--verbose'], /Stable /, masked);
      await alike(GROUPS, ['--describe', ...of, '--members'], / 2/, masked);
      await alike(GROUPS, ['--describe', ...of, '--members', '--verbose'], /orders/, masked);
      const resetting = ['--reset-offsets', ...of, '--topic', 'orders', '--to-earliest'];
      await alike(GROUPS, [...resetting, '--execute'], /current state is Stable|inactive/);
      await alike(GROUPS, ['--delete', ...of], /not empty/);
      const offsets = ['--delete-offsets', ...of, '--topic', 'orders'];
      await alike(GROUPS, offsets, /subscribed/i, { sorted: true });
      for (const { stdout } of await consuming) {
        expect(stdout.trimEnd().split('\n')).toHaveLength(2 * RECORDS);
      }
      await alike(GROUPS, ['--delete', ...of], /Deletion of requested consumer groups/);
    };

    it('tells of groups of both protocols in use, and leaves them alone', async () => {
      await Promise.all(['classic', 'consumer'].map(inUse));
    });

    it('deletes offsets and groups', async () => {
      const offsets = ['--delete-offsets', ...shop];
      await alike(GROUPS, [...offsets, '--topic', 'orders:1'], /orders 1 Successful/);
      await alike(GROUPS, [...offsets, '--topic', 'absent:0'], /absent/);
      await alike(GROUPS, ['--describe', ...shop], /shop orders 0 5/, { sorted: true });
      await alike(GROUPS, ['--delete', '--group', 'absent'], /could not be found|does not exist/i);
      await alike(GROUPS, ['--delete', ...shop], /\('shop'\) was successful/);
      await alike(GROUPS, ['--delete', '--all-groups'], /\('stall'\) was successful/);
      await alike(GROUPS, ['--list'], /^$/);
    });
  });

  it('AclCommand adds, lists and removes rules of every kind', async () => {
    const ann = ['--allow-principal', 'User:ann'];
    const rules = (args: readonly string[], expected: RegExp): Promise<string> =>
      alike(ACLS, args, expected, { sorted: true });
    await rules(['--list'], /^$/);
    const literal = ['--topic', 'orders', '--group', 'g'];
    await rules(['--add', ...ann, '--operation', 'Read', ...literal], /operation=READ/);
    await rules(['--add', ...ann, '--operation', 'Read', ...literal], /already exists/);
    const prefixed = ['--topic', 'or', '--resource-pattern-type', 'prefixed'];
    await rules(['--add', ...ann, '--allow-host', '10.0.0.1', ...prefixed], /PREFIXED/);
    const denied = ['--deny-principal', 'User:bob', '--deny-host', '*', '--operation', 'Write'];
    await rules(['--add', ...denied, '--topic', '*'], /permissionType=DENY/);
    const producer = ['--producer', '--idempotent', '--transactional-id', 't'];
    await rules(['--add', ...ann, ...producer, '--topic', 'out'], /TRANSACTIONAL_ID/);
    await rules(['--add', ...ann, '--consumer', '--topic', 'in', '--group', '*'], /GROUP/);
    await rules(['--add', ...ann, '--operation', 'Alter', '--cluster'], /kafka-cluster/);
    await rules(
      ['--add', ...ann, '--operation', 'DescribeTokens', '--user-principal', 'User:x'],
      /USER/,
    );
    await rules(['--list'], /PREFIXED/);
    await rules(['--list', '--topic', 'orders'], /name=orders/);
    const matching = ['--resource-pattern-type', 'match'];
    await rules(['--list', '--topic', 'orders', ...matching], /PREFIXED[^]*name=orders/);
    await rules(['--list', '--principal', 'User:bob'], /User:bob/);
    await rules(['--add', '--allow-principal', 'ann', ...literal], /principal/i);
    await rules(['--add', ...ann, '--operation', 'Commit', ...literal], /COMMIT|Commit/);
    const removing = ['--remove', '--force'];
    await rules([...removing, ...prefixed], /^$|Current/);
    await rules([...removing, ...ann, '--operation', 'Read', ...literal], /^$|Current/);
    await rules([...removing, ...ann, ...producer, '--topic', 'out'], /^$|Current/);
    await rules(['--list'], /User:bob/);
    await rules([...removing, '--topic', '*', ...matching], /^$|Current/);
    await rules([...removing, '--cluster'], /^$|Current/);
    await rules(['--list'], /./);
  });

  it('TopicCommand creates, lists, describes, alters and deletes, and says what it can not', () =>
    topics(tools));
  it('ConfigCommand sets, describes and deletes what can be set of everything', () =>
    configs(tools));
  it('TransactionsCommand lists, describes, finds and aborts', () => transactions(tools));

  it('GetOffsetShell knows the offsets of all kinds of times', async () => {
    const orders = ['--topic', 'orders'];
    const at = (time: string, expected: RegExp, args = orders): Promise<string> =>
      alike(OFFSETS, [...args, '--time', time], expected, { sorted: true });
    await alike(OFFSETS, ['--exclude-internal-topics'], /orders:0:40[^]*other:0:0/, {
      sorted: true,
    });
    await at('latest', /orders:1:40/);
    await at('earliest', /orders:1:0/);
    await at('max-timestamp', /orders:1:39/);
    await at('earliest-local', /orders:1:0/);
    await at('latest-tiered', /^$|orders/);
    await at('earliest-pending-upload', /^$|orders/);
    await at(String(firstMs + 12 * MINUTE_MS), /orders:0:12\norders:1:12/);
    await at(String(firstMs + HOUR_MS), /^$/);
    await at('latest', /orders:1:40/, [...orders, '--partitions', '1']);
    await at('latest', /^orders:0:40$/, ['--topic-partitions', 'o.*s:0-1,absent:0']);
    await alike(OFFSETS, ['--topic', 'absent'], /Could not match any topic/);
    await alike(OFFSETS, [...orders, '--time', 'noon'], /Malformed time/);
  });

  it('DeleteRecordsCommand moves starts, and says where it can not', async () => {
    const upTo = (name: string, offset: number, partition = 0): string[] => {
      const partitions = [{ topic: 'orders', partition, offset }];
      return ['--offset-json-file', inFile(`${name}.json`, { version: 1, partitions })];
    };
    await alike(DELETE_RECORDS, upTo('ten', 10), /low_watermark: 10/);
    await alike(DELETE_RECORDS, upTo('less', 5), /low_watermark: 10/);
    await alike(DELETE_RECORDS, upTo('more', 41), /error: .*OffsetOutOfRange/);
    await alike(DELETE_RECORDS, upTo('all', -1, 1), /low_watermark: 40/);
    await alike(OFFSETS, ['--topic', 'orders', '--time', 'earliest'], /orders:0:10\norders:1:40/);
    await alike(GROUPS, ['--describe', '--group', 'none'], /Group none not found/);
  });

  it('LogDirsCommand tells the size of every replica', async () => {
    const args = ['--describe', '--topic-list', 'orders,other', '--broker-list', '0,2'];
    const printed = await eachSide(async ({ bootstrap }) => {
      const { stdout } = await shell.run(LOG_DIRS, ['--bootstrap-server', bootstrap, ...args]);
      const [start, end] = [stdout.indexOf('{'), stdout.lastIndexOf('}') + 1];
      const { brokers } = JSON.parse(stdout.slice(start, end));
      for (const { logDirs } of brokers) {
        for (const logDir of logDirs) {
          expect(path.isAbsolute(logDir.logDir)).toBe(true);
          logDir.logDir = '/';
          logDir.partitions.sort((a: any, b: any) => a.partition.localeCompare(b.partition));
        }
      }
      return { said: stdout.slice(0, start), brokers };
    });
    expect(printed[1]).toEqual(printed[0]);
    expect(printed[1]!.brokers[1].logDirs[0].partitions).toContainEqual(
      expect.objectContaining({ partition: 'orders-1', isFuture: false, offsetLag: 0 }),
    );
  });

  it('ClientMetricsCommand makes, describes and deletes subscriptions', async () => {
    const named = ['--name', 'all'];
    await alike(CLIENT_METRICS, ['--list'], /^$/);
    const alter = ['--alter', ...named, '--metrics', 'a.,b.', '--interval', '5000'];
    await alike(CLIENT_METRICS, [...alter, '--match', 'client_id=x.*'], /Altered client metrics/);
    await alike(CLIENT_METRICS, ['--list'], /^all$/);
    await alike(CLIENT_METRICS, ['--describe', ...named], /interval\.ms=5000/);
    await alike(CLIENT_METRICS, ['--alter', ...named, '--interval', '99'], /interval/);
    await alike(CLIENT_METRICS, ['--delete', ...named], /Deleted client metrics/);
    await alike(CLIENT_METRICS, ['--describe', ...named], /./);
    await alike(CLIENT_METRICS, ['--list'], /^$/);
  });

  it('MetadataQuorumCommand shows the quorum in the same form', async () => {
    const digits: Comparison = {
      sorted: true,
      mask: [
        [/(ClusterId: +)\S+/g, '$1ID'],
        // Kafka's voters are in its configuration here, without their directories.
        [/"directoryId": "?[\w-]+"?, /g, ''],
        [/"endpoints": \[[^\]]*\]/g, '"endpoints": []'],
        [/(?<=^\d\s+)[\w-]{22}/gm, 'ID'],
        [/\b(\d+|-1)( ms ago)?\b/g, '#'],
        [/Leader(?=\s*$)|Follower(?=\s*$)/gm, 'ROLE'],
      ],
    };
    await alike(QUORUM, ['describe', '--status'], /MaxFollowerLagTimeMs/, digits);
    await alike(QUORUM, ['describe', '--replication'], /ROLE/, digits);
    await alike(QUORUM, ['describe', '--replication', '--human-readable'], /ROLE/, digits);
  });

  it('BrokerApiVersionsCommand and FeatureCommand find nothing that Kafka has otherwise', async () => {
    const [theirs, ours] = await eachSide(async (side) => {
      const { lines } = await print(side, API_VERSIONS, [], {});
      const ranges = lines.flatMap((line) => {
        const found = /^(\w+)\(\d+\): (\d+)(?: to (\d+))? \[usable: (\d+)\]/.exec(line);
        if (found === null) return [];
        const [, name, min, max = min, usable] = found;
        return [[name!, { min: Number(min), max: Number(max), usable }] as const];
      });
      return { brokers: lines.filter((line) => line.startsWith('BROKER')).length, ranges };
    });
    expect(ours!.brokers).toBe(3);
    const served = new Map(ours!.ranges);
    const missing = new Set<string>();
    for (const [name, range] of theirs!.ranges) {
      const { min, max, usable } = served.get(name) ?? { min: 0, max: -1, usable: '' };
      if (max < 0) missing.add(name);
      else {
        expect([name, usable]).toEqual([name, range.usable]);
        expect([name, min <= range.min, max >= range.max]).toEqual([name, true, true]);
      }
    }
    // Groups that are not served, tokens that brokers would hand out, voters that join by themselves.
    const unserved = /Share|Streams|DelegationToken|RaftVoter/;
    expect([...missing].filter((name) => !unserved.test(name))).toEqual([]);
    const [kafkas, known] = await eachSide((side) =>
      print(side, FEATURES, ['describe'], {
        mask: [
          [/Epoch: \d+/g, ''],
          // Where voters stand in the configuration, as Kafka's do here, it has no level of that.
          [/^Feature: kraft.version.*$/gm, ''],
        ],
      }),
    );
    expect(known!.lines.length).toBeGreaterThan(3);
    expect(known!.lines.filter((line) => !kafkas!.lines.includes(line))).toEqual([]);
  });

  it('ReassignPartitionsCommand plans, moves, lists, cancels, and refuses', async () => {
    const plan = (name: string, ...replicas: number[][]): string[] => {
      const partitions = replicas.map((ids, partition) => ({
        topic: 'orders',
        partition,
        replicas: ids,
      }));
      return ['--reassignment-json-file', inFile(`${name}.json`, { version: 1, partitions })];
    };
    const moved = plan('moved', [2, 1], [1, 0]);
    await alike(REASSIGN, ['--verify', ...moved], /replica set is 0,1,2 rather than 2,1/, {
      sorted: true,
    });
    await alike(REASSIGN, ['--execute', ...moved], /Successfully started/, {
      mask: [[/"log_dirs":\[[^\]]*\]/g, '"log_dirs":[]']],
    });
    await eachSide(({ bootstrap }) =>
      expect
        .poll(async () => {
          const args = ['--bootstrap-server', bootstrap, '--list'];
          return (await shell.run(REASSIGN, args)).stdout;
        })
        .toContain('No partition reassignments found'),
    );
    await alike(REASSIGN, ['--verify', ...moved], /orders-1 is completed/, { sorted: true });
    await alike(REASSIGN, ['--list'], /No partition reassignments found/);
    await alike(REASSIGN, ['--cancel', ...moved], /None of the specified|orders/, { sorted: true });
    await alike(REASSIGN, ['--execute', ...plan('twice', [1, 1])], /duplicate/i);
    await alike(REASSIGN, ['--execute', ...plan('nobody', [1, 9])], /9/);
    const absent = {
      version: 1,
      partitions: [{ topic: 'absent', partition: 0, replicas: [0] }],
    };
    const file = ['--reassignment-json-file', inFile('absent.json', absent)];
    await alike(REASSIGN, ['--execute', ...file], /absent/);
    await alike(TOPICS, ['--describe', '--topic', 'orders'], /Replicas: 2,1/, {
      mask: [
        [/TopicId: \S+/g, ''],
        [/Isr: \S+/g, ''],
        [/Leader: \d/g, ''],
      ],
    });
  });

  it('LeaderElectionCommand elects the preferred, where there is another one to elect', async () => {
    const preferred = ['--election-type', 'preferred'];
    const one = [...preferred, '--topic', 'orders', '--partition', '0'];
    await eachSide(({ bootstrap }) =>
      shell.run(ELECTION, ['--bootstrap-server', bootstrap, ...one]),
    );
    await alike(ELECTION, one, /Valid replica already elected for partitions orders-0/);
    const partitions = [
      { topic: 'orders', partition: 1 },
      { topic: 'other', partition: 1 },
    ];
    const file = ['--path-to-json-file', inFile('elect.json', { partitions })];
    await eachSide(({ bootstrap }) =>
      shell.run(ELECTION, ['--bootstrap-server', bootstrap, ...preferred, ...file]),
    );
    await alike(ELECTION, [...preferred, ...file], /Valid replica/, { sorted: true });
    const unclean = ['--election-type', 'unclean', ...file];
    await alike(ELECTION, unclean, /Valid replica|not needed/i, { sorted: true });
    const absent = [...preferred, '--topic', 'absent', '--partition', '0'];
    await alike(ELECTION, absent, /absent/);
    await alike(ELECTION, [...preferred, '--all-topic-partitions'], /^$|Success|Valid/, {
      mask: [
        [/__\w+-\d+(, )?/g, ''],
        [/^.*partitions:? *$/gm, ''],
      ],
    });
  });

  it('VerifiableProducer and VerifiableConsumer verify', async () => {
    const printed = await eachSide(async ({ bootstrap }) => {
      const common = ['--bootstrap-server', bootstrap, '--topic', 'other'];
      const json = async (tool: string, args: readonly string[]): Promise<any[]> => {
        const { code, stdout, stderr } = await kafkaTool(tool, [...common, ...args]);
        expect(code === 0 ? '' : stderr).toBe('');
        return stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line));
      };
      const limited = ['--max-messages', '200'];
      const sent = await json(VERIFIABLE_PRODUCER, [...limited, '--acks', '-1']);
      const read = await json(VERIFIABLE_CONSUMER, [
        ...[...limited, '--group-id', 'verifiers', '--reset-policy', 'earliest', '--verbose'],
      ]);
      const named = (from: any[], name: string): any[] => from.filter((line) => line.name === name);
      const commits = named(read, 'offsets_committed');
      return {
        sent: new Set(sent.map(({ name }) => name)),
        acknowledged: named(sent, 'producer_send_success').map(({ value }) => Number(value)),
        summary: named(sent, 'tool_data').map(({ sent: tried, acked }) => [tried, acked]),
        read: new Set(read.map(({ name }) => name)),
        values: named(read, 'record_data')
          .map(({ value }) => Number(value))
          .toSorted((a, b) => a - b),
        assigned: named(read, 'partitions_assigned').map(({ partitions }) => partitions.length),
        commits: commits.every(({ success }) => success === true) && commits.length > 0,
      };
    });
    const [theirs, ours] = printed;
    expect(ours).toEqual({ ...theirs, acknowledged: ours!.acknowledged });
    expect(ours!.acknowledged.toSorted((a, b) => a - b)).toEqual(ours!.values);
    expect(ours!.summary).toEqual([[200, 200]]);
    expect(ours!.values).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  it.each([
    ['move replicas', replicas.reassignments],
    ['elect leaders', replicas.elections],
    ['describe the quorum', replicas.quorum],
  ])('and the brokers %s alike, asked in every way', async (_, scene) => {
    const base = Date.now();
    const asked = sides.map(({ name, ports }) => new WireSide(name, ports[0]!, base));
    await Promise.all(asked.map((side) => scene(side)));
    expect(asked[1]!.entries.length).toBeGreaterThan(5);
    expect(differences(asked[0]!.entries, asked[1]!.entries)).toEqual([]);
    for (const side of asked) side.close();
  });

  it('LeaderElectionCommand gives a partition to a replica that was left behind, when it must', async () => {
    const create = ['--create', '--topic', 'lost', '--replica-assignment', '2:1'];
    await alike(TOPICS, [...create, '--config', 'min.insync.replicas=1'], /Created topic lost/);
    const stop = (id: number): Promise<unknown> =>
      Promise.all([kafka[id]!.halt(), cluster.stopBroker(id)]);
    await stop(1);
    await stop(2);
    await Promise.all([kafka[1]!.restart(), cluster.startBroker(1)]);
    const one = ['--topic', 'lost', '--partition', '0'];
    const bare: Comparison = { mask: [[/TopicId: \S+/g, '']] };
    const described = async (expected: RegExp): Promise<void> => {
      await eachSide((side) =>
        expect
          .poll(async () =>
            (await print(side, TOPICS, ['--describe', ...one.slice(0, 2)], bare)).lines.join('\n'),
          )
          .toMatch(expected),
      );
      await alike(TOPICS, ['--describe', ...one.slice(0, 2)], expected, bare);
    };
    await described(/Leader: none Replicas: 2,1 Isr: Elr: 2 LastKnownElr: 2/);
    await alike(ELECTION, ['--election-type', 'preferred', ...one], /lost-0/);
    await alike(ELECTION, ['--election-type', 'unclean', ...one], /Successfully completed/);
    await described(/Leader: 1 Replicas: 2,1 Isr: 1\b/);
  });

  it('and the brokers forget the one that stays away alike', async () => {
    const base = Date.now();
    const asked = sides.map(({ name, ports }) => new WireSide(name, ports[0]!, base));
    await Promise.all(asked.map((side) => replicas.unregistering(side, 2)));
    expect(asked[1]!.succeeded.get('UnregisterBroker')).toEqual(new Set([0]));
    expect(differences(asked[0]!.entries, asked[1]!.entries)).toEqual([]);
    for (const side of asked) side.close();
  });
});
