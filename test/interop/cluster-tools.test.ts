/** Apache Kafka's own tools on a cluster of three of our brokers. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool } from '../peers/kafka.ts';
import { ClusterProcesses, eventually } from '../support/cluster-processes.ts';

const TOPICS = 'org.apache.kafka.tools.TopicCommand';
const REASSIGN = 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand';
const ELECTION = 'org.apache.kafka.tools.LeaderElectionCommand';
const QUORUM = 'org.apache.kafka.tools.MetadataQuorumCommand';
const CLUSTER = 'org.apache.kafka.tools.ClusterTool';
const GROUPS = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand';
const CONFIGS = 'kafka.admin.ConfigCommand';
const PRODUCER_PERFORMANCE = 'org.apache.kafka.tools.ProducerPerformance';
const CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer';

const SETTINGS = {
  'min.insync.replicas': '2',
  'replica.lag.time.max.ms': '2000',
  'offsets.topic.num.partitions': '3',
  'replica.selector.class': 'org.apache.kafka.common.replica.RackAwareReplicaSelector',
};

const byText = (a: string, b: string): number => (a < b ? -1 : 1);

describeWithPeers(['kafka'], 'Kafka’s tools on three brokers', () => {
  let cluster: ClusterProcesses;
  beforeAll(async () => {
    cluster = await ClusterProcesses.start({ settings: SETTINGS, racks: ['a', 'b', 'c'] });
  });
  afterAll(() => cluster?.stop());

  const run = async (tool: string, args: string[], stdin = ''): Promise<string> => {
    const { code, stdout, stderr } = await kafkaTool(tool, args, { stdin, timeoutMs: 120_000 });
    expect(code === 0 ? '' : `${stdout}\n${stderr}`).toBe('');
    return stdout;
  };
  const admin = (tool: string, ...args: string[]): Promise<string> =>
    run(tool, ['--bootstrap-server', cluster.bootstrap, ...args]);
  const inFile = (name: string, content: unknown): string => {
    const file = path.join(cluster.directory, name);
    fs.writeFileSync(file, JSON.stringify(content));
    return file;
  };
  const isWhole = (topic: string): Promise<void> =>
    eventually(`${topic} has all replicas in sync`, async () => {
      const described = await admin(TOPICS, '--describe', '--topic', topic);
      const under = await admin(TOPICS, '--describe', '--under-replicated-partitions');
      return described.includes('Isr:') && under === '';
    });

  it('TopicCommand creates replicated topics and spreads them', async () => {
    await admin(TOPICS, '--create', '--topic', 'spread', '--partitions', '6');
    const described = await admin(TOPICS, '--describe', '--topic', 'spread');
    expect(described).toContain('ReplicationFactor: 3');
    const leaders = [...described.matchAll(/Leader: (\d)/g)].map((match) => match[1]!);
    expect(leaders.toSorted(byText)).toEqual(['0', '0', '1', '1', '2', '2']);
    for (const [, replicas, isr] of described.matchAll(/Replicas: ([\d,]+)\tIsr: ([\d,]+)/g)) {
      expect(replicas!.split(',').toSorted(byText)).toEqual(['0', '1', '2']);
      expect(isr!.split(',').toSorted(byText)).toEqual(['0', '1', '2']);
    }
    const one = ['--create', '--topic', 'one', '--partitions', '1', '--replication-factor', '1'];
    await admin(TOPICS, ...one);
    expect(await admin(TOPICS, '--describe', '--topic', 'one')).toContain('ReplicationFactor: 1');
    const four = await kafkaTool(TOPICS, [
      '--bootstrap-server',
      cluster.bootstrap,
      ...['--create', '--topic', 'four', '--replication-factor', '4'],
    ]);
    expect(four.code).toBe(1);
    expect(`${four.stdout}${four.stderr}`).toContain('InvalidReplicationFactorException');
  });

  it('MetadataQuorumCommand shows the leader, the voters and how far they are', async () => {
    const status = await admin(QUORUM, 'describe', '--status');
    expect(status).toMatch(/ClusterId: +\S{22}/);
    expect(status).toMatch(/LeaderId: +[012]\n/);
    expect(status).toMatch(/MaxFollowerLag: +\d+\n/);
    for (const id of [0, 1, 2]) expect(status).toContain(`"id": ${id}`);
    const replication = await admin(QUORUM, 'describe', '--replication');
    const rows = replication.trimEnd().split('\n').slice(1);
    expect(rows).toHaveLength(3);
    expect(rows.filter((row) => row.includes('Leader'))).toHaveLength(1);
    expect(rows.filter((row) => row.includes('Follower'))).toHaveLength(2);
  });

  it('ClusterTool lists the endpoints', async () => {
    const listed = await run(CLUSTER, [
      'list-endpoints',
      '--bootstrap-server',
      cluster.bootstrap,
      '--include-fenced-brokers',
    ]);
    const rows = listed.trimEnd().split('\n').slice(1);
    expect(rows.map((row) => row.split(/\s+/).slice(0, 5))).toEqual(
      cluster.brokers.map(({ id, port }) => [
        String(id),
        '127.0.0.1',
        String(port),
        'abc'[id],
        'unfenced',
      ]),
    );
  });

  it('ReassignPartitionsCommand generates, moves with a throttle, and verifies', async () => {
    const replicas = ['--create', '--topic', 'moved', '--replica-assignment', '0:1,1:0'];
    await admin(TOPICS, ...replicas);
    const load = ['--topic', 'moved', '--num-records', '20000', '--record-size', '200'];
    await run(PRODUCER_PERFORMANCE, [
      ...load,
      ...['--throughput', '-1', '--producer-props', 'acks=all'],
      `bootstrap.servers=${cluster.bootstrap}`,
    ]);
    const topics = inFile('topics.json', { version: 1, topics: [{ topic: 'moved' }] });
    const generated = await admin(
      REASSIGN,
      ...['--generate', '--topics-to-move-json-file', topics, '--broker-list', '1,2'],
    );
    expect(generated).toContain('Proposed partition reassignment configuration');
    const plan = inFile('plan.json', {
      version: 1,
      partitions: [0, 1].map((partition) => ({ topic: 'moved', partition, replicas: [1, 2] })),
    });
    const executed = await admin(
      REASSIGN,
      ...['--execute', '--reassignment-json-file', plan, '--throttle', '1000000'],
    );
    expect(executed).toContain('The inter-broker throttle limit was set to 1000000 B/s');
    expect(executed).toContain('Successfully started partition reassignments for moved-0,moved-1');
    await eventually('the partitions have moved', async () => {
      const verified = await admin(REASSIGN, '--verify', '--reassignment-json-file', plan);
      return /moved-0 is completed[^]*moved-1 is completed/.test(verified);
    });
    const described = await admin(TOPICS, '--describe', '--topic', 'moved');
    expect(described.match(/Replicas: 1,2/g)).toHaveLength(2);
    // Verifying has taken the throttles away.
    const configs = await admin(
      CONFIGS,
      '--describe',
      '--entity-type',
      'brokers',
      '--entity-name',
      '1',
    );
    expect(configs).not.toContain('throttled.rate');
    const consumed = await run(CONSUMER, [
      ...['--bootstrap-server', cluster.bootstrap, '--topic', 'moved', '--from-beginning'],
      ...['--timeout-ms', '5000'],
    ]);
    expect(consumed.trimEnd().split('\n')).toHaveLength(20_000);
  });

  it('ReassignPartitionsCommand lists and cancels what goes on', async () => {
    await admin(TOPICS, '--create', '--topic', 'stays', '--replica-assignment', '0:1');
    await run(PRODUCER_PERFORMANCE, [
      ...['--topic', 'stays', '--num-records', '40000', '--record-size', '500'],
      ...['--throughput', '-1', '--producer-props', 'acks=all'],
      `bootstrap.servers=${cluster.bootstrap}`,
    ]);
    const plan = inFile('cancel.json', {
      version: 1,
      partitions: [{ topic: 'stays', partition: 0, replicas: [1, 2] }],
    });
    // 20 MB at 50 kB a second: it will not be done before it is cancelled.
    await admin(REASSIGN, '--execute', '--reassignment-json-file', plan, '--throttle', '50000');
    const listed = await admin(REASSIGN, '--list');
    expect(listed).toMatch(/stays-0: replicas: [\d,]+\. adding: 2\. removing: 0\./);
    const verified = await admin(
      REASSIGN,
      ...['--verify', '--reassignment-json-file', plan, '--preserve-throttles'],
    );
    expect(verified).toContain('Reassignment of partition stays-0 is still in progress.');
    const cancelled = await admin(REASSIGN, '--cancel', '--reassignment-json-file', plan);
    expect(cancelled).toContain('Successfully cancelled partition reassignment for: stays-0');
    expect(await admin(REASSIGN, '--list')).toContain('No partition reassignments found.');
    const described = await admin(TOPICS, '--describe', '--topic', 'stays');
    expect(described).toMatch(/Replicas: (0,1|1,0)\tIsr: (0,1|1,0)/);
  });

  it('ConsoleConsumer in a rack reads every line', async () => {
    await admin(TOPICS, '--create', '--topic', 'near', '--replica-assignment', '0:1:2');
    const lines = Array.from({ length: 200 }, (_, i) => `line ${i}`);
    await run(
      'org.apache.kafka.tools.ConsoleProducer',
      ['--bootstrap-server', cluster.bootstrap, '--topic', 'near'],
      lines.join('\n'),
    );
    const consumed = await run(CONSUMER, [
      ...['--bootstrap-server', cluster.bootstrap, '--topic', 'near', '--from-beginning'],
      ...['--max-messages', '200', '--timeout-ms', '20000', '--command-property', 'client.rack=c'],
    ]);
    expect(consumed.trimEnd().split('\n')).toEqual(lines);
  });

  it('tools tell of a broker that is gone, and of its return', async () => {
    await isWhole('spread');
    await cluster.broker(2).kill();
    await eventually('broker 2 is missed', async () => {
      const under = await admin(TOPICS, '--describe', '--under-replicated-partitions');
      return (under.match(/Topic: spread/g) ?? []).length === 6;
    });
    const described = await admin(TOPICS, '--describe', '--topic', 'spread');
    expect(described).not.toMatch(/Leader: 2/);
    const listed = await run(CLUSTER, [
      ...['list-endpoints', '--bootstrap-server', cluster.bootstrap, '--include-fenced-brokers'],
    ]);
    expect(listed).toMatch(/^2 +127\.0\.0\.1 +\d+ +c +fenced/m);
    expect(await admin(TOPICS, '--describe', '--at-min-isr-partitions')).toContain('spread');
    await cluster.broker(2).restart();
    await isWhole('spread');
  });

  it('LeaderElectionCommand gives the preferred leaders their partitions back', async () => {
    const before = await admin(TOPICS, '--describe', '--topic', 'spread');
    const preferred = (text: string): boolean =>
      [...text.matchAll(/Leader: (\d)\tReplicas: (\d)/g)].every(([, is, should]) => is === should);
    const all = ['--election-type', 'preferred', '--all-topic-partitions'];
    const elected = await admin(ELECTION, ...all);
    if (!preferred(before)) {
      expect(elected).toContain('Successfully completed leader election (PREFERRED)');
    }
    expect(preferred(await admin(TOPICS, '--describe', '--topic', 'spread'))).toBe(true);
    const first = ['--election-type', 'preferred', '--topic', 'spread', '--partition', '0'];
    expect(await admin(ELECTION, ...first)).toContain('Valid replica already elected');
  });

  it('ConsumerGroupCommand finds groups wherever they are', async () => {
    for (const group of ['g1', 'g2', 'g3', 'g4']) {
      await run(CONSUMER, [
        ...['--bootstrap-server', cluster.bootstrap, '--topic', 'near', '--from-beginning'],
        ...['--max-messages', '200', '--group', group, '--timeout-ms', '20000'],
      ]);
    }
    const listed = await admin(GROUPS, '--list');
    expect(
      listed
        .split('\n')
        .filter((line) => /^g[1-4]$/.test(line.trim()))
        .toSorted(),
    ).toEqual(['g1', 'g2', 'g3', 'g4']);
    for (const group of ['g1', 'g2', 'g3', 'g4']) {
      const described = await admin(GROUPS, '--describe', '--group', group);
      expect(described).toMatch(new RegExp(`${group} +near +0 +200 +200 +0`));
    }
    const states = await admin(GROUPS, '--describe', '--all-groups', '--state');
    for (const group of ['g1', 'g2', 'g3', 'g4']) {
      expect(states).toMatch(new RegExp(`${group} +127\\.0\\.0\\.1:\\d+ +\\([012]\\)`));
    }
  });

  it('ClusterTool unregisters a broker that is gone for good', async () => {
    await cluster.broker(2).halt();
    await eventually('broker 2 is fenced', async () => {
      const args = ['list-endpoints', '--bootstrap-server', cluster.bootstrap];
      return !/^2 /m.test(await run(CLUSTER, args));
    });
    const unregister = ['unregister', '--bootstrap-server', cluster.bootstrap, '--id', '2'];
    expect(await run(CLUSTER, unregister)).toContain('Broker 2 is no longer registered.');
    const listed = await run(CLUSTER, [
      ...['list-endpoints', '--bootstrap-server', cluster.bootstrap, '--include-fenced-brokers'],
    ]);
    expect(listed).not.toMatch(/^2 /m);
    await cluster.broker(2).restart();
    await isWhole('spread');
  });
});
