/**
 * From a stopped broker to a message: three brokers, a real Prometheus and a real Alertmanager with
 * the shipped configuration, twenty times faster, and a webhook that writes down what it is told.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Alertmanager, startAlertmanager } from '../peers/alertmanager.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { showPeersOnFailure } from '../peers/on-failure.ts';
import { type Prometheus, runPrometheus } from '../peers/prometheus.ts';
import {
  alertmanagerConfiguration,
  prometheusConfiguration,
} from '../support/shipped-prometheus.ts';
import { WeirBrokers } from '../support/weir-brokers.ts';
import { WireClient } from '../unit/broker/fixture.ts';

const SPEED = 20;
const TOPIC = 'orders';
const PARTITIONS = 6;
const WAIT = { timeout: 50_000, interval: 250 };

interface Told {
  readonly receiver: string;
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

showPeersOnFailure();

describeWithPeers(['prometheus', 'alertmanager'], 'alerts', () => {
  let cluster: WeirBrokers;
  let prometheus: Prometheus;
  let alertmanager: Alertmanager;
  let webhook: http.Server;
  const told: Told[] = [];

  beforeAll(async () => {
    webhook = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { alerts } = JSON.parse(Buffer.concat(chunks).toString()) as {
          alerts: Omit<Told, 'receiver'>[];
        };
        const receiver = request.url?.slice(1) ?? '';
        for (const { status, labels, annotations } of alerts) {
          told.push({ receiver, status, labels, annotations });
        }
        response.end();
      });
    });
    await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
    const { port } = webhook.address() as AddressInfo;
    alertmanager = await startAlertmanager(
      alertmanagerConfiguration(`http://127.0.0.1:${port}`, SPEED),
    );
    cluster = await WeirBrokers.start({
      brokers: 3,
      settings: [
        'collectors.files.enabled=false',
        'collectors.syslog.enabled=false',
        'broker.replica.lag.time.max.ms=2000',
      ],
    });
    const [first] = cluster.brokers;
    prometheus = await runPrometheus(
      prometheusConfiguration({
        appliance: `127.0.0.1:${first!.httpPort}`,
        brokers: cluster.brokers.map(({ httpPort }) => `127.0.0.1:${httpPort}`),
        alertmanager: alertmanager.target,
        speed: SPEED,
      }),
    );
  });

  afterAll(async () => {
    await prometheus?.stop();
    await alertmanager?.stop();
    await cluster?.stop();
    webhook?.close();
  });

  const valueOf = async (expression: string): Promise<number | null> => {
    const [sample] = await prometheus.query(expression);
    return sample === undefined ? null : Number(sample.value[1]);
  };
  const messages = (status: Told['status'], alert: string): Told[] =>
    told.filter((t) => t.status === status && t.labels['alertname'] === alert);
  const partitionsTold = (status: Told['status']): string[] =>
    [
      ...new Set(
        messages(status, 'WeirUnderReplicatedPartition')
          .filter(({ labels }) => labels['topic'] === TOPIC)
          .map(({ labels }) => labels['partition']!),
      ),
    ].toSorted();
  const all = Array.from({ length: PARTITIONS }, (_, i) => String(i));

  test('a healthy cluster has no alert', async () => {
    const client = await WireClient.connect(cluster.brokers[0]!.port);
    await expect
      .poll(async () => {
        const answer = await client.request('CreateTopics', 5, {
          topics: [
            {
              name: TOPIC,
              numPartitions: PARTITIONS,
              replicationFactor: 3,
              assignments: [],
              configs: [],
            },
          ],
          timeoutMs: 10_000,
          validateOnly: false,
        });
        return answer.topics[0].errorCode as number;
      }, WAIT)
      .toBeOneOf([0, 36]);
    await client.close();
    const inSync = `count(kafka_cluster_partition_insyncreplicascount{topic="${TOPIC}"} == 3)`;
    await expect.poll(() => valueOf(inSync), WAIT).toBe(PARTITIONS);
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    expect(await alertmanager.alerts()).toEqual([]);
    expect(told).toEqual([]);
  });

  test('a stopped broker is told, and every partition that it followed, with its leader', async () => {
    await cluster.brokers[2]!.halt();
    await expect.poll(() => partitionsTold('firing'), WAIT).toEqual(all);
    for (const { receiver, labels, annotations } of messages(
      'firing',
      'WeirUnderReplicatedPartition',
    )) {
      expect(receiver).toBe('operators');
      expect(labels).toEqual({
        alertname: 'WeirUnderReplicatedPartition',
        severity: 'warning',
        kafka_cluster: 'weir',
        broker: expect.stringMatching(/^[01]$/) as unknown,
        topic: expect.any(String) as unknown,
        partition: expect.stringMatching(/^\d+$/) as unknown,
      });
      expect(annotations['description']).toContain(
        `Partition ${labels['partition']} of topic ${labels['topic']}, led by broker ${labels['broker']},`,
      );
    }
    await expect.poll(() => messages('firing', 'WeirBrokerDown').length, WAIT).toBeGreaterThan(0);
    const [down] = messages('firing', 'WeirBrokerDown');
    expect(down?.receiver).toBe('on-call');
    expect(down?.labels['broker']).toBe('2');
    // Two of three are a majority, and one of them the controller.
    expect(messages('firing', 'WeirNoActiveController')).toEqual([]);
    expect(messages('firing', 'WeirPartitionOffline')).toEqual([]);
    // The controller fences it, which is not told beside.
    const fenced = () => valueOf('max(ALERTS{alertname="WeirBrokerFenced",alertstate="firing"})');
    await expect.poll(fenced, WAIT).toBe(1);
    expect(messages('firing', 'WeirBrokerFenced')).toEqual([]);
  });

  test('the end of it is told when the broker is back', async () => {
    await cluster.brokers[2]!.restart();
    await expect.poll(() => partitionsTold('resolved'), WAIT).toEqual(all);
    await expect.poll(() => messages('resolved', 'WeirBrokerDown').length, WAIT).toBeGreaterThan(0);
    await expect.poll(async () => (await alertmanager.alerts()).length, WAIT).toBe(0);
  });

  test('a cluster without a majority has no controller, until it has one again', async () => {
    const survivor = cluster.brokers[0]!;
    const others = cluster.brokers.slice(1);
    await Promise.all(others.map((broker) => broker.kill()));
    await expect.poll(() => messages('firing', 'WeirNoActiveController').length, WAIT).toBe(1);
    const [alert] = messages('firing', 'WeirNoActiveController');
    expect(alert?.receiver).toBe('on-call');
    expect(alert?.labels['kafka_cluster']).toBe('weir');
    expect((await fetch(`${survivor.url}/metrics/broker/0`)).status).toBe(200);
    await Promise.all(others.map((broker) => broker.restart()));
    await expect.poll(() => messages('resolved', 'WeirNoActiveController').length, WAIT).toBe(1);
    await expect.poll(async () => (await alertmanager.alerts()).length, WAIT).toBe(0);
  });
});
