import { describe, expect, it } from 'vitest';
import {
  CLIENT_SERIES_MAX,
  CLIENTS_MAX,
  ClientSeries,
  sampleOf,
} from '../../../src/observe/client-series.ts';
import type { OtlpPoint } from '../../../src/observe/otlp-metrics.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const INTERVAL_MS = 1_000;
const client = (clientId = 'c') => ({
  clientId,
  softwareName: 'apache-kafka-java',
  softwareVersion: '4.3.1',
});
const point = (name: string, more: Partial<OtlpPoint> = {}): OtlpPoint => ({
  ...{ name, type: 'gauge', isDelta: false, value: 1, timeMs: 0, attributes: [] },
  ...more,
});

class Rig {
  readonly clock = new ManualClock();
  readonly series = new ClientSeries(this.clock);

  push(given: OtlpPoint, clientId = 'c'): void {
    const identity = client(clientId);
    this.series.record(sampleOf(given, identity), given, identity, INTERVAL_MS);
  }
  lines(): string[] {
    return this.series
      .text()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
  }
}

const LABELS =
  'client_id="c",client_software_name="apache-kafka-java",client_software_version="4.3.1"';

describe('series of clients', () => {
  it('bear the names of Kafka’s metrics, and say which client they are of', () => {
    const rig = new Rig();
    const attributes = [
      ['topic', 't'],
      ['node.id', '1'],
      ['client_instance_id', 'never'],
    ] as const;
    rig.push(point('org.apache.kafka.producer.record.queue.time.avg', { value: 2.5, attributes }));
    expect(rig.series.text()).toBe(
      [
        '# HELP kafka_client_producer_record_queue_time_avg As clients tell it of themselves (KIP-714).',
        '# TYPE kafka_client_producer_record_queue_time_avg gauge',
        `kafka_client_producer_record_queue_time_avg{${LABELS},topic="t",node_id="1"} 2.5`,
        '',
      ].join('\n'),
    );
  });

  it('add up what counters have gained, over all instances of a client', () => {
    const rig = new Rig();
    const gained = { type: 'counter', isDelta: true } as const;
    rig.push(point('org.apache.kafka.consumer.commit', { ...gained, value: 3 }));
    rig.push(point('org.apache.kafka.consumer.commit', { ...gained, value: 4 }));
    rig.push(point('other.total', { type: 'counter', isDelta: false, value: 9 }));
    rig.push(point('other.total', { type: 'counter', isDelta: false, value: 12 }));
    expect(rig.lines()).toEqual([
      `kafka_client_consumer_commit_total{${LABELS}} 7`,
      `kafka_client_other_total{${LABELS}} 12`,
    ]);
  });

  it('are gone when the client has not pushed for three intervals', () => {
    const rig = new Rig();
    rig.push(point('a'));
    rig.clock.advance(2 * INTERVAL_MS);
    rig.push(point('b'), 'd');
    expect(rig.lines()).toHaveLength(2);
    rig.clock.advance(INTERVAL_MS);
    expect(rig.lines()).toHaveLength(1);
    expect([rig.series.clients, rig.series.size]).toEqual([1, 1]);
  });

  it('are of so many clients and no more, and what is left out is counted', () => {
    const rig = new Rig();
    for (let i = 0; i < CLIENTS_MAX + 5; i++) rig.push(point('a'), `c${i}`);
    expect(rig.lines()).toHaveLength(CLIENTS_MAX);
    expect(rig.series.dropped.clients).toBe(5);
    rig.clock.advance(3 * INTERVAL_MS);
    rig.push(point('a'), 'late');
    expect(rig.lines()).toHaveLength(1);
  });

  it('are so many of one client and no more', () => {
    const rig = new Rig();
    for (let i = 0; i < CLIENT_SERIES_MAX + 7; i++) {
      rig.push(point('a', { attributes: [['partition', String(i)]] }));
    }
    expect(rig.series.size).toBe(CLIENT_SERIES_MAX);
    expect(rig.series.dropped.client_series).toBe(7);
  });

  it('of one name are of one type', () => {
    const rig = new Rig();
    rig.push(point('a.total', { type: 'counter' }));
    rig.push(point('a.total', { type: 'gauge' }), 'other');
    expect(rig.lines()).toHaveLength(1);
    expect(rig.series.dropped.names).toBe(1);
  });

  it('hold what a client writes as text, however odd', () => {
    const rig = new Rig();
    rig.push(point('a b{}\n', { value: Number.POSITIVE_INFINITY }), 'x"\\\n');
    rig.push(point('b', { value: Number.NaN }));
    expect(rig.lines()).toHaveLength(1);
    expect(rig.lines()[0]).toContain('kafka_client_a_b___{client_id="x\\"\\\\\\n"');
    expect(rig.lines()[0]).toMatch(/ \+Inf$/);
    expect(rig.series.dropped.value).toBe(1);
  });
});
