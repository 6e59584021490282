/** Metrics of topics, partitions and the cluster. */
import type { Partition } from '../cluster/partition.ts';
import type { TopicStats } from '../cluster/topic-stats.ts';
import type { MetricName } from '../observe/catalogue.ts';
import type { Family } from './metrics.ts';
import type { BrokerServices } from './services.ts';

/** Partitions that get series of their own; more would make each scrape slow and large. */
const PARTITION_SERIES_MAX = 2000;

/** Kafka prefixes; the names after them are the catalogue's. */
const perTopic: readonly [name: MetricName, read: (stats: TopicStats) => number][] = [
  ['kafka_server_brokertopicmetrics_bytesin_total', (s) => s.bytesIn],
  ['kafka_server_brokertopicmetrics_bytesout_total', (s) => s.bytesOut],
  ['kafka_server_brokertopicmetrics_messagesin_total', (s) => s.messagesIn],
  ['kafka_server_brokertopicmetrics_bytesrejected_total', (s) => s.bytesRejected],
  ['kafka_server_brokertopicmetrics_totalproducerequests_total', (s) => s.produceRequests],
  ['kafka_server_brokertopicmetrics_totalfetchrequests_total', (s) => s.fetchRequests],
  ['kafka_server_brokertopicmetrics_failedproducerequests_total', (s) => s.failedProduceRequests],
  ['kafka_server_brokertopicmetrics_failedfetchrequests_total', (s) => s.failedFetchRequests],
  ['kafka_server_brokertopicmetrics_invalidmessagecrcrecords_total', (s) => s.invalidCrc],
  ['kafka_server_brokertopicmetrics_invalidmagicnumberrecords_total', (s) => s.invalidMagic],
  [
    'kafka_server_brokertopicmetrics_invalidoffsetorsequencerecords_total',
    (s) => s.invalidOffsetOrSequence,
  ],
  ['kafka_server_brokertopicmetrics_nokeycompactedtopicrecords_total', (s) => s.noKeyCompacted],
  ['kafka_server_brokertopicmetrics_producemessageconversions_total', () => 0],
  ['kafka_server_brokertopicmetrics_fetchmessageconversions_total', () => 0],
];

export function registerTopicMetrics(family: Family, services: BrokerServices): void {
  const { partitions, image } = services;
  for (const [name, read] of perTopic) {
    family(name, (emit) => {
      // The sum over all topics is the series without a topic, as Kafka has it.
      emit(read(partitions.totals), '');
      for (const topic of partitions.topics()) emit(read(topic.stats), topic.name);
    });
  }
  registerPartitions(family, services);
  registerReplicas(family, services);
  const value = (name: MetricName, read: () => number): void =>
    family(name, (emit) => emit(read()));
  value('kafka_controller_kafkacontroller_activecontrollercount', () => 1);
  value('kafka_controller_kafkacontroller_offlinepartitionscount', () =>
    count(partitions.all(), (p) => p.isOffline),
  );
  value('kafka_controller_kafkacontroller_globaltopiccount', () => image.topics.size);
  value('kafka_controller_kafkacontroller_globalpartitioncount', () => image.partitionCount);
  value('kafka_controller_kafkacontroller_activebrokercount', () => image.brokers.size);
  value('kafka_controller_kafkacontroller_fencedbrokercount', () => 0);
  value('kafka_controller_kafkacontroller_preferredreplicaimbalancecount', () => 0);
  value('kafka_controller_kafkacontroller_metadataerrorcount', () => 0);
  value('kafka_controller_controllerstats_uncleanleaderelections_total', () => 0);
  value('kafka_brokers', () => image.brokers.size);
  family('kafka_topic_partitions', (emit) => {
    for (const topic of partitions.topics()) emit(topic.partitions.length, topic.name);
  });
}

function count(partitions: Iterable<Partition>, is: (partition: Partition) => boolean): number {
  let n = 0;
  for (const partition of partitions) if (is(partition)) n += 1;
  return n;
}

function registerReplicas(family: Family, { partitions }: BrokerServices): void {
  const value = (name: MetricName, read: () => number): void =>
    family(name, (emit) => emit(read()));
  const serving = (partition: Partition): boolean => !partition.isOffline;
  const minIsr = (p: Partition): number => (p.isOffline ? 1 : p.log.config.minInsyncReplicas);
  value('kafka_server_replicamanager_underreplicatedpartitions', () => 0);
  value('kafka_server_replicamanager_underminisrpartitioncount', () =>
    count(partitions.all(), (p) => p.isr.length < minIsr(p)),
  );
  value('kafka_server_replicamanager_atminisrpartitioncount', () =>
    count(partitions.all(), (p) => p.isr.length === minIsr(p)),
  );
  value('kafka_server_replicamanager_partitioncount', () => count(partitions.all(), () => true));
  value('kafka_server_replicamanager_leadercount', () => count(partitions.all(), serving));
  value('kafka_server_replicamanager_offlinereplicacount', () =>
    count(partitions.all(), (p) => p.isOffline),
  );
  value('kafka_server_replicamanager_isrshrinks_total', () => 0);
  value('kafka_server_replicamanager_isrexpands_total', () => 0);
  value('kafka_server_replicamanager_partitionswithlatetransactionscount', () => 0);
  value('kafka_server_brokertopicmetrics_replicationbytesin_total', () => 0);
  value('kafka_server_brokertopicmetrics_replicationbytesout_total', () => 0);
  value('kafka_server_replicamanager_produceridcount', () => {
    let producers = 0;
    for (const p of partitions.all()) {
      if (serving(p)) for (const _ of p.log.activeProducers()) producers += 1;
    }
    return producers;
  });
}

/** One series a partition and family. */
const perPartition: readonly [name: MetricName, read: (p: Partition) => number][] = [
  ['kafka_log_log_size', (p) => p.log.size],
  ['kafka_log_log_logstartoffset', (p) => p.log.logStartOffset],
  ['kafka_log_log_logendoffset', (p) => p.log.logEndOffset],
  ['kafka_log_log_numlogsegments', (p) => p.log.segmentCount],
  ['kafka_topic_partition_current_offset', (p) => p.highWatermark],
  ['kafka_topic_partition_oldest_offset', (p) => p.log.logStartOffset],
  ['kafka_topic_partition_leader', (p) => p.isr[0] ?? -1],
  ['kafka_topic_partition_leader_is_preferred', () => 1],
  ['kafka_topic_partition_replicas', (p) => p.isr.length],
  ['kafka_topic_partition_in_sync_replica', (p) => p.isr.length],
  ['kafka_topic_partition_under_replicated_partition', () => 0],
  ['kafka_cluster_partition_underreplicated', () => 0],
  ['kafka_cluster_partition_underminisr', (p) => Number(p.isr.length < minInsync(p))],
  ['kafka_cluster_partition_atminisr', (p) => Number(p.isr.length === minInsync(p))],
  ['kafka_cluster_partition_replicascount', (p) => p.isr.length],
  ['kafka_cluster_partition_insyncreplicascount', (p) => p.isr.length],
];

const minInsync = (p: Partition): number => p.log.config.minInsyncReplicas;

function registerPartitions(family: Family, { partitions }: BrokerServices): void {
  for (const [name, read] of perPartition) {
    family(name, (emit) => {
      let room = PARTITION_SERIES_MAX;
      for (const partition of partitions.all()) {
        if (partition.isOffline) continue;
        if (room-- === 0) return;
        emit(read(partition), partition.topic, String(partition.index));
      }
    });
  }
  family('weir_broker_series_dropped', (emit) => {
    const all = count(partitions.all(), (p) => !p.isOffline);
    emit(Math.max(all - PARTITION_SERIES_MAX, 0));
  });
}
