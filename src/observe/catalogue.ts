/**
 * Every metric the appliance exposes, once: name, type, labels, help. Kafka's concepts bear the
 * names of the JMX rules that existing dashboards and alerts use, consumer lag those of
 * kafka_exporter, and what Kafka has no name for begins with `weir_`.
 *
 * Latencies of Kafka's scheme are gauges in milliseconds by `quantile` plus a counter `_count`.
 */
import { brokerMetrics } from './catalogue-broker.ts';
import { collectorMetrics } from './catalogue-collectors.ts';
import { connectorMetrics } from './catalogue-connectors.ts';
import type { FamilySpec } from './registry.ts';

type Row = readonly [type: FamilySpec['type'], help: string, labels?: readonly string[]];

const appliance = {
  weir_build_info: ['gauge', 'Always 1; the version is a label.', ['version', 'node']],
  weir_role_up: [
    'gauge',
    'Whether the role runs (1) or not (0); of a broker, with its id.',
    ['role', 'broker'],
  ],
  weir_role_restarts_total: [
    'counter',
    'Times the role was started again after it died; of a broker, with its id.',
    ['role', 'broker'],
  ],
  weir_role_event_loop_utilization: [
    'gauge',
    'Share of time (0 to 1) that the thread of the role was busy since the last scrape.',
    ['role'],
  ],
  weir_role_heap_used_bytes: [
    'gauge',
    'JavaScript heap in use by the thread of the role.',
    ['role'],
  ],
  weir_role_external_bytes: [
    'gauge',
    'Memory outside the JavaScript heap that the thread of the role holds, such as buffers.',
    ['role'],
  ],
  weir_http_requests_total: ['counter', 'HTTP requests answered.', ['method', 'route', 'status']],
  weir_http_request_seconds: ['histogram', 'Time to answer an HTTP request.', ['method', 'route']],
  weir_http_refused_total: [
    'counter',
    'HTTP requests refused for lack of a token or for their origin.',
  ],
  weir_http_connections_dropped_total: [
    'counter',
    'HTTP connections closed on arrival because console.connections.max was reached.',
  ],
  weir_metrics_duplicate_series_total: [
    'counter',
    'Series that two threads wrote; the second one was left out.',
  ],
  weir_metrics_source_failures_total: ['counter', 'Times a thread did not answer a scrape.'],
  weir_log_lines_total: ['counter', "Lines of the appliance's own log.", ['level']],
  weir_own_log_sent_total: [
    'counter',
    "Lines of the appliance's own log handed to the topic of logs.",
  ],
  weir_own_log_dropped_total: [
    'counter',
    "Lines of the appliance's own log that did not get into the topic of logs.",
    ['reason'],
  ],
  weir_own_log_waiting_bytes: ['gauge', "Lines of the appliance's own log that wait for the log."],
} as const satisfies Readonly<Record<string, Row>>;

const rows = { ...appliance, ...brokerMetrics, ...collectorMetrics, ...connectorMetrics };

export type MetricName = keyof typeof rows;

/** The row of a metric, in the form `MetricsRegistry.family` takes. */
export function metric(name: MetricName): FamilySpec {
  const [type, help, labels]: Row = rows[name];
  return labels === undefined ? { name, type, help } : { name, type, help, labels };
}

/** Every name, for the test that holds the exposition against it. */
export const metricNames: ReadonlySet<string> = new Set(Object.keys(rows));
