/** Apache Kafka's own tools on our broker: administration, console clients, performance tools. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool } from '../peers/kafka.ts';
import { type RunningBroker, startBroker } from '../unit/broker/fixture.ts';

const TOPICS = 'org.apache.kafka.tools.TopicCommand';
const OFFSETS = 'org.apache.kafka.tools.GetOffsetShell';
const CONFIGS = 'kafka.admin.ConfigCommand';
const PRODUCER = 'org.apache.kafka.tools.ConsoleProducer';
const CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
const PRODUCER_PERFORMANCE = 'org.apache.kafka.tools.ProducerPerformance';
const CONSUMER_PERFORMANCE = 'org.apache.kafka.tools.ConsumerPerformance';
const END_TO_END = 'org.apache.kafka.tools.EndToEndLatency';
const DELETE_RECORDS = 'org.apache.kafka.tools.DeleteRecordsCommand';
const LOG_DIRS = 'org.apache.kafka.tools.LogDirsCommand';
const API_VERSIONS = 'org.apache.kafka.tools.BrokerApiVersionsCommand';
const CLUSTER = 'org.apache.kafka.tools.ClusterTool';

describeWithPeers(['kafka'], 'Kafka’s tools', () => {
  let running: RunningBroker;
  let bootstrap: string;
  beforeAll(async () => {
    running = await startBroker({ 'group.initial.rebalance.delay.ms': 0 });
    bootstrap = `127.0.0.1:${running.port}`;
  });
  afterAll(() => running.stop());

  const run = async (tool: string, args: string[], stdin = ''): Promise<string> => {
    const { code, stdout, stderr } = await kafkaTool(tool, args, { stdin, timeoutMs: 120_000 });
    expect(code === 0 ? '' : `${stdout}\n${stderr}`).toBe('');
    return stdout;
  };
  const admin = (tool: string, ...args: string[]): Promise<string> =>
    run(tool, ['--bootstrap-server', bootstrap, ...args]);

  it('TopicCommand creates, lists, describes, alters and deletes', async () => {
    const created = await admin(
      TOPICS,
      '--create',
      '--topic',
      'tools',
      '--partitions',
      '2',
      '--replication-factor',
      '1',
      '--config',
      'retention.ms=3600000',
    );
    expect(created).toContain('Created topic tools.');
    expect(await admin(TOPICS, '--list')).toContain('tools\n');
    const described = await admin(TOPICS, '--describe', '--topic', 'tools');
    expect(described).toMatch(
      /Topic: tools\tTopicId: \S{22}\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: retention.ms=3600000/,
    );
    expect(described).toMatch(/Partition: 1\tLeader: 0\tReplicas: 0\tIsr: 0/);
    await admin(TOPICS, '--alter', '--topic', 'tools', '--partitions', '4');
    expect(await admin(TOPICS, '--describe', '--topic', 'tools')).toContain('PartitionCount: 4');
    expect(await admin(TOPICS, '--describe', '--under-replicated-partitions')).toBe('');
    await admin(TOPICS, '--delete', '--topic', 'tools');
    expect(await admin(TOPICS, '--list')).not.toContain('tools');
  });

  it('TopicCommand is refused in Kafka’s words', async () => {
    await admin(TOPICS, '--create', '--topic', 'there');
    const again = await kafkaTool(TOPICS, [
      '--bootstrap-server',
      bootstrap,
      '--create',
      '--topic',
      'there',
    ]);
    expect(again.code).toBe(1);
    expect(again.stdout).toContain("Topic 'there' already exists.");
  });

  it('ConfigCommand describes and alters topics and brokers', async () => {
    await admin(TOPICS, '--create', '--topic', 'configured');
    const topic = ['--entity-type', 'topics', '--entity-name', 'configured'];
    await admin(
      CONFIGS,
      '--alter',
      ...topic,
      '--add-config',
      'retention.ms=5000,cleanup.policy=[compact,delete]',
    );
    const described = await admin(CONFIGS, '--describe', ...topic);
    // As on Apache Kafka, to the letter.
    expect(described.trimEnd().split('\n').slice(1)).toEqual([
      '  cleanup.policy=compact,delete sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, DEFAULT_CONFIG:log.cleanup.policy=delete}',
      '  retention.ms=5000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=5000}',
    ]);
    const all = await admin(CONFIGS, '--describe', ...topic, '--all');
    expect(all.trimEnd().split('\n').length).toBeGreaterThan(30);
    await admin(CONFIGS, '--alter', ...topic, '--delete-config', 'retention.ms,cleanup.policy');
    expect(await admin(CONFIGS, '--describe', ...topic)).not.toContain('retention.ms');
    const broker = ['--entity-type', 'brokers', '--entity-name', '0'];
    await admin(CONFIGS, '--alter', ...broker, '--add-config', 'log.flush.on.acks.all=false');
    expect(await admin(CONFIGS, '--describe', ...broker)).toContain('log.flush.on.acks.all=false');
    await admin(CONFIGS, '--alter', ...broker, '--delete-config', 'log.flush.on.acks.all');
    expect(await admin(CONFIGS, '--describe', '--entity-type', 'topics')).toContain('configured');
  });

  it('the console producer and consumer exchange keys and values', async () => {
    await admin(TOPICS, '--create', '--topic', 'console', '--partitions', '1');
    const sent = Array.from({ length: 100 }, (_, i) => `k${i}:value ${i}`);
    await run(
      PRODUCER,
      [
        '--bootstrap-server',
        bootstrap,
        '--topic',
        'console',
        '--reader-property',
        'parse.key=true',
        '--reader-property',
        'key.separator=:',
      ],
      `${sent.join('\n')}\n`,
    );
    const got = await admin(
      CONSUMER,
      '--topic',
      'console',
      '--from-beginning',
      '--max-messages',
      '100',
      '--formatter-property',
      'print.key=true',
      '--formatter-property',
      'key.separator=:',
    );
    expect(got.trimEnd().split('\n')).toEqual(sent);
  });

  it('GetOffsetShell knows the ends, times and the largest time', async () => {
    const at = async (...more: string[]) =>
      (await admin(OFFSETS, '--topic', 'console', ...more)).trim();
    expect(await at()).toBe('console:0:100');
    expect(await at('--time', 'earliest')).toBe('console:0:0');
    expect(await at('--time', 'max-timestamp')).toMatch(/^console:0:\d+$/);
    expect(await at('--time', '0')).toBe('console:0:0');
    expect(await at('--time', String(Date.now() + 100_000))).toBe('');
  });

  it('DeleteRecordsCommand moves the start', async () => {
    const file = path.join(running.directory, 'delete.json');
    const wanted = { partitions: [{ topic: 'console', partition: 0, offset: 40 }], version: 1 };
    fs.writeFileSync(file, JSON.stringify(wanted));
    expect(await admin(DELETE_RECORDS, '--offset-json-file', file)).toContain('low_watermark: 40');
    expect((await admin(OFFSETS, '--topic', 'console', '--time', 'earliest')).trim()).toBe(
      'console:0:40',
    );
  });

  it('LogDirsCommand sees sizes and folders', async () => {
    const out = await admin(LOG_DIRS, '--describe', '--topic-list', 'console');
    const json = JSON.parse(out.slice(out.indexOf('{')));
    expect(json.brokers[0].logDirs[0].logDir).toBe(running.directory);
    expect(json.brokers[0].logDirs[0].partitions[0]).toMatchObject({
      partition: 'console-0',
      isFuture: false,
    });
  });

  it('BrokerApiVersionsCommand and ClusterTool read what we are', async () => {
    const versions = await admin(API_VERSIONS);
    expect(versions).toContain('Fetch(1): 4 to 18 [usable: 18]');
    expect(versions).toContain('Produce(0): 0 to 13');
    const cluster = await run(CLUSTER, ['cluster-id', '--bootstrap-server', bootstrap]);
    expect(cluster).toContain(running.broker.services.clusterId);
  });

  it.each([
    ['all', 'none', 'true'],
    ['all', 'zstd', 'true'],
    ['1', 'lz4', 'false'],
    ['0', 'none', 'false'],
  ])(
    'ProducerPerformance with acks %s, %s, idempotence %s; ConsumerPerformance reads it all',
    async (acks, codec, idempotence) => {
      const topic = `performance-${acks}-${codec}`;
      await admin(TOPICS, '--create', '--topic', topic, '--partitions', '3');
      const out = await run(PRODUCER_PERFORMANCE, [
        '--topic',
        topic,
        '--num-records',
        '50000',
        '--record-size',
        '200',
        '--throughput',
        '-1',
        '--bootstrap-server',
        bootstrap,
        '--command-property',
        `acks=${acks}`,
        '--command-property',
        `compression.type=${codec}`,
        '--command-property',
        `enable.idempotence=${idempotence}`,
      ]);
      expect(out).toMatch(/^50000 records sent/m);
      const partitions = running.broker.services.partitions.topic(topic)!.partitions;
      const stored = () => partitions.reduce((sum, p) => sum + p!.highWatermark, 0);
      await expect.poll(stored).toBe(50_000);
      const read = await admin(CONSUMER_PERFORMANCE, '--topic', topic, '--num-records', '50000');
      expect(read).toMatch(/, 50000, /);
    },
  );

  it('EndToEndLatency gets every record back', async () => {
    await admin(TOPICS, '--create', '--topic', 'latency');
    const out = await admin(
      END_TO_END,
      '--topic',
      'latency',
      '--num-records',
      '500',
      '--producer-acks',
      '1',
      '--record-size',
      '100',
    );
    expect(out).toContain('Percentiles: 50th = ');
  });

  it('has closed nobody for a mistake of ours', () => {
    const unexpected = running.logged.filter(({ level }) => level === 'error');
    expect(unexpected).toEqual([]);
    expect(
      [...running.broker.connectionStats.closedByReason.keys()].filter((r) => r !== 'peer-error'),
    ).toEqual([]);
  });
});
