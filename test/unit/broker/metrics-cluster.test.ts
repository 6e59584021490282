import { afterEach, describe, expect, it } from 'vitest';
import { Admin } from '../../../src/client/admin.ts';
import { Client } from '../../../src/client/client.ts';
import { Producer } from '../../../src/client/producer.ts';
import { metricNames } from '../../../src/observe/catalogue.ts';
import { parseExposition, type Sample } from '../../../src/observe/merge-exposition.ts';
import { TestCluster } from '../../support/cluster.ts';
import { batchOf, produce, WireClient } from './fixture.ts';

const TOPIC = 'replicated';
const PARTITIONS = 4;

let cluster: TestCluster;
afterEach(() => cluster.stop());

/** Values of a metric by broker, of series with these labels. */
async function scrape(
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<{ broker: number; sample: Sample }[]> {
  const found: { broker: number; sample: Sample }[] = [];
  for (const { id } of cluster.members) {
    let text: string;
    try {
      text = await cluster.broker(id).metrics();
    } catch {
      continue; // It is stopped.
    }
    for (const sample of parseExposition(text)) {
      const fits = Object.entries(labels).every(([label, is]) => sample.labels[label] === is);
      if (sample.name === name && fits) found.push({ broker: id, sample });
    }
  }
  return found;
}

const sum = async (name: string, labels?: Readonly<Record<string, string>>): Promise<number> =>
  (await scrape(name, labels)).reduce((total, { sample }) => total + sample.value, 0);

async function start(): Promise<void> {
  cluster = await TestCluster.start(3, {
    'min.insync.replicas': 2,
    'replica.lag.time.max.ms': 1_000,
  });
  const client = await WireClient.connect(cluster.members[0]!.port);
  const response = await client.request('CreateTopics', 7, {
    timeoutMs: 10_000,
    topics: [
      {
        name: TOPIC,
        numPartitions: PARTITIONS,
        replicationFactor: 3,
        assignments: [],
        configs: [],
      },
    ],
  });
  expect(response.topics[0].errorMessage).toBeNull();
  await client.close();
  const ofTopic = { topic: TOPIC };
  await expect
    .poll(() => sum('kafka_cluster_partition_insyncreplicascount', ofTopic))
    .toBe(3 * PARTITIONS);
}

const LOOSE = { 'min.insync.replicas': '1', 'unclean.leader.election.enable': 'true' };

/** Topics of one partition each, on these brokers. */
async function createAssigned(
  topics: readonly {
    readonly name: string;
    readonly replicas: readonly number[];
    readonly configs: Readonly<Record<string, string>>;
  }[],
): Promise<void> {
  const client = await WireClient.connect(cluster.members[0]!.port);
  const response = await client.request('CreateTopics', 7, {
    timeoutMs: 10_000,
    topics: topics.map(({ name, replicas, configs }) => ({
      name,
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [{ partitionIndex: 0, brokerIds: replicas }],
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    })),
  });
  const messages = (response.topics as { errorMessage: string | null }[]).map(
    ({ errorMessage }) => errorMessage,
  );
  expect(messages).toEqual(topics.map(() => null));
  await client.close();
}

describe('the metrics of three brokers', () => {
  it('tell of the cluster once, and of replicas where they are', async () => {
    await start();
    const ofTopic = { topic: TOPIC };
    expect(await sum('kafka_controller_kafkacontroller_activecontrollercount')).toBe(1);
    expect(await scrape('kafka_controller_kafkacontroller_activecontrollercount')).toHaveLength(3);
    expect(await sum('kafka_controller_kafkacontroller_activebrokercount')).toBe(3);
    expect(await sum('kafka_controller_kafkacontroller_offlinepartitionscount')).toBe(0);
    expect(await sum('kafka_brokers')).toBe(3);
    expect(await sum('weir_topics_with_one_replica')).toBe(0);
    expect(await sum('weir_partitions_reassigning')).toBe(0);
    expect(await scrape('kafka_broker_info')).toHaveLength(3);
    expect(await sum('kafka_topic_partitions', ofTopic)).toBe(PARTITIONS);
    for (const once of [
      'kafka_topic_partition_leader',
      'kafka_topic_partition_replicas',
      'kafka_topic_partition_current_offset',
      'kafka_topic_partition_oldest_offset',
    ]) {
      expect([once, (await scrape(once, ofTopic)).length]).toEqual([once, PARTITIONS]);
    }
    expect(await scrape('kafka_log_log_size', ofTopic)).toHaveLength(3 * PARTITIONS);
    expect(await sum('kafka_cluster_partition_replicascount', ofTopic)).toBe(3 * PARTITIONS);
    expect(await sum('kafka_server_replicamanager_leadercount')).toBeGreaterThanOrEqual(PARTITIONS);
    const states = await scrape('kafka_server_raftmetrics_current_state');
    for (const what of ['incoming_byte', 'outgoing_byte', 'request', 'response']) {
      const counted = await sum(`kafka_server_raftchannelmetrics_${what}_total`);
      expect([what, counted > 0]).toEqual([what, true]);
    }
    expect(states.map(({ sample }) => sample.labels['current_state'] ?? '').toSorted()).toEqual([
      'follower',
      'follower',
      'leader',
    ]);
    for (const { id } of cluster.members) {
      const text = await cluster.broker(id).metrics();
      const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]!);
      expect(names.filter((name) => !metricNames.has(name))).toEqual([]);
    }
  });

  it('tell of bytes that are copied, and of followers’ fetches', async () => {
    await start();
    const [leading] = await scrape('kafka_topic_partition_current_offset', {
      topic: TOPIC,
      partition: '0',
    });
    const client = await WireClient.connect(cluster.members[leading!.broker]!.port);
    const batch = batchOf(['x'.repeat(10_000)]);
    expect((await produce(client, TOPIC, batch, { acks: -1 })).errorCode).toBe(0);
    await client.close();
    const copied = 'kafka_server_brokertopicmetrics_replicationbytes';
    await expect.poll(() => sum(`${copied}in_total`)).toBeGreaterThanOrEqual(2 * batch.length);
    expect(await sum(`${copied}out_total`)).toBeGreaterThanOrEqual(2 * batch.length);
    const ofFollowers = { request: 'FetchFollower' };
    const requests = 'kafka_network_requestmetrics_requests_total';
    expect(await sum(requests, ofFollowers)).toBeGreaterThan(0);
    const all = await sum(requests, { request: 'Fetch' });
    const parts =
      (await sum(requests, ofFollowers)) + (await sum(requests, { request: 'FetchConsumer' }));
    expect(parts).toBeGreaterThanOrEqual(all);
    await expect.poll(() => sum('kafka_server_replicafetchermanager_maxlag')).toBe(0);
    expect(
      await scrape('kafka_server_fetcherlagmetrics_consumerlag', { topic: TOPIC }),
    ).toHaveLength(2 * PARTITIONS);
  });

  it('tell of the lag of groups, whoever holds what they read', async () => {
    await start();
    const bootstrap = cluster.members.map(({ port }) => `127.0.0.1:${port}`);
    const client = new Client({ bootstrap, clientId: 'test' });
    const admin = new Admin(client);
    await admin.createTopics([{ name: 'alone', partitions: 6, replicationFactor: 1 }]);
    const producer = new Producer(client, { acks: -1 });
    for (let partition = 0; partition < 6; partition++) {
      for (let i = 0; i < 10; i++) producer.append('alone', Buffer.from(`${i}`), { partition });
    }
    await producer.close();
    const committed = Array.from({ length: 6 }, (_, partition) => ({
      ...{ topic: 'alone', partition, offset: partition },
    }));
    await admin.alterGroupOffsets('readers', committed);
    const ofGroup = { consumergroup: 'readers', topic: 'alone' };
    const each = await scrape('kafka_consumergroup_lag', ofGroup);
    expect(each.map(({ sample }) => sample.value).toSorted((a, b) => a - b)).toEqual([
      ...[5, 6, 7, 8, 9, 10],
    ]);
    expect(await sum('kafka_consumergroup_lag_sum', ofGroup)).toBe(45);
    expect(await sum('kafka_consumergroup_current_offset_sum', ofGroup)).toBe(15);
    const [coordinator] = each;
    const away = cluster.members.find(({ id }) => id !== coordinator!.broker)!.id;
    await cluster.stopBroker(away);
    expect(await sum('kafka_consumergroup_current_offset_sum', ofGroup)).toBe(15);
    expect(await scrape('kafka_consumergroup_lag', ofGroup)).toHaveLength(4);
    await admin.deleteTopics(['alone']);
    await expect.poll(() => scrape('kafka_consumergroup_current_offset', ofGroup)).toEqual([]);
    client.close();
  });

  it('tell of replicas out of sync until their broker is back', async () => {
    await start();
    const under = 'kafka_server_replicamanager_underreplicatedpartitions';
    expect(await sum(under)).toBe(0);
    const stopped = cluster.members.find(({ id }) => id !== cluster.controllerId)!.id;
    await cluster.stopBroker(stopped);
    await expect.poll(() => sum(under)).toBeGreaterThanOrEqual(PARTITIONS);
    // On a busy machine another one may fall behind for a moment.
    const ofTopic = { topic: TOPIC };
    for (const [metric, value] of [
      ['kafka_cluster_partition_underreplicated', PARTITIONS],
      ['kafka_cluster_partition_atminisr', PARTITIONS],
      ['kafka_cluster_partition_underminisr', 0],
      ['kafka_topic_partition_in_sync_replica', 2 * PARTITIONS],
    ] as const) {
      await expect.poll(() => sum(metric, ofTopic), { message: metric }).toBe(value);
    }
    expect(await sum('kafka_server_replicamanager_isrshrinks_total')).toBeGreaterThan(0);
    await expect.poll(() => sum('kafka_controller_kafkacontroller_fencedbrokercount')).toBe(1);
    const elections = 'kafka_controller_controllerstats_leaderelectionrateandtimems_count';
    expect(await sum(elections)).toBeGreaterThan(0);
    await cluster.startBroker(stopped);
    await expect.poll(() => sum(under)).toBe(0);
    expect(await sum('kafka_server_replicamanager_isrexpands_total')).toBeGreaterThan(0);
    await expect.poll(() => sum('kafka_controller_kafkacontroller_fencedbrokercount')).toBe(0);
  });

  it('tell of partitions without a leader, with too few replicas in sync, and not led as preferred', async () => {
    await start();
    const controller = cluster.controllerId;
    const [one, other] = cluster.members.map(({ id }) => id).filter((id) => id !== controller);
    await createAssigned([
      { name: 'lone', replicas: [one!], configs: {} },
      { name: 'strict', replicas: [one!, other!], configs: { 'min.insync.replicas': '2' } },
      { name: 'loose', replicas: [one!, other!], configs: LOOSE },
    ]);
    const inSync = 'kafka_topic_partition_in_sync_replica';
    await expect.poll(() => sum(inSync, { topic: 'loose' })).toBe(2);
    await cluster.stopBroker(one!);
    const offline = 'kafka_controller_kafkacontroller_offlinepartitionscount';
    const preferred = { is: 'kafka_topic_partition_leader_is_preferred', of: { topic: 'strict' } };
    const imbalance = 'kafka_controller_kafkacontroller_preferredreplicaimbalancecount';
    await expect.poll(() => sum(offline)).toBe(1);
    expect(await sum('kafka_topic_partition_leader', { topic: 'lone' })).toBe(-1);
    await expect.poll(() => sum('kafka_server_replicamanager_underminisrpartitioncount')).toBe(1);
    expect(await sum('kafka_cluster_partition_underminisr', { topic: 'strict' })).toBe(1);
    expect(await sum('kafka_cluster_partition_atminisr', { topic: 'loose' })).toBe(1);
    expect(await sum(preferred.is, preferred.of)).toBe(0);
    expect(await sum(imbalance)).toBeGreaterThanOrEqual(2);

    // Who was left goes, too: who is back did not have all that was committed.
    const unclean = 'kafka_controller_controllerstats_uncleanleaderelections_total';
    expect(await sum(unclean)).toBe(0);
    await cluster.stopBroker(other!);
    await cluster.startBroker(one!);
    await expect.poll(() => sum('kafka_topic_partition_leader', { topic: 'loose' })).toBe(one!);
    expect(await sum(unclean)).toBe(1);
    await cluster.startBroker(other!);
    await expect.poll(() => sum(offline)).toBe(0);
    await expect.poll(() => sum('kafka_server_replicamanager_underminisrpartitioncount')).toBe(0);
  });
});
