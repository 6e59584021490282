import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metricNames } from '../../../src/observe/catalogue.ts';
import {
  batchOf,
  createTopic,
  fetch,
  produce,
  type RunningBroker,
  startBroker,
  WireClient,
} from './fixture.ts';

let running: RunningBroker;
let client: WireClient;
beforeAll(async () => {
  running = await startBroker();
  client = await WireClient.connect(running.port);
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

/** Series by their text before the value. */
async function scrape(): Promise<Map<string, number>> {
  const series = new Map<string, number>();
  for (const line of (await running.broker.metrics()).split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const at = line.lastIndexOf(' ');
    series.set(line.slice(0, at), Number(line.slice(at + 1)));
  }
  return series;
}

const bytesIn = 'kafka_server_brokertopicmetrics_bytesin_total';

describe('the exposition', () => {
  it('has every series that an alert asks for from the first scrape on', async () => {
    const series = await scrape();
    for (const name of [
      'kafka_server_replicamanager_underreplicatedpartitions',
      'kafka_server_replicamanager_underminisrpartitioncount',
      'kafka_server_replicamanager_offlinereplicacount',
      'kafka_controller_kafkacontroller_offlinepartitionscount',
      'kafka_controller_controllerstats_uncleanleaderelections_total',
      'kafka_log_logmanager_offlinelogdirectorycount',
    ]) {
      expect([name, series.get(name)]).toEqual([name, 0]);
    }
    expect(series.get('kafka_controller_kafkacontroller_activecontrollercount')).toBe(1);
    expect(series.get('kafka_server_kafkaserver_brokerstate')).toBe(3);
    const idle = series.get('kafka_network_socketserver_networkprocessoravgidle_percent');
    expect(idle).toBeGreaterThanOrEqual(0);
    expect(idle).toBeLessThanOrEqual(1);
  });

  it('holds nothing but names of the catalogue', async () => {
    await createTopic(client, 'named');
    await produce(client, 'named', batchOf(['a']));
    await fetch(client, 'named', 0);
    const text = await running.broker.metrics();
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]!);
    expect(names.length).toBeGreaterThan(100);
    expect(names.filter((name) => !metricNames.has(name))).toEqual([]);
  });

  it('counts bytes and records by topic and over all', async () => {
    await createTopic(client, 'counted');
    const batch = batchOf(['a', 'b', 'c']);
    const before = await scrape();
    await produce(client, 'counted', Buffer.from(batch));
    await fetch(client, 'counted', 0);
    await produce(client, 'counted', Buffer.from(batch).fill(0, 70));
    const after = await scrape();
    const of = (name: string): number => after.get(`${name}{topic="counted"}`)!;
    const sum = (name: string): number =>
      (after.get(`${name}{topic=""}`) ?? 0) - (before.get(`${name}{topic=""}`) ?? 0);
    expect(of(bytesIn)).toBe(batch.length);
    expect(sum(bytesIn)).toBe(batch.length);
    expect(of('kafka_server_brokertopicmetrics_messagesin_total')).toBe(3);
    expect(of('kafka_server_brokertopicmetrics_bytesout_total')).toBe(batch.length);
    expect(of('kafka_server_brokertopicmetrics_totalproducerequests_total')).toBe(2);
    expect(of('kafka_server_brokertopicmetrics_failedproducerequests_total')).toBe(1);
    expect(of('kafka_server_brokertopicmetrics_invalidmessagecrcrecords_total')).toBe(1);
    expect(after.get('kafka_log_log_logendoffset{topic="counted",partition="0"}')).toBe(3);
    expect(after.get('kafka_log_log_size{topic="counted",partition="0"}')).toBe(batch.length);
  });

  it('counts requests by API and version, errors by name, and times them', async () => {
    await produce(client, 'no-such-topic', batchOf(['a']));
    await client.request('Metadata', 7, { topics: null });
    const series = await scrape();
    expect(
      series.get('kafka_network_requestmetrics_requests_total{request="Metadata",version="7"}'),
    ).toBe(1);
    expect(
      series.get('kafka_network_requestmetrics_errors_total{request="Metadata",error="NONE"}'),
    ).toBeGreaterThan(0);
    expect(
      series.get('kafka_network_requestmetrics_totaltimems_count{request="Metadata"}'),
    ).toBeGreaterThan(0);
    expect(
      series.get('kafka_network_requestmetrics_totaltimems{request="Produce",quantile="0.99"}'),
    ).toBeGreaterThan(0);
    expect(
      series.get('weir_broker_request_seconds_count{request="FetchConsumer"}'),
    ).toBeGreaterThan(0);
  });

  it('drops the series of a topic with the topic', async () => {
    await createTopic(client, 'short-lived', 3);
    await produce(client, 'short-lived', batchOf(['a']));
    const about = async () =>
      [...(await scrape()).keys()].filter((key) => key.includes('short-lived'));
    expect((await about()).length).toBeGreaterThan(10);
    await client.request('DeleteTopics', 5, { topicNames: ['short-lived'], timeoutMs: 1000 });
    expect(await about()).toEqual([]);
  });

  it('tells how far groups lag behind', async () => {
    await createTopic(client, 'lagging');
    await produce(client, 'lagging', batchOf(['a', 'b', 'c', 'd', 'e']));
    const find = () =>
      client.request('FindCoordinator', 4, { keyType: 0, coordinatorKeys: ['laggards'] });
    await expect.poll(async () => (await find()).coordinators[0].errorCode).toBe(0);
    const commit = () =>
      client.request('OffsetCommit', 8, {
        groupId: 'laggards',
        generationIdOrMemberEpoch: -1,
        memberId: '',
        topics: [
          {
            name: 'lagging',
            partitions: [{ partitionIndex: 0, committedOffset: 2, committedMetadata: '' }],
          },
        ],
      });
    await expect.poll(async () => (await commit()).topics[0].partitions[0].errorCode).toBe(0);
    const beat = (epoch: number, partitions: number[] | null) =>
      client.request('ConsumerGroupHeartbeat', 1, {
        groupId: 'modern',
        memberId: 'm',
        memberEpoch: epoch,
        rebalanceTimeoutMs: 30_000,
        subscribedTopicNames: epoch === 0 ? ['lagging'] : null,
        topicPartitions: partitions === null ? null : [],
      });
    expect((await beat(0, [])).errorCode).toBe(0);
    const series = await scrape();
    const coordinator = (name: string, labels = '') =>
      series.get(`kafka_server_group_coordinator_metrics_${name}${labels}`);
    expect(coordinator('group_count', '{protocol="classic"}')).toBe(1);
    expect(coordinator('group_count', '{protocol="consumer"}')).toBe(1);
    const states = ['Empty', 'Assigning', 'Reconciling', 'Stable', 'Dead'].map((state) =>
      coordinator('consumer_group_count', `{state="${state}"}`),
    );
    expect(states).toEqual([0, 0, 0, 1, 0]);
    expect(coordinator('offset_commit_count')).toBe(1);
    expect(coordinator('consumer_group_rebalance_count')).toBe(1);
    expect(coordinator('group_completed_rebalance_count')).toBe(0);
    const partitions = running.broker.services.configs.number('offsets.topic.num.partitions');
    expect(coordinator('num_partitions', '{state="active"}')).toBe(partitions);
    expect(coordinator('num_partitions', '{state="loading"}')).toBe(0);
    expect(series.get('weir_group_loads_total')).toBe(partitions);
    expect(series.get('weir_group_failed_loads_total')).toBe(0);
    expect(coordinator('partition_load_time_max')).toBeGreaterThan(0);
    expect(coordinator('partition_load_time_avg')).toBeLessThanOrEqual(
      coordinator('partition_load_time_max')!,
    );
    expect(series.get('weir_transaction_loads_total')).toBe(0);
    const labels = '{consumergroup="laggards",topic="lagging",partition="0"}';
    expect(series.get(`kafka_consumergroup_current_offset${labels}`)).toBe(2);
    expect(series.get(`kafka_consumergroup_lag${labels}`)).toBe(3);
    expect(
      series.get('kafka_consumergroup_lag_sum{consumergroup="laggards",topic="lagging"}'),
    ).toBe(3);
  });
});
