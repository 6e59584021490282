/** A real Prometheus scrapes a running Weir, and the names that Kafka's dashboards ask for are there. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { type Prometheus, startPrometheus } from '../peers/prometheus.ts';
import { WeirProcess } from '../support/weir-process.ts';

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

describeWithPeers(['prometheus'], 'Prometheus', () => {
  let weir: WeirProcess;
  let prometheus: Prometheus;

  const query = async (expression: string): Promise<{ value: number }[]> =>
    (await prometheus.query(expression)).map((sample) => ({ value: Number(sample.value[1]) }));

  beforeAll(async () => {
    weir = await WeirProcess.start({
      settings: ['collectors.files.enabled=false', 'log.to.topic=false'],
    });
    prometheus = await startPrometheus({ targets: [`127.0.0.1:${weir.httpPort}`] });
    for (let n = 0; n < 50; n++) {
      const answer = await fetch(`${weir.url}/ingest`, { method: 'POST', body: `line ${n}` });
      expect(answer.status).toBe(200);
    }
    for (let i = 0; i < 100; i++) {
      const [seen] = await query(
        'sum(kafka_server_brokertopicmetrics_messagesin_total{topic="logs"})',
      );
      if (seen !== undefined && seen.value >= 50) return;
      await pause(300);
    }
    throw new Error('Prometheus did not see 50 records within 30 s');
  }, 120_000);

  afterAll(async () => {
    await prometheus?.stop();
    await weir?.stop();
  });

  test('the target is up and every scrape is well-formed', async () => {
    expect((await query('up')).map((r) => r.value)).toEqual([1]);
  });

  const expected: [expression: string, value: number][] = [
    ['sum(kafka_server_brokertopicmetrics_messagesin_total{topic="logs"})', 50],
    ['kafka_server_replicamanager_underreplicatedpartitions', 0],
    ['kafka_controller_kafkacontroller_activecontrollercount', 1],
    ['kafka_controller_kafkacontroller_offlinepartitionscount', 0],
    ['kafka_server_kafkaserver_brokerstate', 3],
    ['sum(weir_collector_received_total{collector="http"})', 50],
    ['sum(weir_collector_stored_total{collector="http"})', 50],
    ['sum(kafka_log_log_logendoffset{topic="logs"})', 50],
    ['count(process_resident_memory_bytes)', 1],
  ];
  for (const [expression, value] of expected) {
    test(`${expression} is ${value}`, async () => {
      expect((await query(expression)).map((r) => r.value)).toEqual([value]);
    });
  }

  test('the balance of every collector holds', async () => {
    const rows = await query(
      'sum by (collector) (weir_collector_received_total) - sum by (collector) (weir_collector_stored_total) ' +
        '- (sum by (collector) (weir_collector_rejected_total) or sum by (collector) (weir_collector_received_total) * 0) ' +
        '- (sum by (collector) (weir_collector_dropped_total) or sum by (collector) (weir_collector_received_total) * 0)',
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.filter((r) => r.value !== 0)).toEqual([]);
  });
});
