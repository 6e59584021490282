import { one, type RuleCase, series } from './rule-case.ts';

const at = 'instance="h:8080",job="weir"';
const group = 'broker="0",job="kafka",consumergroup="g",topic="orders"';

export const applianceCases: readonly RuleCase[] = [
  {
    alert: 'WeirConsumerLagGrowing',
    // The coordinator moves from broker 0 to broker 1 on the way.
    input: [
      series(`kafka_consumergroup_lag_sum{${group}}`, '0+100x20 stale'),
      series(
        'kafka_consumergroup_lag_sum{broker="1",job="kafka",consumergroup="g",topic="orders"}',
        '_x21 2100+100x19 4000-100x30',
      ),
    ],
    // Much, but it gets no more.
    below: [series(`kafka_consumergroup_lag_sum{${group}}`, '0+500x10 5000+0x60')],
    quietAt: ['20m', '40m', '60m'],
    notYetAt: '24m',
    firesAt: '40m',
    resolvedAt: '60m',
    fires: [
      {
        labels: { consumergroup: 'g', topic: 'orders' },
        summary: 'Group g falls behind on topic orders',
        description:
          'Consumer group g is 4000 records behind the end of topic orders, and has been falling further behind for at least 10 minutes.',
      },
    ],
  },
  {
    alert: 'WeirUnreadRecordsDeleted',
    input: [
      series(`kafka_consumergroup_current_offset{${group},partition="3"}`, '10 10 10 10 90'),
      series(
        'kafka_topic_partition_oldest_offset{broker="2",job="kafka",topic="orders",partition="3"}',
        '0 11 11 11 11',
      ),
    ],
    below: [
      series(`kafka_consumergroup_current_offset{${group},partition="3"}`, '10 10 10 10'),
      series(
        'kafka_topic_partition_oldest_offset{broker="2",job="kafka",topic="orders",partition="3"}',
        '0 10 10 10',
      ),
    ],
    quietAt: ['2m', '3m'],
    notYetAt: '1m45s',
    firesAt: '2m',
    resolvedAt: '4m',
    fires: [
      {
        labels: { consumergroup: 'g', topic: 'orders', partition: '3' },
        summary: 'Retention deleted records that group g has not read',
        description:
          'Consumer group g stands at offset 10 of partition 3 of topic orders, which lies before the first record that is left.',
      },
    ],
  },
  {
    alert: 'WeirApplianceDown',
    ...one(`up{${at}}`, '1 0 0 0 1', '1 0 1 0 1'),
    quietAt: ['1m45s', '2m', '4m'],
    notYetAt: '1m45s',
    firesAt: '2m',
    resolvedAt: '4m',
    fires: [
      {
        labels: { instance: 'h:8080' },
        summary: 'The appliance at h:8080 does not answer',
        description:
          'The page of metrics at h:8080 has not answered for a minute. Nothing can be said of what it collects and ships.',
      },
    ],
  },
  {
    alert: 'WeirRoleDown',
    input: [series(`weir_role_up{${at},role="connectors"}`, '1 0 0 0 1')],
    // Brokers have an alert of their own.
    below: [
      series(`weir_role_up{${at},role="connectors"}`, '1 0 1 0 1'),
      series(`weir_role_up{${at},role="broker-1",broker="1"}`, '0 0 0 0 0'),
    ],
    quietAt: ['1m45s', '2m', '4m'],
    notYetAt: '1m45s',
    firesAt: '2m',
    resolvedAt: '4m',
    fires: [
      {
        labels: { instance: 'h:8080', role: 'connectors' },
        summary: 'The connectors of h:8080 do not run',
        description:
          'The thread of the connectors of h:8080 died and has not come back for a minute.',
      },
    ],
  },
  {
    alert: 'WeirCollectorDrops',
    // One record is enough; a restart, which sets the count back, is none.
    ...one(
      `weir_collector_dropped_total{${at},collector="http",reason="connection"}`,
      '0 0 1+0x20',
      '7 7 0+0x20',
    ),
    quietAt: ['1m', '3m', '10m'],
    notYetAt: '1m',
    firesAt: '3m',
    resolvedAt: '8m',
    fires: [
      {
        labels: { instance: 'h:8080', collector: 'http', reason: 'connection' },
        summary: 'Collector http loses records (connection)',
        description:
          'Collector http of h:8080 lost records within the last 5 minutes; the reason is connection.',
      },
    ],
  },
  {
    alert: 'WeirCollectorRejects',
    ...one(
      `weir_collector_rejected_total{${at},collector="http",reason="too_large"}`,
      '0 0 1+1x10 11+0x20',
      '0 0 1+0x30',
    ),
    quietAt: ['3m', '7m', '20m'],
    notYetAt: '6m',
    firesAt: '8m',
    resolvedAt: '20m',
    fires: [
      {
        labels: { instance: 'h:8080', collector: 'http', reason: 'too_large' },
        summary: 'Collector http refuses records (too_large)',
        description:
          'Collector http of h:8080 has refused records for 5 minutes; the reason is too_large.',
      },
    ],
  },
  {
    alert: 'WeirConnectorFailing',
    input: [
      series(`weir_connector_up{${at},connector="elasticsearch"}`, '1 0 0 0 0 1'),
      series(
        `kafka_connect_worker_connector_failed_task_count{${at},connector="elasticsearch"}`,
        '0 0 0 0 0 0',
      ),
    ],
    below: [series(`weir_connector_up{${at},connector="elasticsearch"}`, '1 0 0 1 0 0 1')],
    quietAt: ['2m45s', '3m', '5m45s'],
    notYetAt: '2m45s',
    firesAt: '3m',
    resolvedAt: '5m',
    fires: [
      {
        labels: { instance: 'h:8080', connector: 'elasticsearch' },
        summary: 'Connector elasticsearch hands nothing over',
        description:
          'Connector elasticsearch of h:8080 has failed, or its destination has taken nothing, for 2 minutes. Records wait in the log.',
      },
    ],
  },
  {
    alert: 'WeirConnectorDeadLetters',
    input: [
      series(
        `weir_connector_records_total{${at},connector="elasticsearch",outcome="dead_letter"}`,
        '0 0 1+0x30',
      ),
    ],
    below: [
      series(
        `weir_connector_records_total{${at},connector="elasticsearch",outcome="duplicate"}`,
        '0+9x30',
      ),
    ],
    quietAt: ['3m', '20m'],
    notYetAt: '1m',
    firesAt: '3m',
    resolvedAt: '13m',
    fires: [
      {
        labels: { instance: 'h:8080', connector: 'elasticsearch' },
        summary: 'The destination of connector elasticsearch refuses records',
        description:
          'Within the last 10 minutes the destination of connector elasticsearch of h:8080 refused records for good. They are in topic dead-letters.',
      },
    ],
  },
  {
    alert: 'WeirCertificateExpires',
    ...one(
      `weir_tls_certificate_expiry_timestamp_seconds{${at},broker="0",listener="CLIENTS"}`,
      '1209000+0x100 9999999+0x100',
      '1300000+0x200',
    ),
    quietAt: ['2m', '150m'],
    notYetAt: '50m',
    firesAt: '90m',
    resolvedAt: '110m',
    fires: [
      {
        labels: { instance: 'h:8080', listener: 'CLIENTS' },
        summary: 'The certificate of listener CLIENTS ends soon',
        description:
          'The certificate of listener CLIENTS of h:8080 ends in less than 14 days. Clients refuse it from then on.',
      },
    ],
  },
];
