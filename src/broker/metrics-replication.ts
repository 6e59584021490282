/** Metrics of the replicas that this broker holds: those it leads, and those it follows. */
import type { Clock } from '../base/clock.ts';
import type { Partition } from '../cluster/partition.ts';
import type { MetricName } from '../observe/catalogue.ts';
import { isUnderReplicated } from '../protocol/replication-factor.ts';
import type { Family } from './metrics.ts';
import { PARTITION_SERIES_MAX } from './metrics-topics.ts';
import type { BrokerServices } from './services.ts';

/** Kafka's label of all fetchers together. */
const REPLICA = 'Replica';

export function registerReplicationMetrics(family: Family, services: BrokerServices): void {
  const { partitions, replication, clock } = services;
  const value = (name: MetricName, read: () => number): void =>
    family(name, (emit) => emit(read()));
  const counted = (name: MetricName, is: (partition: Partition) => boolean): void =>
    value(name, () => count(partitions.all(), is));
  counted('kafka_server_replicamanager_underreplicatedpartitions', lacksReplica);
  counted('kafka_server_replicamanager_underminisrpartitioncount', isUnderMinIsr);
  counted('kafka_server_replicamanager_atminisrpartitioncount', isAtMinIsr);
  counted('kafka_server_replicamanager_partitioncount', () => true);
  counted('kafka_server_replicamanager_leadercount', leads);
  counted('kafka_server_replicamanager_offlinereplicacount', (p) => p.isOffline);
  value('kafka_server_replicamanager_produceridcount', () => {
    let producers = 0;
    for (const p of partitions.all()) {
      if (!p.isOffline) for (const _ of p.log.activeProducers()) producers += 1;
    }
    return producers;
  });
  const stats = partitions.replication;
  value('kafka_server_replicamanager_isrshrinks_total', () => stats.isrShrinks);
  value('kafka_server_replicamanager_isrexpands_total', () => stats.isrExpands);
  value('kafka_server_replicamanager_failedisrupdates_total', () => stats.failedIsrUpdates);
  value('kafka_server_brokertopicmetrics_replicationbytesin_total', () => stats.bytesIn);
  value('kafka_server_brokertopicmetrics_replicationbytesout_total', () => stats.bytesOut);
  value('weir_replication_truncations_total', () => stats.truncations);
  value(
    'weir_replication_truncations_below_committed_total',
    () => stats.truncationsBelowCommitted,
  );
  value('weir_replication_corrupt_batches_total', () => stats.corruptBatches);
  counted('weir_replication_damaged_partitions', (p) => !p.isOffline && p.log.isDamaged);
  value('weir_replication_mended_ranges_total', () => stats.mendedRanges);
  value('weir_replication_unmendable_ranges_total', () => stats.unmendableRanges);
  value('weir_replication_fetch_failures_total', () => stats.fetchFailures);
  value('weir_replication_pending_isr_updates', () => replication.pendingIsrUpdates);
  registerPartitions(family, services);
  registerFetchers(family, services, clock);
}

const leads = (p: Partition): boolean => p.leadership !== null;
const lacksReplica = (p: Partition): boolean => leads(p) && isUnderReplicated(p);
const isUnderMinIsr = (p: Partition): boolean => leads(p) && p.isr.length < p.minIsr;
const isAtMinIsr = (p: Partition): boolean => leads(p) && p.isr.length === p.minIsr;

function count(partitions: Iterable<Partition>, is: (partition: Partition) => boolean): number {
  let n = 0;
  for (const partition of partitions) if (is(partition)) n += 1;
  return n;
}

/** Followers tell 0, as Kafka's do: sums and maxima over all brokers are the leader's value. */
const perPartition: readonly [name: MetricName, read: (p: Partition) => number][] = [
  ['kafka_cluster_partition_underreplicated', (p) => Number(lacksReplica(p))],
  ['kafka_cluster_partition_underminisr', (p) => Number(isUnderMinIsr(p))],
  ['kafka_cluster_partition_atminisr', (p) => Number(isAtMinIsr(p))],
  ['kafka_cluster_partition_replicascount', (p) => (leads(p) ? p.replicas.length : 0)],
  ['kafka_cluster_partition_insyncreplicascount', (p) => (leads(p) ? p.isr.length : 0)],
];

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
}

function registerFetchers(family: Family, services: BrokerServices, clock: Clock): void {
  const { replication } = services;
  family('kafka_server_replicafetchermanager_maxlag', (emit) => {
    let lag = 0;
    for (const { followed } of replication.fetchers) {
      for (const partition of followed) lag = Math.max(lag, partition.lag);
    }
    emit(lag, REPLICA);
  });
  family('kafka_server_replicafetchermanager_failedpartitionscount', (emit) => {
    let failed = 0;
    for (const fetcher of replication.fetchers) failed += fetcher.failed;
    emit(failed, REPLICA);
  });
  const before = new Map<number, { readonly fetches: number; readonly atMs: number }>();
  family('kafka_server_replicafetchermanager_minfetchrate', (emit) => {
    let least = Number.POSITIVE_INFINITY;
    for (const { leaderId, fetches, size } of replication.fetchers) {
      const now = { fetches, atMs: clock.monotonic() };
      const then = before.get(leaderId) ?? now;
      before.set(leaderId, now);
      const seconds = (now.atMs - then.atMs) / 1_000;
      if (size > 0 && seconds > 0) least = Math.min(least, (fetches - then.fetches) / seconds);
    }
    emit(Number.isFinite(least) ? least : 0, REPLICA);
  });
  family('kafka_server_fetcherlagmetrics_consumerlag', (emit) => {
    let room = PARTITION_SERIES_MAX;
    for (const { leaderId, followed } of replication.fetchers) {
      const client = `ReplicaFetcherThread-0-${leaderId}`;
      for (const { partition, lag } of followed) {
        if (room-- === 0) return;
        emit(lag, client, partition.topic, String(partition.index));
      }
    }
  });
}
