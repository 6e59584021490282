import { type RecordCase, series } from './rule-case.ts';

const target = (broker: string): string =>
  `broker="${broker}",instance="h/broker-${broker}",job="kafka"`;

/** A rate over all topics and brokers: what a broker sums up itself is not counted besides. */
const summed = (record: string, metric: string): RecordCase => ({
  record,
  input: [
    series(`${metric}{${target('0')},topic="a"}`, '0+60x10'),
    series(`${metric}{${target('0')},topic="b"}`, '0+120x10'),
    series(`${metric}{${target('1')},topic="a"}`, '0+180x10'),
    series(`${metric}{${target('0')}}`, '0+180x10'),
    series(`${metric}{${target('1')}}`, '0+180x10'),
  ],
  at: '10m',
  records: [{ labels: {}, value: 6 }],
});

export const recordCases: readonly RecordCase[] = [
  {
    record: 'group_topic:kafka_consumergroup_lag:sum',
    input: [
      // The coordinator moved; another group is where it was.
      series(`kafka_consumergroup_lag_sum{${target('0')},consumergroup="g",topic="a"}`, '7 stale'),
      series(`kafka_consumergroup_lag_sum{${target('1')},consumergroup="g",topic="a"}`, '_ 9 9'),
      series(`kafka_consumergroup_lag_sum{${target('1')},consumergroup="h",topic="a"}`, '1 1 1'),
    ],
    at: '2m',
    records: [
      { labels: { consumergroup: 'g', topic: 'a' }, value: 9 },
      { labels: { consumergroup: 'h', topic: 'a' }, value: 1 },
    ],
  },
  summed('cluster:kafka_bytesin:rate5m', 'kafka_server_brokertopicmetrics_bytesin_total'),
  summed('cluster:kafka_bytesout:rate5m', 'kafka_server_brokertopicmetrics_bytesout_total'),
  summed('cluster:kafka_messagesin:rate5m', 'kafka_server_brokertopicmetrics_messagesin_total'),
  {
    record: 'directory:weir_log_directory_free:ratio',
    input: [
      series(`weir_log_directory_free_bytes{${target('0')},directory="/a"}`, '25 25'),
      series(`weir_log_directory_total_bytes{${target('0')},directory="/a"}`, '100 100'),
      // A volume of which nothing is known.
      series(`weir_log_directory_free_bytes{${target('1')},directory="/b"}`, '5 5'),
    ],
    at: '1m',
    records: [
      {
        labels: { broker: '0', instance: 'h/broker-0', job: 'kafka', directory: '/a' },
        value: 0.25,
      },
    ],
  },
];
