/** Metrics of topics, and of the partitions that this broker holds. */
import type { Partition } from '../cluster/partition.ts';
import type { TopicStats } from '../cluster/topic-stats.ts';
import type { MetricName } from '../observe/catalogue.ts';
import type { Family } from './metrics.ts';
import type { BrokerServices } from './services.ts';

/** Partitions that get series of their own; more would make each scrape slow and large. */
export const PARTITION_SERIES_MAX = 2000;

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
  ['kafka_server_brokertopicmetrics_producemessageconversions_total', (s) => s.produceConversions],
  ['kafka_server_brokertopicmetrics_fetchmessageconversions_total', () => 0],
];

export function registerTopicMetrics(family: Family, services: BrokerServices): void {
  const { partitions } = services;
  for (const [name, read] of perTopic) {
    family(name, (emit) => {
      // The sum over all topics is the series without a topic, as Kafka has it.
      emit(read(partitions.totals), '');
      for (const topic of partitions.topics()) emit(read(topic.stats), topic.name);
    });
  }
  registerPartitions(family, services);
}

function count(partitions: Iterable<Partition>, is: (partition: Partition) => boolean): number {
  let n = 0;
  for (const partition of partitions) if (is(partition)) n += 1;
  return n;
}

/** One series a partition and family, of every broker that holds it. */
const perPartition: readonly [name: MetricName, read: (p: Partition) => number][] = [
  ['kafka_log_log_size', (p) => p.log.size],
  ['kafka_log_log_logstartoffset', (p) => p.log.logStartOffset],
  ['kafka_log_log_logendoffset', (p) => p.log.logEndOffset],
  ['kafka_log_log_numlogsegments', (p) => p.log.segmentCount],
];

/** The same, of the broker that leads it: kafka_exporter's names describe the cluster once. */
const perLeader: typeof perPartition = [
  ['kafka_topic_partition_current_offset', (p) => p.highWatermark],
  ['kafka_topic_partition_oldest_offset', (p) => p.log.logStartOffset],
];

function registerPartitions(family: Family, { partitions }: BrokerServices): void {
  for (const [name, read] of [...perPartition, ...perLeader]) {
    const ofLeader = perLeader.some(([other]) => other === name);
    family(name, (emit) => {
      let room = PARTITION_SERIES_MAX;
      for (const partition of partitions.all()) {
        if (partition.isOffline || (ofLeader && !partition.isLeader)) continue;
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
