/** Metrics of transactions: of their coordinator, of the leaders that ask it, and of their logs. */
import type { TransactionProbe } from '../coordinator/transactions/transaction-probe.ts';
import type { MetricName } from '../observe/catalogue.ts';
import type { Family } from './metrics.ts';
import { emitPartitions, meanLoadMs } from './metrics-shards.ts';
import type { BrokerServices } from './services.ts';

/** Kafka gives transactions this much more than the longest timeout, before it calls them late. */
const LATE_BUFFER_MS = 5 * 60_000;

const fields: readonly [name: MetricName, read: (probe: TransactionProbe) => number][] = [
  [
    'kafka_coordinator_transaction_transactionmarkerchannelmanager_unknowndestinationqueuesize',
    (p) => p.markersWithoutLeader,
  ],
  [
    'kafka_coordinator_transaction_transactionmarkerchannelmanager_logappendretryqueuesize',
    (p) => p.endsToRetry,
  ],
  ['kafka_server_transaction_coordinator_metrics_partition_load_time_max', (p) => p.longestLoadMs],
  ['kafka_server_transaction_coordinator_metrics_partition_load_time_avg', meanLoadMs],
  ['weir_transaction_loads_total', (p) => p.loads],
  ['weir_transaction_failed_loads_total', (p) => p.failedLoads],
  ['weir_transaction_ids', (p) => p.ids],
  ['weir_transaction_refused_ids_total', (p) => p.refusedIds],
  ['weir_transaction_expired_ids_total', (p) => p.expiredIds],
  ['weir_transaction_committed_total', (p) => p.committed],
  ['weir_transaction_aborted_total', (p) => p.aborted],
  ['weir_transaction_timed_out_total', (p) => p.timedOut],
  ['weir_transaction_markers_total', (p) => p.markers],
  ['weir_transaction_retried_markers_total', (p) => p.retriedMarkers],
  ['weir_transaction_failed_appends_total', (p) => p.failedAppends],
  ['weir_transaction_unreadable_records_total', (p) => p.unreadableRecords],
];

export function registerTransactionMetrics(family: Family, services: BrokerServices): void {
  const { transactions, transactionLinks, verifying, partitions, configs, clock } = services;
  const value = (name: MetricName, read: () => number): void =>
    family(name, (emit) => emit(read()));
  for (const [name, read] of fields) value(name, () => read(transactions.probe));
  value(
    'kafka_server_addpartitionstotxnmanager_verificationfailurerate_count',
    () => transactionLinks.verificationFailures,
  );
  family('weir_transaction_partitions', (emit) => emitPartitions(emit, transactions));
  value('weir_transaction_verifying_bytes', () => verifying.bytes);
  value('weir_transaction_verifying_refused_total', () => verifying.refused);
  value('weir_transaction_last_verification_ms', () => verifying.lastMs);
  value('kafka_server_replicamanager_partitionswithlatetransactionscount', () => {
    const lateMs = configs.number('transaction.max.timeout.ms') + LATE_BUFFER_MS;
    const now = clock.now();
    let late = 0;
    for (const partition of partitions.all()) {
      if (partition.isOffline) continue;
      const since = partition.log.oldestTransactionTimestamp;
      if (since > 0 && now - since > lateMs) late += 1;
    }
    return late;
  });
}
