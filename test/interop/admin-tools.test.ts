/** Apache Kafka's tools for settings of every resource, features and metrics of clients; clients that push those. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { confluentKafka } from '../peers/confluent.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool } from '../peers/kafka.ts';
import {
  fetch,
  type RunningBroker,
  startBroker,
  valuesOf,
  WireClient,
} from '../unit/broker/fixture.ts';

const CONFIGS = 'kafka.admin.ConfigCommand';
const CLIENT_METRICS = 'org.apache.kafka.tools.ClientMetricsCommand';
const FEATURES = 'org.apache.kafka.tools.FeatureCommand';
const QUORUM = 'org.apache.kafka.tools.MetadataQuorumCommand';
const TOPICS = 'org.apache.kafka.tools.TopicCommand';
const PRODUCER_PERFORMANCE = 'org.apache.kafka.tools.ProducerPerformance';
const CONSUMER_PERFORMANCE = 'org.apache.kafka.tools.ConsumerPerformance';

describeWithPeers(['kafka'], 'Kafka’s tools for administrators', () => {
  let running: RunningBroker;
  let bootstrap: string;
  beforeAll(async () => {
    running = await startBroker({ 'topic.policy.partitions.max': 50 });
    bootstrap = `127.0.0.1:${running.port}`;
  });
  afterAll(() => running?.stop());

  const admin = async (tool: string, ...args: string[]): Promise<string> => {
    const all = ['--bootstrap-server', bootstrap, ...args];
    const { code, stdout, stderr } = await kafkaTool(tool, all, { timeoutMs: 120_000 });
    expect(code === 0 ? '' : `${stdout}\n${stderr}`).toBe('');
    return stdout;
  };

  it('ConfigCommand alters and describes groups, subscriptions and loggers', async () => {
    const group = ['--entity-type', 'groups', '--entity-name', 'g'];
    const session = 'consumer.session.timeout.ms';
    await admin(CONFIGS, ...group, '--alter', '--add-config', `${session}=50000`);
    expect(await admin(CONFIGS, ...group, '--describe')).toContain(
      `${session}=50000 sensitive=false synonyms={DYNAMIC_GROUP_CONFIG:${session}=50000, DEFAULT_CONFIG:group.${session}=45000}`,
    );
    await admin(CONFIGS, ...group, '--alter', '--delete-config', session);
    const metrics = ['--entity-type', 'client-metrics', '--entity-name', 's'];
    await admin(CONFIGS, ...metrics, '--alter', '--add-config', 'metrics=a.,interval.ms=5000');
    expect(await admin(CONFIGS, ...metrics, '--describe')).toContain('interval.ms=5000');
    await admin(CONFIGS, ...metrics, '--alter', '--delete-config', 'metrics,interval.ms');
    const loggers = ['--entity-type', 'broker-loggers', '--entity-name', '0'];
    await admin(CONFIGS, ...loggers, '--alter', '--add-config', 'root=WARN');
    expect(await admin(CONFIGS, ...loggers, '--describe')).toContain('root=WARN');
    const brokers = ['--entity-type', 'brokers', '--entity-default'];
    await admin(CONFIGS, ...brokers, '--alter', '--add-config', 'log.retention.ms=5000000');
    expect(await admin(CONFIGS, ...brokers, '--describe')).toContain('log.retention.ms=5000000');
    await admin(CONFIGS, ...brokers, '--alter', '--delete-config', 'log.retention.ms');
  });

  it('TopicCommand is told what the policy refuses', async () => {
    const made = await kafkaTool(TOPICS, [
      ...['--bootstrap-server', bootstrap, '--create'],
      ...['--topic', 'wide', '--partitions', '51'],
    ]);
    expect(made.code).toBe(1);
    expect(made.stdout).toContain('at most 50 are allowed (topic.policy.partitions.max)');
  });

  it('FeatureCommand describes features, and changes levels', async () => {
    const described = await admin(FEATURES, 'describe');
    expect(described).toMatch(
      /Feature: metadata\.version\s+SupportedMinVersion: 3\.3-IV3\s+SupportedMaxVersion: 4\.3-IV0\s+FinalizedVersionLevel: 4\.3-IV0/,
    );
    expect(described).toMatch(/Feature: group\.version\s.*FinalizedVersionLevel: 1/);
    const elr = 'eligible.leader.replicas.version';
    await admin(FEATURES, 'downgrade', '--feature', `${elr}=0`);
    expect(await admin(FEATURES, 'describe')).toMatch(
      new RegExp(`Feature: ${elr}\\s.*FinalizedVersionLevel: 0`),
    );
    await admin(FEATURES, 'upgrade', '--feature', `${elr}=1`);
  });

  it('MetadataQuorumCommand describes a quorum of one', async () => {
    expect(await admin(QUORUM, 'describe', '--status')).toMatch(/LeaderId:\s+0/);
    expect(await admin(QUORUM, 'describe', '--replication')).toMatch(/^0\s.*Leader/m);
  });
});

/** What the broker has of the clients, by the beginning of the metrics' names. */
async function seriesOf(running: RunningBroker, clientId: string): Promise<string[]> {
  const text = await running.broker.metrics();
  return text
    .split('\n')
    .filter((line) => line.startsWith('kafka_client_') && line.includes(`"${clientId}"`));
}

describeWithPeers(['kafka', 'confluent'], 'clients that push their metrics', () => {
  let running: RunningBroker;
  let bootstrap: string;
  beforeAll(async () => {
    running = await startBroker();
    bootstrap = `127.0.0.1:${running.port}`;
    const subscribed = await kafkaTool(CLIENT_METRICS, [
      ...['--bootstrap-server', bootstrap, '--alter', '--name', 'all'],
      ...['--metrics', 'org.apache.kafka.', '--interval', '500'],
      ...['--match', 'client_software_name=apache-kafka-java|.*librdkafka|confluent.*'],
    ]);
    expect(subscribed.stderr + subscribed.stdout).toContain(
      'Altered client metrics config for all.',
    );
  });
  afterAll(() => running?.stop());

  it('ClientMetricsCommand lists and describes the subscription', async () => {
    const run = (...args: string[]) =>
      kafkaTool(CLIENT_METRICS, ['--bootstrap-server', bootstrap, ...args]);
    expect((await run('--list')).stdout).toContain('all');
    const { stdout } = await run('--describe', '--name', 'all');
    expect(stdout).toContain('interval.ms=500');
    expect(stdout).toContain('metrics=org.apache.kafka.');
  });

  it('Kafka’s producer and consumer have series and records', async () => {
    await kafkaTool(PRODUCER_PERFORMANCE, [
      ...['--bootstrap-server', bootstrap, '--topic', 'pushed', '--num-records', '1500'],
      ...['--record-size', '100', '--throughput', '500'],
      ...['--command-property', 'client.id=java-producer'],
    ]);
    const produced = await seriesOf(running, 'java-producer');
    const names = produced.map((line) => line.slice(0, line.indexOf('{')));
    expect(names).toContain('kafka_client_producer_record_queue_time_avg');
    expect(names).toContain('kafka_client_producer_connection_creation_total');
    expect(
      produced.every((line) => line.includes('client_software_name="apache-kafka-java"')),
    ).toBe(true);
    await kafkaTool(CONSUMER_PERFORMANCE, [
      ...['--bootstrap-server', bootstrap, '--topic', 'pushed', '--num-records', '1500'],
      ...['--command-property', 'client.id=java-consumer'],
    ]);
    const consumed = await seriesOf(running, 'java-consumer');
    expect(consumed.join('\n')).toContain('kafka_client_consumer_');
    const client = await WireClient.connect(running.port);
    const { records } = await fetch(client, 'metrics', 0, { partitionMaxBytes: 50_000_000 });
    await client.close();
    const stored = valuesOf(records).map((value) => JSON.parse(value));
    const queueTime = stored.find(
      ({ name }) => name === 'kafka_client_producer_record_queue_time_avg',
    );
    expect(queueTime).toMatchObject({ type: 'gauge', labels: { client_id: 'java-producer' } });
    const { telemetry } = running.broker.services;
    expect(telemetry.counts.exported).toBeGreaterThan(2);
    expect(telemetry.counts.failed).toBe(0);
  });

  it('librdkafka’s producer has series', async () => {
    const program = `
import sys, time
from confluent_kafka import Producer
producer = Producer({'bootstrap.servers': sys.argv[1], 'client.id': 'rd-producer'})
until = time.time() + 3
while time.time() < until:
    producer.produce('pushed', b'x' * 100)
    producer.poll(0.05)
producer.flush(10)
`;
    const { code, stderr } = await confluentKafka(program, [bootstrap], { timeoutMs: 60_000 });
    expect(code === 0 ? '' : stderr).toBe('');
    const series = (await seriesOf(running, 'rd-producer')).join('\n');
    expect(series).toContain('kafka_client_producer_');
    expect(running.broker.services.telemetry.counts.failed).toBe(0);
  });
});
