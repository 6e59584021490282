import { one, type RuleCase, series } from './rule-case.ts';

const target = (broker: number) => `{broker="${broker}",instance="h/broker-${broker}",job="kafka"}`;
const active = 'kafka_controller_kafkacontroller_activecontrollercount';
const disk = '{broker="1",instance="h/broker-1",job="kafka",directory="/d"}';
const directory = { broker: '1', directory: '/d' };
const total = series(`weir_log_directory_total_bytes${disk}`, '1000+0x180');

export const clusterCases: readonly RuleCase[] = [
  {
    alert: 'WeirBrokerDown',
    input: [
      series(`up${target(1)}`, '1 0 0 1 1'),
      series(`up${target(0)}`, '1 1 1 1 1'),
      series('weir_role_up{job="weir",role="broker-1",broker="1"}', '1 0 0 1 1'),
    ],
    below: [series(`up${target(1)}`, '1 1 1 1'), series('up{job="weir"}', '0 0 0 0')],
    quietAt: ['2m', '3m'],
    notYetAt: '1m15s',
    firesAt: '1m30s',
    resolvedAt: '3m',
    fires: [
      {
        labels: { broker: '1' },
        summary: 'Broker 1 is down',
        description:
          'Broker 1 of c has not answered for 30 s. What it led is led by other brokers; what it followed is under-replicated.',
      },
    ],
  },
  {
    alert: 'WeirBrokerFenced',
    ...one(
      `kafka_controller_kafkacontroller_fencedbrokercount${target(0)}`,
      '0 1 1 1 0',
      '0 1 0 0 0',
    ),
    quietAt: ['1m45s', '2m', '3m'],
    notYetAt: '1m45s',
    firesAt: '2m',
    resolvedAt: '4m',
    fires: [
      {
        labels: {},
        summary: '1 brokers of c are fenced',
        description:
          'The controller has heard nothing of 1 registered brokers for a minute, or they have not caught up with the metadata. They lead nothing.',
      },
    ],
  },
  {
    alert: 'WeirNoActiveController',
    // All three are down, and then two that know no controller are back.
    input: [
      series(`${active}${target(0)}`, '1 stale 0 0 1 1'),
      series(`${active}${target(1)}`, '0 stale 0 0 0 0'),
      series(`up${target(0)}`, '1 0 1 1 1 1'),
      series(`up${target(1)}`, '1 0 1 1 1 1'),
    ],
    // Another one takes over.
    below: [
      series(`${active}${target(0)}`, '1 stale _ 0 0'),
      series(`${active}${target(1)}`, '0 1 1 1 1'),
      series(`up${target(0)}`, '1 0 0 1 1'),
      series(`up${target(1)}`, '1 1 1 1 1'),
    ],
    quietAt: ['1m30s', '2m', '4m'],
    notYetAt: '1m15s',
    firesAt: '2m30s',
    resolvedAt: '4m',
    fires: [
      {
        labels: {},
        summary: 'c has no active controller',
        description:
          "No broker has been the active controller for 30 s: no leader is elected, no topic is made, no broker comes back. A majority of the voters is down, or they don't reach each other.",
      },
    ],
  },
  {
    alert: 'WeirSeveralActiveControllers',
    input: [
      series(`${active}${target(0)}`, '1 1 1 1 0 0'),
      series(`${active}${target(1)}`, '0 1 1 1 1 1'),
    ],
    below: [
      series(`${active}${target(0)}`, '1 1 0 0 0'),
      series(`${active}${target(1)}`, '0 1 1 1 1'),
    ],
    quietAt: ['1m45s', '2m', '4m'],
    notYetAt: '1m45s',
    firesAt: '2m',
    resolvedAt: '4m',
    fires: [
      {
        labels: {},
        summary: '2 brokers of c say that they are the controller',
        description:
          '2 brokers have called themselves the active controller for a minute. Only the one with the newest epoch can write; the others have lost touch with it.',
      },
    ],
  },
  {
    alert: 'WeirLogDirectoryOffline',
    ...one(`weir_log_directory_online${disk}`, '1 0 0 1', '1 1 1 1'),
    quietAt: ['1m', '3m'],
    notYetAt: '45s',
    firesAt: '1m',
    resolvedAt: '3m',
    fires: [
      {
        labels: directory,
        summary: 'Log folder /d of broker 1 is offline',
        description:
          "Broker 1 no longer uses its log folder /d after an error of the disk. Every replica in it is offline; the broker's other folders go on.",
      },
    ],
  },
  {
    alert: 'WeirDiskFullWithinADay',
    // 400 bytes at 0.5 a minute last 13 h; at 0.2 they last 33 h.
    input: [series(`weir_log_directory_free_bytes${disk}`, '400-0.5x90 355+0x90'), total],
    below: [series(`weir_log_directory_free_bytes${disk}`, '400-0.2x180'), total],
    quietAt: ['40m', '90m', '150m'],
    notYetAt: '29m',
    firesAt: '45m',
    resolvedAt: '180m',
    fires: [
      {
        labels: directory,
        summary: 'The disk of /d (broker 1) fills within a day',
        description:
          'At the rate of the last hour, the volume of log folder /d of broker 1 has no space left within 24 hours.',
      },
    ],
  },
  {
    alert: 'WeirDiskAlmostFull',
    input: [series(`weir_log_directory_free_bytes${disk}`, '500 99+0x6 300+0x5'), total],
    below: [series(`weir_log_directory_free_bytes${disk}`, '500 100+0x20'), total],
    quietAt: ['6m', '20m'],
    notYetAt: '5m45s',
    firesAt: '6m',
    resolvedAt: '9m',
    fires: [
      {
        labels: directory,
        summary: 'The disk of /d (broker 1) is almost full',
        description:
          'Only 9.9% of the volume of log folder /d of broker 1 is free. Appends are refused when it is full.',
      },
    ],
  },
];
