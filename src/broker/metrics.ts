/**
 * The broker's metrics: reads the plain numbers of its parts when somebody scrapes. Names and prose
 * are in `observe/catalogue-broker.ts`.
 */
import { eventLoopUtilization } from 'node:perf_hooks';
import { codeOf } from '../base/errors.ts';
import type { LogProbe } from '../log/probe.ts';
import { type MetricName, metric } from '../observe/catalogue.ts';
import type { LatencyHistogram } from '../observe/latency.ts';
import type { MetricsRegistry } from '../observe/registry.ts';
import { errorName } from '../protocol/error-codes.ts';
import { type ApiStats, FetchStats } from './api-stats.ts';
import { registerCleanerMetrics } from './metrics-cleaner.ts';
import { registerControllerMetrics } from './metrics-controller.ts';
import { registerGroupMetrics } from './metrics-groups.ts';
import { registerQuorumMetrics } from './metrics-quorum.ts';
import { registerReplicationMetrics } from './metrics-replication.ts';
import { registerSecurityMetrics } from './metrics-security.ts';
import { registerTelemetryMetrics } from './metrics-telemetry.ts';
import { registerTopicMetrics } from './metrics-topics.ts';
import { registerTransactionMetrics } from './metrics-transactions.ts';
import type { BrokerServices } from './services.ts';

/** Idle shares are over at least so long, however often somebody asks. */
const IDLE_WINDOW_MS = 60_000;

export type Emit = (value: number, ...labels: string[]) => void;
export type Family = (name: MetricName, collect: (emit: Emit) => void) => void;

export function registerBrokerMetrics(
  registry: MetricsRegistry,
  broker: { readonly state: number },
  services: BrokerServices,
): void {
  const family: Family = (name, collect) => registry.family(metric(name), collect);
  const value = (name: MetricName, read: () => number): void =>
    family(name, (emit) => emit(read()));
  value('kafka_server_kafkaserver_brokerstate', () => broker.state);
  registerTopicMetrics(family, services);
  registerReplicationMetrics(family, services);
  registerControllerMetrics(registry, family, services);
  registerQuorumMetrics(family, services.quorum, services.peers.traffic, services.clock);
  registerGroupMetrics(family, services);
  registerTransactionMetrics(family, services);
  registerTelemetryMetrics(registry, family, services);
  registerSecurityMetrics(family, services);
  registerRequests(registry, family, services);
  registerLogs(family, services);
  registerCleanerMetrics(family, services);
  registerConnections(family, services);
  const idle = idleShare(services);
  value('kafka_network_socketserver_networkprocessoravgidle_percent', idle);
  value('kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent', idle);
  family('kafka_server_delayedoperationpurgatory_purgatorysize', (emit) => {
    emit(services.produceWaits.count, 'Produce');
    emit(services.fetchPurgatory.size, 'Fetch');
  });
  const { fetchSessions } = services;
  value('kafka_server_fetchsessioncache_numincrementalfetchsessions', () => fetchSessions.size);
  value(
    'kafka_server_fetchsessioncache_numincrementalfetchpartitionscached',
    () => fetchSessions.partitionCount,
  );
  value(
    'kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total',
    () => fetchSessions.evictions,
  );
}

/**
 * One thread does it all: what the event loop is idle, network and handlers are. Over the last
 * window and the part of this one that has passed.
 */
function idleShare({ clock }: BrokerServices): () => number {
  let from = eventLoopUtilization();
  let turn = from;
  let turnedAtMs = clock.monotonic();
  return () => {
    const now = clock.monotonic();
    if (now - turnedAtMs >= IDLE_WINDOW_MS) {
      from = turn;
      turn = eventLoopUtilization();
      turnedAtMs = now;
    }
    return 1 - eventLoopUtilization(from).utilization;
  };
}

function registerRequests(
  registry: MetricsRegistry,
  family: Family,
  { apiStats }: BrokerServices,
): void {
  const seen = (each: (stats: ApiStats) => void): void => {
    for (const stats of apiStats.values()) {
      const parts = stats instanceof FetchStats ? [stats.consumers, stats.followers] : [];
      for (const any of [stats, ...parts]) {
        if (any.totalTime.count > 0 || any.requestBytes > 0) each(any);
      }
    }
  };
  family('kafka_network_requestmetrics_requests_total', (emit) => {
    seen(({ name, requests }) => {
      requests.forEach((count, version) => {
        if (count > 0) emit(count, name, String(version));
      });
    });
  });
  family('kafka_network_requestmetrics_errors_total', (emit) => {
    seen(({ name, errors }) => {
      for (const [code, count] of errors) emit(count, name, errorName(code));
    });
  });
  family('kafka_network_requestmetrics_requestbytes_total', (emit) => {
    seen(({ name, requestBytes }) => emit(requestBytes, name));
  });
  family('kafka_network_requestmetrics_responsebytes_total', (emit) => {
    seen(({ name, responseBytes }) => emit(responseBytes, name));
  });
  const times: readonly [
    name: MetricName,
    of: (stats: ApiStats) => LatencyHistogram,
    histogram?: MetricName,
  ][] = [
    ['kafka_network_requestmetrics_totaltimems', (s) => s.totalTime, 'weir_broker_request_seconds'],
    ['kafka_network_requestmetrics_requestqueuetimems', (s) => s.requestQueueTime],
    ['kafka_network_requestmetrics_localtimems', (s) => s.localTime],
    ['kafka_network_requestmetrics_remotetimems', (s) => s.remoteTime],
    ['kafka_network_requestmetrics_responsequeuetimems', (s) => s.responseQueueTime],
    ['kafka_network_requestmetrics_responsesendtimems', (s) => s.responseSendTime],
  ];
  for (const [name, of, histogram] of times) {
    const { help } = metric(name);
    const spec = { name, help, labels: ['request'] };
    registry.latency(histogram === undefined ? spec : { ...spec, histogram }, (emit) => {
      seen((stats) => emit(of(stats), stats.name));
    });
  }
}

function registerConnections(family: Family, { sockets }: BrokerServices): void {
  const { stats, memory } = sockets;
  // Kafka's labels; there is one thread, and the sum is over the listeners.
  const listener = (name: MetricName, read: () => number): void =>
    family(name, (emit) => emit(read(), 'PLAINTEXT', '0'));
  listener('kafka_server_socket_server_metrics_connection_count', () => stats.open);
  listener('kafka_server_socket_server_metrics_connection_creation_total', () => stats.opened);
  listener('kafka_server_socket_server_metrics_connection_close_total', () => stats.closed);
  listener('kafka_server_socket_server_metrics_incoming_byte_total', () => stats.receivedBytes);
  listener('kafka_server_socket_server_metrics_outgoing_byte_total', () => stats.sentBytes);
  listener(
    'kafka_server_socket_server_metrics_failed_authentication_total',
    () => stats.failedAuthentications,
  );
  listener(
    'kafka_server_socket_server_metrics_successful_authentication_total',
    () => stats.authentications,
  );
  listener(
    'kafka_server_socket_server_metrics_failed_reauthentication_total',
    () => stats.failedReauthentications,
  );
  listener(
    'kafka_server_socket_server_metrics_successful_reauthentication_total',
    () => stats.reauthentications,
  );
  family('weir_tls_certificate_expiry_timestamp_seconds', (emit) => {
    for (const { listener: name, expiresAtMs } of sockets.certificates)
      emit(expiresAtMs / 1000, name);
  });
  family('kafka_server_socket_server_metrics_connections_software', (emit) => {
    for (const [software, count] of stats.software) {
      const [name = '', version = ''] = software.split(' ');
      emit(count, name, version);
    }
  });
  const value = (name: MetricName, read: () => number): void =>
    family(name, (emit) => emit(read()));
  value('kafka_network_socketserver_expiredconnectionskilledcount', () => stats.expiredSessions);
  value('kafka_network_requestchannel_requestqueuesize', () => stats.queuedRequests);
  value('kafka_network_requestchannel_responsequeuesize', () => stats.queuedResponseBytes);
  value('weir_broker_backpressure_pauses_total', () => stats.backpressurePauses);
  value('weir_broker_request_memory_bytes', () => memory.bytes);
  value('weir_broker_request_memory_waits_total', () => memory.waits);
  family('weir_broker_connections_closed_total', (emit) => {
    for (const [reason, count] of stats.closedByReason) emit(count, reason);
  });
}

function registerLogs(family: Family, { logs, disk, logger }: BrokerServices): void {
  const fields: readonly [name: MetricName, read: (probe: LogProbe) => number][] = [
    ['kafka_log_logflushstats_logflushrateandtimems_count', (p) => p.flushes],
    ['weir_log_flush_seconds_total', (p) => p.flushMs / 1000],
    ['weir_log_flush_failures_total', (p) => p.flushFailures],
    ['weir_log_appended_bytes_total', (p) => p.appendedBytes],
    ['weir_log_appended_batches_total', (p) => p.appendedBatches],
    ['weir_log_appended_records_total', (p) => p.appendedRecords],
    ['weir_log_duplicate_batches_total', (p) => p.duplicateBatches],
    ['weir_log_rejected_batches_total', (p) => p.rejectedBatches],
    ['weir_log_read_bytes_total', (p) => p.readBytes],
    ['weir_log_tail_cache_bytes', (p) => p.tailCacheBytes],
    ['weir_log_tail_cache_hits_total', (p) => p.tailCacheHits],
    ['weir_log_tail_cache_misses_total', (p) => p.tailCacheMisses],
    ['weir_log_tail_cache_evictions_total', (p) => p.tailCacheEvictions],
    ['weir_log_read_ahead_bytes', (p) => p.readAheadBytes],
    ['weir_log_read_ahead_hits_total', (p) => p.readAheadHits],
    ['weir_log_read_ahead_misses_total', (p) => p.readAheadMisses],
    ['weir_log_segments_rolled_total', (p) => p.segmentsRolled],
    ['weir_log_segments_deleted_total', (p) => p.segmentsDeleted],
    ['weir_log_deleted_bytes_total', (p) => p.deletedBytes],
    ['weir_log_segments_recovered_total', (p) => p.segmentsRecovered],
    ['weir_log_segment_evictions_total', (p) => p.segmentEvictions],
    ['weir_log_producer_evictions_total', (p) => p.producerEvictions],
    ['weir_log_index_rebuilds_total', (p) => p.indexRebuilds],
    ['weir_log_cache_write_failures_total', (p) => p.cacheWriteFailures],
    ['weir_log_truncated_tail_bytes_total', (p) => p.truncatedTailBytes],
    ['weir_log_corrupt_batches_total', (p) => p.corruptBatches],
    ['weir_log_no_space_errors_total', (p) => p.noSpaceErrors],
    ['weir_log_io_errors_total', (p) => p.ioErrors],
  ];
  for (const [name, read] of fields) family(name, (emit) => emit(read(logs.probe)));
  family('kafka_log_logmanager_offlinelogdirectorycount', (emit) => {
    emit(logs.directories().filter(({ failure }) => failure !== null).length);
  });
  family('kafka_log_logmanager_logdirectoryoffline', (emit) => {
    for (const { path, failure } of logs.directories()) emit(failure === null ? 0 : 1, path);
  });
  const { mover } = logs;
  family('kafka_server_replicaalterlogdirsmanager_maxlag', (emit) => {
    let lag = 0;
    for (const move of mover.moves()) lag = Math.max(lag, move.lag);
    emit(lag, 'ReplicaAlterLogDirs');
  });
  family('weir_log_moves', (emit) => emit(mover.size));
  family('weir_log_moves_total', (emit) => emit(mover.completed));
  family('weir_log_move_bytes_total', (emit) => emit(mover.copiedBytes));
  family('weir_log_move_failures_total', (emit) => emit(mover.failures));
  family('weir_log_directory_online', (emit) => {
    for (const { path, failure } of logs.directories()) emit(failure === null ? 1 : 0, path);
  });
  const space = (name: MetricName, of: 'freeBytes' | 'totalBytes'): void =>
    family(name, (emit) => {
      for (const { path } of logs.directories()) {
        try {
          emit(disk.space(path)[of], path);
        } catch (error) {
          logger.warn('the space of a log folder cannot be told', {
            'file.path': path,
            'error.code': codeOf(error),
          });
        }
      }
    });
  space('weir_log_directory_free_bytes', 'freeBytes');
  space('weir_log_directory_total_bytes', 'totalBytes');
}
