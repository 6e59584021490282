/** What clients push of their own metrics: how much, and what was left out. */
import type { MetricName } from '../observe/catalogue.ts';
import { seriesDropReasons } from '../observe/client-series.ts';
import type { MetricsRegistry } from '../observe/registry.ts';
import type { Family } from './metrics.ts';
import type { BrokerServices } from './services.ts';

export function registerTelemetryMetrics(
  registry: MetricsRegistry,
  family: Family,
  { telemetry, clientSeries, telemetryTopic }: BrokerServices,
): void {
  const value = (name: MetricName, read: () => number): void =>
    family(name, (emit) => emit(read()));
  const { counts } = telemetry;
  value('kafka_server_client_metrics_instance_count', () => telemetry.instances);
  value(
    'kafka_server_client_metrics_unknown_subscription_request_count',
    () => counts.unknownSubscription,
  );
  value('kafka_server_client_metrics_throttle_count', () => counts.throttled);
  value('kafka_server_client_metrics_plugin_export_count', () => counts.exported);
  value('kafka_server_client_metrics_plugin_error_count', () => counts.failed);
  value('weir_client_telemetry_clients', () => clientSeries.clients);
  value('weir_client_telemetry_series', () => clientSeries.size);
  family('weir_client_telemetry_series_dropped_total', (emit) => {
    for (const reason of seriesDropReasons) emit(clientSeries.dropped[reason], reason);
  });
  value('weir_client_telemetry_records_stored_total', () => telemetryTopic.stored);
  family('weir_client_telemetry_records_dropped_total', (emit) => {
    for (const [reason, count] of Object.entries(telemetryTopic.dropped)) emit(count, reason);
  });
  registry.appendText(() => clientSeries.text());
}
