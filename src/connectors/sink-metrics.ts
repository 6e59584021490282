/** Registers the metrics of sink connectors; names and help are in `observe/catalogue-connectors.ts`. */
import { type MetricName, metric } from '../observe/catalogue.ts';
import type { Emit, MetricsRegistry } from '../observe/registry.ts';
import type { ConnectorState } from './connector.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { BulkProbe } from './elasticsearch/elasticsearch-destination.ts';
import type { SinkTask } from './sink-task.ts';

/** What a running connector shows of itself. */
export interface MeasuredConnector {
  readonly name: string;
  readonly className: string;
  readonly version: string;
  readonly task: SinkTask;
  readonly letters: DeadLetters;
  readonly bulk: BulkProbe;
  /** Why it will never read the log again, '' while it may. */
  readonly fatal: () => string;
}

/** A task that has lost the log for good does not know: its way to the destination still works. */
export const stateOf = ({ task, fatal }: MeasuredConnector): ConnectorState =>
  fatal() === '' ? task.state : 'FAILED';

type Connectors = () => readonly MeasuredConnector[];
type Value = (connector: MeasuredConnector) => number;
type Values = Partial<Record<MetricName, Value>>;

/** A connector has one task by now. */
const TASK = '0';

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
const perSecond = (count: number, { task }: MeasuredConnector): number =>
  ratio(count, task.probe.uptimeMs / 1_000);

const sent = ({ task: { probe } }: MeasuredConnector): number => probe.written + probe.duplicates;
const commitsTried = ({ task: { committer } }: MeasuredConnector): number =>
  committer.commits + committer.failures;

function unresolvedBytes({ task }: MeasuredConnector): number {
  let bytes = 0;
  for (const offsets of task.assignment.offsets()) bytes += offsets.unresolvedBytes;
  return bytes;
}

const perConnector: Values = {
  weir_connector_up: ({ task, fatal }) =>
    fatal() !== '' || task.light === 'red' || !task.shipping.isOpen ? 0 : 1,
  weir_connector_retries_total: ({ task }) => task.shipping.retries,
  weir_connector_retried_records_total: ({ bulk }) => bulk.retriedItems,
  weir_connector_requests_total: ({ bulk }) => bulk.requests,
  weir_connector_request_faults_total: ({ bulk }) => bulk.requestFaults,
  weir_connector_requests_too_large_total: ({ bulk }) => bulk.requestsTooLarge,
  weir_connector_push_backs_total: ({ bulk }) => bulk.pushBacks,
  weir_connector_sent_bytes_total: ({ bulk }) => bulk.bytes,
  weir_connector_unreadable_batches_total: ({ task }) => task.probe.unreadableBatches,
  weir_connector_dead_letter_failures_total: ({ letters }) => letters.failures,
  weir_connector_dead_letters_pending: ({ letters }) => letters.pending,
  weir_connector_partition_pauses_total: ({ task }) => task.assignment.pauses,
  weir_connector_paused_partitions: ({ task }) => task.assignment.paused,
  weir_connector_unresolved_bytes: unresolvedBytes,
  weir_connector_in_flight_requests: ({ task }) => task.shipping.inFlight,
  weir_connector_in_flight_requests_limit: ({ task }) => task.shipping.inFlightLimit,
  weir_connector_commit_failures_total: ({ task }) => task.committer.failures,
};

const refused: Value = ({ task }) => task.probe.refused;

const perTask: Values = {
  kafka_connect_sink_task_metrics_sink_record_read_rate: (c) => perSecond(c.task.probe.read, c),
  kafka_connect_sink_task_metrics_sink_record_read_total: ({ task }) => task.probe.read,
  kafka_connect_sink_task_metrics_sink_record_send_rate: (c) => perSecond(sent(c), c),
  kafka_connect_sink_task_metrics_sink_record_send_total: sent,
  kafka_connect_sink_task_metrics_put_batch_avg_time_ms: ({ task: { shipping } }) =>
    ratio(shipping.writeMsTotal, shipping.writes),
  kafka_connect_sink_task_metrics_put_batch_max_time_ms: ({ task }) => task.shipping.writeMsMax,
  kafka_connect_sink_task_metrics_offset_commit_completion_total: ({ task }) =>
    task.committer.commits,
  kafka_connect_sink_task_metrics_offset_commit_completion_rate: (c) =>
    perSecond(c.task.committer.commits, c),
  kafka_connect_sink_task_metrics_partition_count: ({ task }) =>
    [...task.assignment.offsets()].length,
  kafka_connect_connector_task_metrics_offset_commit_success_percentage: (c) =>
    1 - ratio(c.task.committer.failures, commitsTried(c)),
  kafka_connect_connector_task_metrics_offset_commit_avg_time_ms: (c) =>
    ratio(c.task.committer.totalMs, commitsTried(c)),
  kafka_connect_connector_task_metrics_batch_size_avg: (c) =>
    ratio(sent(c), c.task.shipping.writes),
  kafka_connect_task_error_total_record_failures: refused,
  kafka_connect_task_error_metrics_total_record_failures: refused,
  kafka_connect_task_error_metrics_total_record_errors: refused,
  kafka_connect_task_error_metrics_total_records_skipped: ({ task }) => task.probe.ignored,
  kafka_connect_task_error_metrics_total_retries: ({ task }) => task.shipping.retries,
  kafka_connect_task_error_metrics_deadletterqueue_produce_requests: ({ letters }) =>
    letters.written + letters.failures,
  kafka_connect_task_error_metrics_deadletterqueue_produce_failures: ({ letters }) =>
    letters.failures,
};

const statusOf = (connector: MeasuredConnector): string => stateOf(connector).toLowerCase();

/** Families whose series are not simply one number a connector. */
const shaped: Partial<Record<MetricName, (c: MeasuredConnector, emit: Emit) => void>> = {
  weir_connector_records_total: (c, emit) => {
    const { written, duplicates, deadLetters, ignored } = c.task.probe;
    emit(written, c.name, 'written');
    emit(duplicates, c.name, 'duplicate');
    emit(deadLetters, c.name, 'dead_letter');
    emit(ignored, c.name, 'ignored');
  },
  weir_connector_lag_records: (c, emit) => {
    for (const { topic, partition, highWatermark, committable } of c.task.assignment.offsets()) {
      if (highWatermark < 0) continue;
      emit(Math.max(0, highWatermark - committable), c.name, topic, String(partition));
    }
  },
  kafka_connect_connector_status: (c, emit) => emit(1, c.name, statusOf(c)),
  kafka_connect_connector_metrics: (c, emit) =>
    emit(1, c.name, statusOf(c), c.className, 'sink', c.version),
  kafka_connect_connector_task_status: (c, emit) => emit(1, c.name, TASK, statusOf(c)),
  kafka_connect_connector_connector_class: (c, emit) => emit(1, c.name, c.className),
  kafka_connect_connector_connector_type: (c, emit) => emit(1, c.name, 'sink'),
  kafka_connect_connector_connector_version: (c, emit) => emit(1, c.name, c.version),
  // A task here is always with its connector, and never away.
  kafka_connect_worker_connector_unassigned_task_count: (c, emit) => emit(0, c.name),
  kafka_connect_worker_connector_destroyed_task_count: (c, emit) => emit(0, c.name),
};

/** Strimzi's and Confluent's spelling of the same numbers. */
const tasksByState: Partial<Record<MetricName, ConnectorState>> = {
  kafka_connect_worker_connector_running_task_count: 'RUNNING',
  kafka_connect_worker_connector_paused_task_count: 'PAUSED',
  kafka_connect_worker_connector_failed_task_count: 'FAILED',
  kafka_connect_connect_worker_metrics_connector_running_task_count: 'RUNNING',
  kafka_connect_connect_worker_metrics_connector_paused_task_count: 'PAUSED',
  kafka_connect_connect_worker_metrics_connector_failed_task_count: 'FAILED',
};

const totals: readonly MetricName[] = [
  'kafka_connect_worker_connector_count',
  'kafka_connect_worker_task_count',
  'kafka_connect_connect_worker_metrics_connector_count',
  'kafka_connect_connect_worker_metrics_task_count',
  'kafka_connect_coordinator_assigned_connectors',
  'kafka_connect_coordinator_assigned_tasks',
];

const entries = <T>(table: Partial<Record<MetricName, T>>): [MetricName, T][] =>
  Object.entries(table) as [MetricName, T][];

/** Registers every family; `connectors` is asked at each scrape. */
export function registerSinkMetrics(registry: MetricsRegistry, connectors: Connectors): void {
  for (const [name, value] of entries(perConnector)) {
    registry.family(metric(name), (emit) => {
      for (const connector of connectors()) emit(value(connector), connector.name);
    });
  }
  for (const [name, value] of entries(perTask)) {
    registry.family(metric(name), (emit) => {
      for (const connector of connectors()) emit(value(connector), connector.name, TASK);
    });
  }
  for (const [name, collect] of entries(shaped)) {
    registry.family(metric(name), (emit) => {
      for (const connector of connectors()) collect(connector, emit);
    });
  }
  for (const [name, state] of entries(tasksByState)) {
    registry.family(metric(name), (emit) => {
      for (const connector of connectors()) {
        emit(stateOf(connector) === state ? 1 : 0, connector.name);
      }
    });
  }
  for (const name of totals) registry.family(metric(name), (emit) => emit(connectors().length));
  // There is one worker, which has nobody to share with.
  registry.family(metric('kafka_connect_worker_rebalance_rebalancing'), (emit) => emit(0));
}
