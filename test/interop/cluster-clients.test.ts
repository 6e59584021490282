/** Apache Kafka's clients on three of our brokers, of which one after the other is killed. */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { Workload } from '../crash/workload/workload.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool } from '../peers/kafka.ts';
import { type BrokerProcess, ClusterProcesses, eventually } from '../support/cluster-processes.ts';

const VERIFIABLE_PRODUCER = 'org.apache.kafka.tools.VerifiableProducer';
const VERIFIABLE_CONSUMER = 'org.apache.kafka.tools.VerifiableConsumer';
const CONSOLE_PRODUCER = 'org.apache.kafka.tools.ConsoleProducer';
const CONSOLE_CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer';

const SETTINGS = {
  'min.insync.replicas': '2',
  'replica.lag.time.max.ms': '2000',
  'offsets.topic.num.partitions': '3',
  'group.initial.rebalance.delay.ms': '0',
};

describeWithPeers(['kafka', 'javac'], 'Kafka’s clients while brokers fall', () => {
  let cluster: ClusterProcesses;
  let client: Client;
  let admin: Admin;
  beforeAll(async () => {
    cluster = await ClusterProcesses.start({ settings: SETTINGS });
    client = new Client({ bootstrap: cluster.bootstrap, clientId: 'clients' });
    admin = new Admin(client);
  });
  afterAll(async () => {
    client?.close();
    await cluster?.stop();
  });

  const create = async (name: string, partitions: number): Promise<void> => {
    const [created] = await admin.createTopics([{ name, partitions }]);
    expect(created?.error).toBeNull();
  };
  const leaderOf = async (topic: string): Promise<BrokerProcess> => {
    const [described] = await admin.describeTopics([topic]);
    return cluster.broker(described!.partitions[0]!.leader);
  };
  const whole = (topic: string): Promise<void> =>
    eventually(`${topic} has all replicas in sync`, async () => {
      const [described] = await admin.describeTopics([topic]);
      return described!.partitions.every(({ isr }) => isr.length === 3);
    });
  const endOf = async (topic: string): Promise<number> => {
    const [end] = await admin.listOffsets([{ topic, partition: 0 }], 'latest');
    return end!.offset;
  };
  /** Kills the leader as soon as records arrive, and starts it again. */
  const killLeader = async (topic: string): Promise<void> => {
    await eventually('records arrive', async () => (await endOf(topic)) > 0);
    const leader = await leaderOf(topic);
    await leader.kill();
    await sleep(1_000);
    await leader.restart();
  };

  it('the verifiable producer has every record acknowledged, and the consumer sees it', async () => {
    const count = 10_000;
    await create('verifiable', 1);
    // By itself this tool never tries again.
    const config = path.join(cluster.directory, 'producer.properties');
    fs.writeFileSync(config, 'retries=2147483647\nenable.idempotence=true\n');
    const producing = kafkaTool(
      VERIFIABLE_PRODUCER,
      [
        ...['--bootstrap-server', cluster.bootstrap, '--topic', 'verifiable', '--acks', '-1'],
        ...['--max-messages', String(count), '--throughput', '2000', '--command-config', config],
      ],
      { timeoutMs: 120_000 },
    );
    await killLeader('verifiable');
    const { code, stdout } = await producing;
    expect(code).toBe(0);
    const events = stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { name: string; acked?: number; value?: string });
    expect(events.filter(({ name }) => name === 'producer_send_error')).toEqual([]);
    expect(events.find(({ name }) => name === 'tool_data')).toMatchObject({ acked: count });
    expect(await endOf('verifiable')).toBe(count);
    await whole('verifiable');
    const consumed = await kafkaTool(
      VERIFIABLE_CONSUMER,
      [
        ...['--bootstrap-server', cluster.bootstrap, '--topic', 'verifiable', '--verbose'],
        ...['--group-id', 'verifiable', '--max-messages', String(count)],
      ],
      { timeoutMs: 120_000 },
    );
    const values = consumed.stdout
      .split('\n')
      .filter((line) => line.includes('"record_data"'))
      .map((line) => (JSON.parse(line) as { value: string }).value);
    expect(values).toEqual(Array.from({ length: count }, (_, i) => String(i)));
  });

  it('the console producer and consumer lose no line', async () => {
    const lines = Array.from({ length: 60_000 }, (_, i) => `${i} ${'x'.repeat(200)}`);
    await create('console', 1);
    const producing = kafkaTool(
      CONSOLE_PRODUCER,
      [
        ...['--bootstrap-server', cluster.bootstrap, '--topic', 'console'],
        ...['--command-property', 'acks=all', '--batch-size', '2000'],
        // Three attempts within a second are what this tool makes by itself.
        ...['--message-send-max-retries', '10000'],
      ],
      { stdin: lines.join('\n'), timeoutMs: 120_000 },
    );
    await killLeader('console');
    expect((await producing).code).toBe(0);
    const consuming = kafkaTool(
      CONSOLE_CONSUMER,
      [
        ...['--bootstrap-server', cluster.bootstrap, '--topic', 'console', '--from-beginning'],
        ...['--group', 'console', '--max-messages', String(lines.length), '--timeout-ms', '30000'],
      ],
      { timeoutMs: 120_000 },
    );
    const consumed = await consuming;
    expect(consumed.stdout.trimEnd().split('\n')).toEqual(lines);
  });

  it('a producer and a group ride through the end of every broker', async () => {
    await create('ridden', 3);
    const workload = await Workload.start({
      bootstrap: cluster.bootstrap,
      topic: 'ridden',
      partitions: 3,
      acks: 'all',
      perSecond: 1_000,
    });
    try {
      await eventually('the group reads', async () => (await workload.status()).consumed > 500);
      for (const broker of cluster.brokers) {
        await whole('ridden');
        await broker.kill();
        await sleep(1_500);
        await broker.restart();
      }
      for (const broker of cluster.brokers) {
        await whole('ridden');
        await broker.halt();
        await broker.restart();
      }
      await whole('ridden');
      await workload.pause();
      const verdict = await workload.verify();
      expect(verdict).toMatchObject({ lost: 0, duplicates: 0, disordered: 0, unread: 0 });
      expect({ faults: verdict.faults, errors: verdict.errors }).toEqual({
        faults: [],
        errors: [],
      });
      expect(verdict.records).toBe(verdict.acknowledged);
      await workload.end();
    } finally {
      workload.kill();
    }
  }, 240_000);
});
