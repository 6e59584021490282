import { one, type RuleCase, series } from './rule-case.ts';

const leader = '{broker="0",instance="h/broker-0",job="kafka",topic="orders",partition="3"}';
const follower = '{broker="1",instance="h/broker-1",job="kafka",topic="orders",partition="3"}';
const broker0 = '{broker="0",instance="h/broker-0",job="kafka"}';
const broker1 = '{broker="1",instance="h/broker-1",job="kafka"}';
const partition = { topic: 'orders', partition: '3' };

export const replicationCases: readonly RuleCase[] = [
  {
    alert: 'WeirUnderReplicatedPartition',
    input: [
      series(`kafka_cluster_partition_underreplicated${leader}`, '0 1 1 1 0 0'),
      series(`kafka_cluster_partition_underreplicated${follower}`, '0 0 0 0 0 0'),
    ],
    // Over again within the minute.
    below: [series(`kafka_cluster_partition_underreplicated${leader}`, '0 1 0 0 1 0')],
    quietAt: ['1m45s', '2m', '3m', '5m'],
    notYetAt: '1m45s',
    firesAt: '2m',
    resolvedAt: '4m',
    fires: [
      {
        labels: { broker: '0', ...partition },
        summary: 'Partition orders-3 is under-replicated',
        description:
          'Partition 3 of topic orders, led by broker 0, has had fewer replicas in sync than it has replicas for a minute. One more failure may make it unavailable.',
      },
    ],
  },
  {
    alert: 'WeirUnderReplicatedBroker',
    input: [
      series(`kafka_server_replicamanager_underreplicatedpartitions${broker0}`, '0 7 7 7 0'),
      series(`kafka_server_replicamanager_underreplicatedpartitions${broker1}`, '0 0 0 0 0'),
    ],
    // The partition has a series of its own, and so an alert of its own.
    below: [
      series(`kafka_server_replicamanager_underreplicatedpartitions${broker0}`, '0 1+0x9'),
      series(`kafka_cluster_partition_underreplicated${leader}`, '0 1+0x9'),
    ],
    quietAt: ['2m', '5m', '10m'],
    notYetAt: '1m45s',
    firesAt: '2m',
    resolvedAt: '4m',
    fires: [
      {
        labels: { broker: '0' },
        summary: 'Broker 0 leads 7 under-replicated partitions',
        description:
          '7 of the partitions that broker 0 leads have had replicas out of sync for a minute. They are among those without series of their own; `kafka-topics --describe --under-replicated-partitions` names them.',
      },
    ],
  },
  {
    alert: 'WeirPartitionUnderMinIsr',
    ...one(`kafka_cluster_partition_underminisr${leader}`, '0 1 1 1 0', '0 1 0 0 0'),
    quietAt: ['1m45s', '2m', '3m'],
    notYetAt: '1m45s',
    firesAt: '2m',
    resolvedAt: '4m',
    fires: [
      {
        labels: { broker: '0', ...partition },
        summary: 'Partition orders-3 refuses acks=all',
        description:
          'Partition 3 of topic orders, led by broker 0, has had fewer replicas in sync than min.insync.replicas for a minute. Producers with acks=all get NOT_ENOUGH_REPLICAS.',
      },
    ],
  },
  {
    alert: 'WeirPartitionOffline',
    ...one(`kafka_topic_partition_leader${leader}`, '0 -1 -1 2 2', '0 0 2 0 1'),
    quietAt: ['1m', '2m', '4m'],
    notYetAt: '1m15s',
    firesAt: '1m30s',
    resolvedAt: '3m',
    fires: [
      {
        labels: partition,
        summary: 'Partition orders-3 has no leader',
        description:
          'No broker leads partition 3 of topic orders: every replica that could is down or its disk is. It can be neither written nor read.',
      },
    ],
  },
  {
    alert: 'WeirPartitionsOffline',
    input: [
      series(`kafka_controller_kafkacontroller_offlinepartitionscount${broker0}`, '0 4 4 0 0'),
      series(`kafka_controller_kafkacontroller_offlinepartitionscount${broker1}`, '0 0 0 0 0'),
    ],
    below: [
      series(`kafka_controller_kafkacontroller_offlinepartitionscount${broker0}`, '0 1+0x9'),
      series(`kafka_topic_partition_leader${leader}`, '0 -1+0x9'),
    ],
    quietAt: ['2m', '5m', '10m'],
    notYetAt: '1m15s',
    firesAt: '1m30s',
    resolvedAt: '3m',
    fires: [
      {
        labels: {},
        summary: '4 partitions of c have no leader',
        description:
          'The controller counts 4 partitions without a leader. They are among those without series of their own; `kafka-topics --describe --unavailable-partitions` names them.',
      },
    ],
  },
  {
    alert: 'WeirUncleanLeaderElection',
    // A restart of the controller sets its count back, which is no election.
    ...one(
      `kafka_controller_controllerstats_uncleanleaderelections_total${broker0}`,
      '0 0 1+0x40',
      '1 1 0+0x40',
    ),
    quietAt: ['1m', '3m', '20m'],
    notYetAt: '1m',
    firesAt: '3m',
    resolvedAt: '18m',
    fires: [
      {
        labels: { broker: '0' },
        summary: 'A replica that was out of sync became leader',
        description:
          'The controller, broker 0, made a replica the leader that was not in sync, within the last 15 minutes. Records that were acknowledged may be gone.',
      },
    ],
  },
  {
    alert: 'WeirIsrFlapping',
    // Shrinks in four minutes of fifteen; below, as many shrinks in one minute, and the count of a broker that starts
    // anew.
    ...one(
      `kafka_server_replicamanager_isrshrinks_total${broker0}`,
      '0 0 0 1 1 2 2 3 3 4+0x30',
      '0 0 0 40 40 41 41 42 42 0+0x30',
    ),
    quietAt: ['4m', '8m', '12m', '20m'],
    scrapedEvery: ['15s', '30s', '60s'],
    notYetAt: '8m',
    firesAt: '10m',
    resolvedAt: '30m',
    fires: [
      {
        labels: { broker: '0' },
        summary: 'Replicas keep falling out of sync on broker 0',
        description:
          'In 4 of the last 15 minutes replicas of partitions that broker 0 leads fell out of sync. A broker or disk is too slow, or restarts.',
      },
    ],
  },
  {
    alert: 'WeirReplicationFactorOne',
    input: [
      // A follower tells of 0 replicas, as Kafka's does.
      series(`kafka_cluster_partition_replicascount${leader}`, '1+0x20 3+0x10'),
      series(`kafka_cluster_partition_replicascount${follower}`, '0+0x30'),
      series(`kafka_controller_kafkacontroller_activebrokercount${broker0}`, '3+0x30'),
    ],
    // One broker can hold no second replica.
    below: [
      series(`kafka_cluster_partition_replicascount${leader}`, '1+0x30'),
      series(`kafka_controller_kafkacontroller_activebrokercount${broker0}`, '1+0x30'),
    ],
    quietAt: ['16m', '30m'],
    notYetAt: '14m45s',
    firesAt: '15m',
    resolvedAt: '22m',
    fires: [
      {
        labels: { topic: 'orders' },
        summary: 'Topic orders has one replica',
        description:
          'Topic orders has replication factor 1 in a cluster of several brokers: it is unavailable while its broker is down, and lost with its disk.',
      },
    ],
  },
  {
    alert: 'WeirLogDamaged',
    // Mended from another replica before it is worth anybody's while.
    ...one(`weir_replication_damaged_partitions${broker1}`, '0 2+0x17 0 0', '0 2+0x13 0 2+0x13 0'),
    quietAt: ['15m', '29m', '30m'],
    notYetAt: '15m45s',
    firesAt: '16m',
    resolvedAt: '20m',
    fires: [
      {
        labels: { broker: '1' },
        summary: 'Broker 1 has 2 damaged logs',
        description:
          'In 2 logs of broker 1 there are batches that its disk has damaged, and no other replica has mended them for 15 minutes. They are not served.',
      },
    ],
  },
];
