/**
 * Metrics of sink connectors: ours, and those that Kafka Connect's dashboards and alerts look for,
 * in both spellings that are about.
 */
import type { Emit, FamilySpec, MetricsRegistry } from '../observe/registry.ts';
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
}

type Connectors = () => readonly MeasuredConnector[];

const STATES: readonly ConnectorState[] = ['RUNNING', 'PAUSED', 'FAILED'];
/** Every task is one of a single-task connector by now. */
const TASK = '0';

type Value = (connector: MeasuredConnector) => number;
type Row = readonly [
  name: string,
  type: FamilySpec['type'],
  help: string,
  value: Value,
  /** Labels: the connector alone, or the task too. */
  perTask?: boolean,
];

const seconds = (ms: number): number => ms / 1_000;
const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
const perSecond = (count: number, c: MeasuredConnector): number =>
  ratio(count, seconds(c.task.probe.uptimeMs));

function unresolvedBytes(c: MeasuredConnector): number {
  let bytes = 0;
  for (const offsets of c.task.offsets()) bytes += offsets.unresolvedBytes;
  return bytes;
}

const partitions = (c: MeasuredConnector): number => [...c.task.offsets()].length;

const failures = (c: MeasuredConnector): number => c.task.probe.refused;

const own: readonly Row[] = [
  [
    'weir_connector_retries_total',
    'counter',
    'Attempts after which records were left to send again.',
    (c) => c.task.probe.retries,
  ],
  [
    'weir_connector_retried_records_total',
    'counter',
    'Records sent again, counted each time.',
    (c) => c.bulk.retriedItems,
  ],
  ['weir_connector_requests_total', 'counter', 'Bulk requests made.', (c) => c.bulk.requests],
  [
    'weir_connector_request_faults_total',
    'counter',
    'Bulk requests without a usable answer.',
    (c) => c.bulk.requestFaults,
  ],
  [
    'weir_connector_requests_too_large_total',
    'counter',
    'Bulk requests that were halved because the destination found them too large.',
    (c) => c.bulk.requestsTooLarge,
  ],
  [
    'weir_connector_push_backs_total',
    'counter',
    'Requests and records that the destination refused for load.',
    (c) => c.bulk.pushBacks,
  ],
  [
    'weir_connector_sent_bytes_total',
    'counter',
    'Bytes of request bodies before compression.',
    (c) => c.bulk.bytes,
  ],
  [
    'weir_connector_unreadable_batches_total',
    'counter',
    'Batches of the log that could not be read and were skipped.',
    (c) => c.task.probe.unreadableBatches,
  ],
  [
    'weir_connector_dead_letter_failures_total',
    'counter',
    'Attempts to write a dead letter that failed.',
    (c) => c.letters.failures,
  ],
  [
    'weir_connector_dead_letters_pending',
    'gauge',
    'Dead letters on their way.',
    (c) => c.letters.pending,
  ],
  [
    'weir_connector_partition_pauses_total',
    'counter',
    'Times a partition was paused because too much of it was unresolved.',
    (c) => c.task.probe.pauses,
  ],
  [
    'weir_connector_paused_partitions',
    'gauge',
    'Partitions paused because too much of them is unresolved.',
    (c) => c.task.pausedPartitions,
  ],
  [
    'weir_connector_unresolved_bytes',
    'gauge',
    'Bytes of the log that were read and are not resolved.',
    unresolvedBytes,
  ],
  [
    'weir_connector_in_flight_requests',
    'gauge',
    'Windows that are being handed over, those that wait for a retry included.',
    (c) => c.task.inFlight,
  ],
  [
    'weir_connector_in_flight_requests_limit',
    'gauge',
    'How many may be at present; shrinks when the destination pushes back.',
    (c) => c.task.inFlightLimit,
  ],
  [
    'weir_connector_commit_failures_total',
    'counter',
    'Commits of offsets that failed; each is repeated.',
    (c) => c.task.probe.commitFailures,
  ],
  [
    'weir_connector_up',
    'gauge',
    'Whether the destination takes records (1) or not (0).',
    (c) => (c.task.light === 'red' || !c.task.isOpen ? 0 : 1),
  ],
];

const SINK = 'kafka_connect_sink_task_metrics_';
const TASK_METRICS = 'kafka_connect_connector_task_metrics_';
const ERRORS = 'kafka_connect_task_error_metrics_';

const connect: readonly Row[] = [
  [
    `${SINK}sink_record_read_rate`,
    'gauge',
    'Records read a second since the start.',
    (c) => perSecond(c.task.probe.read, c),
    true,
  ],
  [`${SINK}sink_record_read_total`, 'counter', 'Records read.', (c) => c.task.probe.read, true],
  [
    `${SINK}sink_record_send_rate`,
    'gauge',
    'Records handed over a second since the start.',
    (c) => perSecond(c.task.probe.written + c.task.probe.duplicates, c),
    true,
  ],
  [
    `${SINK}sink_record_send_total`,
    'counter',
    'Records handed over.',
    (c) => c.task.probe.written + c.task.probe.duplicates,
    true,
  ],
  [
    `${SINK}put_batch_avg_time_ms`,
    'gauge',
    'Mean time to hand a window over, one attempt.',
    (c) => ratio(c.task.probe.writeMsTotal, c.task.probe.writes),
    true,
  ],
  [
    `${SINK}put_batch_max_time_ms`,
    'gauge',
    'Longest time to hand a window over, one attempt.',
    (c) => c.task.probe.writeMsMax,
    true,
  ],
  [
    `${SINK}offset_commit_completion_total`,
    'counter',
    'Commits of offsets that succeeded.',
    (c) => c.task.probe.commits,
    true,
  ],
  [
    `${SINK}offset_commit_completion_rate`,
    'gauge',
    'Commits of offsets that succeeded, a second since the start.',
    (c) => perSecond(c.task.probe.commits, c),
    true,
  ],
  [`${SINK}partition_count`, 'gauge', 'Partitions that the task reads.', partitions, true],
  [
    `${TASK_METRICS}offset_commit_success_percentage`,
    'gauge',
    'Part (0 to 1) of the commits that succeeded.',
    (c) =>
      1 - ratio(c.task.probe.commitFailures, c.task.probe.commits + c.task.probe.commitFailures),
    true,
  ],
  [
    `${TASK_METRICS}offset_commit_avg_time_ms`,
    'gauge',
    'Mean time of a commit.',
    (c) => ratio(c.task.probe.commitMsTotal, c.task.probe.commits + c.task.probe.commitFailures),
    true,
  ],
  [
    `${TASK_METRICS}batch_size_avg`,
    'gauge',
    'Mean of the records in a request.',
    (c) => ratio(c.task.probe.written + c.task.probe.duplicates, c.task.probe.writes),
    true,
  ],
  [
    'kafka_connect_task_error_total_record_failures',
    'counter',
    'Records that the destination refused for good.',
    failures,
    true,
  ],
  [
    `${ERRORS}total_record_failures`,
    'counter',
    'Records that the destination refused for good.',
    failures,
    true,
  ],
  [
    `${ERRORS}total_record_errors`,
    'counter',
    'Records that the destination refused for good.',
    failures,
    true,
  ],
  [
    `${ERRORS}total_records_skipped`,
    'counter',
    'Records left out because the configuration says so.',
    (c) => c.task.probe.ignored,
    true,
  ],
  [
    `${ERRORS}total_retries`,
    'counter',
    'Attempts after which records were left to send again.',
    (c) => c.task.probe.retries,
    true,
  ],
  [
    `${ERRORS}deadletterqueue_produce_requests`,
    'counter',
    'Attempts to write dead letters.',
    (c) => c.letters.written + c.letters.failures,
    true,
  ],
  [
    `${ERRORS}deadletterqueue_produce_failures`,
    'counter',
    'Attempts to write a dead letter that failed.',
    (c) => c.letters.failures,
    true,
  ],
];

/** Families whose series are not simply one number a connector. */
const shaped: readonly (readonly [FamilySpec, (c: MeasuredConnector, emit: Emit) => void])[] = [
  [
    {
      name: 'weir_connector_records_total',
      type: 'counter',
      help: 'Records by what became of them: written, duplicate (was there already), dead_letter, ignored.',
      labels: ['connector', 'outcome'],
    },
    (c, emit) => {
      const { written, duplicates, deadLetters, ignored } = c.task.probe;
      emit(written, c.name, 'written');
      emit(duplicates, c.name, 'duplicate');
      emit(deadLetters, c.name, 'dead_letter');
      emit(ignored, c.name, 'ignored');
    },
  ],
  [
    {
      name: 'weir_connector_lag_records',
      type: 'gauge',
      help: 'Offsets between what is resolved and the end of the partition.',
      labels: ['connector', 'topic', 'partition'],
    },
    (c, emit) => {
      for (const { topic, partition, highWatermark, committable } of c.task.offsets()) {
        const lag = Math.max(0, highWatermark - committable);
        if (highWatermark >= 0) emit(lag, c.name, topic, String(partition));
      }
    },
  ],
  [
    {
      name: 'kafka_connect_connector_status',
      type: 'gauge',
      help: 'Always 1; the state is a label.',
      labels: ['connector', 'status'],
    },
    (c, emit) => emit(1, c.name, c.task.state.toLowerCase()),
  ],
  [
    {
      name: 'kafka_connect_connector_metrics',
      type: 'gauge',
      help: 'Always 1; state, class and version are labels.',
      labels: ['connector', 'status', 'connector_class', 'connector_type', 'connector_version'],
    },
    (c, emit) => emit(1, c.name, c.task.state.toLowerCase(), c.className, 'sink', c.version),
  ],
  [
    {
      name: 'kafka_connect_connector_task_status',
      type: 'gauge',
      help: 'Always 1; the state is a label.',
      labels: ['connector', 'task', 'status'],
    },
    (c, emit) => emit(1, c.name, TASK, c.task.state.toLowerCase()),
  ],
];

/** Registers every family; `connectors` is asked at each scrape. */
export function registerSinkMetrics(registry: MetricsRegistry, connectors: Connectors): void {
  for (const [name, type, help, value, perTask] of [...own, ...connect]) {
    const labels = perTask === true ? ['connector', 'task'] : ['connector'];
    registry.family({ name, type, help, labels }, (emit) => {
      for (const connector of connectors()) {
        if (perTask === true) emit(value(connector), connector.name, TASK);
        else emit(value(connector), connector.name);
      }
    });
  }
  for (const [spec, collect] of shaped) {
    registry.family(spec, (emit) => {
      for (const connector of connectors()) collect(connector, emit);
    });
  }
  for (const prefix of ['kafka_connect_worker_', 'kafka_connect_connect_worker_metrics_']) {
    registerWorkerMetrics(registry, prefix, connectors);
  }
}

function registerWorkerMetrics(
  registry: MetricsRegistry,
  prefix: string,
  connectors: Connectors,
): void {
  const count = (name: string, help: string): void => {
    registry.family({ name: prefix + name, type: 'gauge', help }, (emit) =>
      emit(connectors().length),
    );
  };
  count('connector_count', 'Connectors of this process.');
  count('task_count', 'Tasks of this process.');
  for (const state of STATES) {
    const help = `Tasks of the connector that are ${state}.`;
    const name = `${prefix}connector_${state.toLowerCase()}_task_count`;
    registry.family({ name, type: 'gauge', help, labels: ['connector'] }, (emit) => {
      for (const { name: connector, task } of connectors()) {
        emit(task.state === state ? 1 : 0, connector);
      }
    });
  }
}
