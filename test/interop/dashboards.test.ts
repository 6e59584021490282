/**
 * Every query of the dashboards, with its variables filled, on a real Prometheus that scrapes an
 * appliance at work as `deploy/prometheus` tells it to: each has to give data.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dashboards } from '../../dashboards/src/all.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { sleep } from '../peers/peer.ts';
import { type Prometheus, runPrometheus } from '../peers/prometheus.ts';
import { prometheusConfiguration } from '../support/shipped-prometheus.ts';
import { WeirProcess } from '../support/weir-process.ts';
import { WireClient } from '../unit/broker/fixture.ts';
import { FakeServer } from '../unit/connectors/fake-server.ts';

const BROKERS = 3;
/** 15 s become 1.5 s; Grafana's `$__rate_interval` is four scrapes. */
const SPEED = 10;
const filled: readonly (readonly [variable: string, value: string])[] = [
  ['$__rate_interval', '6s'],
  ['$__range', '1m'],
  ['$cluster', 'weir'],
  ['$broker', '(0|1|2)'],
  ['$topic', '(.+)'],
];

const fill = (expr: string): string =>
  filled.reduce((text, [variable, value]) => text.replaceAll(variable, value), expr);

describeWithPeers(['prometheus'], 'dashboards', () => {
  let weir: WeirProcess;
  let prometheus: Prometheus;
  let destination: FakeServer;
  let atWork = true;
  let work: Promise<void>;

  beforeAll(async () => {
    destination = await FakeServer.start();
    weir = await WeirProcess.start({
      settings: [
        `brokers=${BROKERS}`,
        'collectors.files.enabled=false',
        `connectors.elasticsearch.url=${destination.url}`,
      ],
    });
    const at = `127.0.0.1:${weir.httpPort}`;
    prometheus = await runPrometheus(
      prometheusConfiguration({
        appliance: at,
        brokers: Array.from({ length: BROKERS }, () => at),
        speed: SPEED,
      }),
    );
    work = keepWorking();
    // Two windows of rates.
    await sleep(12_000);
  });

  afterAll(async () => {
    atWork = false;
    await work;
    await prometheus?.stop();
    await weir?.stop();
    await destination?.stop();
  });

  async function keepWorking(): Promise<void> {
    const client = await WireClient.connect(weir.port);
    while (atWork) {
      const post = (body: string) =>
        fetch(`${weir.url}/ingest`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        });
      await post('{"message":"good"}');
      await post('{"message":');
      // An offset that is not there.
      await client.request('Fetch', 11, {
        maxWaitMs: 1,
        minBytes: 1,
        maxBytes: 1000,
        topics: [
          {
            topic: 'logs',
            partitions: [{ partition: 0, fetchOffset: 1e9, partitionMaxBytes: 1000 }],
          },
        ],
      });
      await sleep(100);
    }
    await client.close();
  }

  test('all targets are up, with the labels that dashboards filter on', async () => {
    const up = await prometheus.query('up');
    expect(up.map(({ value }) => value[1])).toEqual(['1', '1', '1', '1']);
    const [broker] = await prometheus.query('up{broker="2"}');
    expect(broker?.metric).toMatchObject({
      job: 'kafka',
      kafka_cluster: 'weir',
      strimzi_io_cluster: 'weir',
      strimzi_io_name: 'weir-kafka',
      namespace: 'weir',
      kubernetes_pod_name: 'weir-kafka-2',
      container: 'kafka',
      instance: expect.stringMatching(/:\d+\/broker-2$/) as unknown,
    });
  });

  for (const { uid, rows } of dashboards) {
    for (const { title, queries } of rows.flatMap(({ panels }) => panels)) {
      test(`${uid}: ${title}`, async () => {
        for (const { expr } of queries) {
          const samples = await prometheus.query(fill(expr));
          const values = samples.map(({ value }) => Number(value[1]));
          expect([expr, values.some(Number.isFinite)]).toEqual([expr, true]);
        }
      });
    }
  }

  test('every value of a variable comes from a series that is there', async () => {
    for (const [metric, label, values] of [
      ['weir_build_info', 'kafka_cluster', ['weir']],
      ['kafka_server_kafkaserver_brokerstate', 'broker', ['0', '1', '2']],
    ] as const) {
      const samples = await prometheus.query(`count by (${label}) (${metric})`);
      expect(samples.map((sample) => sample.metric[label] ?? '').toSorted()).toEqual(values);
    }
  });

  test('what kafka_exporter tells of a cluster has one instance, and no partition twice', async () => {
    for (const metric of ['kafka_topic_partition_current_offset', 'kafka_topic_partitions']) {
      const instances = await prometheus.query(`count by (instance) (${metric})`);
      expect(instances.map((sample) => sample.metric['instance'])).toEqual(['weir']);
    }
    const [most] = await prometheus.query(
      'max(count by (topic, partition) (kafka_topic_partition_current_offset))',
    );
    expect(most?.value[1]).toBe('1');
  });

  test('no series is counted by two jobs', async () => {
    expect(
      await prometheus.query(
        'count by (__name__, broker) ({job="weir",broker!=""}) and on (__name__) {job="kafka"}',
      ),
    ).toEqual([]);
  });
});
