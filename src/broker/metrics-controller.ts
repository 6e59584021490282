/**
 * Metrics of the cluster as a whole. Only the active controller tells them, the others 0 or nothing:
 * sums over all brokers are right then.
 */
import { NO_LEADER, type PartitionImage } from '../cluster/metadata-image.ts';
import { type MetricName, metric } from '../observe/catalogue.ts';
import { LatencyHistogram } from '../observe/latency.ts';
import type { MetricsRegistry } from '../observe/registry.ts';
import { isUnderReplicated } from '../protocol/replication-factor.ts';
import type { Family } from './metrics.ts';
import { PARTITION_SERIES_MAX } from './metrics-topics.ts';
import type { BrokerServices } from './services.ts';

const elections = 'kafka_controller_controllerstats_leaderelectionrateandtimems';

export function registerControllerMetrics(
  registry: MetricsRegistry,
  family: Family,
  services: BrokerServices,
): void {
  const { controller, image, store } = services;
  const value = (name: MetricName, read: () => number): void =>
    family(name, (emit) => emit(read()));
  const ifActive = (name: MetricName, read: () => number): void =>
    value(name, () => (store.isActive ? read() : 0));
  value('kafka_controller_kafkacontroller_activecontrollercount', () => Number(store.isActive));
  ifActive('kafka_controller_kafkacontroller_offlinepartitionscount', () => {
    let offline = controller.term?.index.leaderless.size ?? 0;
    for (const partition of services.partitions.all()) {
      if (partition.isLeader && partition.isOffline) offline += 1;
    }
    return offline;
  });
  ifActive('kafka_controller_kafkacontroller_globaltopiccount', () => image.topics.size);
  ifActive('kafka_controller_kafkacontroller_globalpartitioncount', () => image.partitionCount);
  ifActive('kafka_controller_kafkacontroller_activebrokercount', () => activeBrokers(services));
  ifActive('kafka_controller_kafkacontroller_fencedbrokercount', () => {
    let fenced = 0;
    for (const broker of image.brokers.values()) if (broker.fenced) fenced += 1;
    return fenced;
  });
  ifActive(
    'kafka_controller_kafkacontroller_preferredreplicaimbalancecount',
    () => controller.term?.index.imbalanced.size ?? 0,
  );
  value('kafka_controller_kafkacontroller_metadataerrorcount', () => 0);
  ifActive('weir_topics_with_one_replica', () => topicsWithOneReplica(services));
  ifActive('weir_partitions_reassigning', () => controller.term?.index.reassigning.size ?? 0);
  value('weir_broker_sessions_expired_total', () => controller.stats.sessionsExpired);
  value(
    'kafka_controller_controllerstats_uncleanleaderelections_total',
    () => controller.stats.uncleanElections,
  );
  const times = new LatencyHistogram();
  controller.stats.onElection = (ms) => times.record(ms);
  const { help } = metric(elections);
  registry.latency({ name: elections, help }, (emit) => emit(times));
  registerCluster(family, services);
}

/** Of the cluster, under the names of kafka_exporter. */
function registerCluster(family: Family, services: BrokerServices): void {
  const { image, store, nodeId } = services;
  family('kafka_brokers', (emit) => {
    if (store.isActive) emit(activeBrokers(services));
  });
  family('kafka_broker_info', (emit) => {
    if (!store.isActive) return;
    for (const { id, endPoints } of image.brokers.values()) {
      const [first] = endPoints;
      const told = first === undefined ? '' : `${first.host}:${first.port}`;
      emit(1, String(id), id === nodeId ? services.sockets.address : told);
    }
  });
  family('kafka_topic_partitions', (emit) => {
    if (!store.isActive) return;
    let room = PARTITION_SERIES_MAX;
    for (const { name, partitions } of image.topics.values()) {
      if (room-- === 0) return;
      emit(partitions.length, name);
    }
  });
  const each = (name: MetricName, read: (p: PartitionImage, topic: string) => number): void =>
    family(name, (emit) => {
      if (!store.isActive) return;
      let room = PARTITION_SERIES_MAX;
      for (const topic of image.topics.values()) {
        for (const partition of topic.partitions) {
          if (room-- === 0) return;
          emit(read(partition, topic.name), topic.name, String(partition.index));
        }
      }
    });
  const leaderOf = ({ leader, index }: PartitionImage, topic: string): number =>
    // The controller's own disk fails before the image says so.
    leader === nodeId && services.partitions.get(topic, index)?.isOffline === true
      ? NO_LEADER
      : leader;
  each('kafka_topic_partition_leader', leaderOf);
  each('kafka_topic_partition_leader_is_preferred', (p) => Number(p.leader === p.replicas[0]));
  each('kafka_topic_partition_replicas', (p) => p.replicas.length);
  each('kafka_topic_partition_in_sync_replica', (p) => p.isr.length);
  each('kafka_topic_partition_under_replicated_partition', (p) => Number(isUnderReplicated(p)));
}

function activeBrokers({ image }: BrokerServices): number {
  let active = 0;
  for (const { fenced, inControlledShutdown } of image.brokers.values()) {
    if (!fenced && !inControlledShutdown) active += 1;
  }
  return active;
}

/** Where one broker is all there is, no topic can have more. */
function topicsWithOneReplica({ image }: BrokerServices): number {
  if (image.brokers.size < 2) return 0;
  let topics = 0;
  for (const { partitions } of image.topics.values()) {
    if (partitions.some(({ replicas }) => replicas.length === 1)) topics += 1;
  }
  return topics;
}
