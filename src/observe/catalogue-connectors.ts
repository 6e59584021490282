/**
 * Metrics of the connectors: ours, and those that Kafka Connect's dashboards and alerts look for, in
 * both spellings that are about.
 */
import type { FamilySpec } from './registry.ts';

type Row = readonly [type: FamilySpec['type'], help: string, labels?: readonly string[]];

const CONNECTOR = ['connector'] as const;
const TASK = ['connector', 'task'] as const;

export const connectorMetrics = {
  weir_connector_retries_total: [
    'counter',
    'Attempts after which records were left to send again.',
    CONNECTOR,
  ],
  weir_connector_retried_records_total: [
    'counter',
    'Records sent again, counted each time.',
    CONNECTOR,
  ],
  weir_connector_requests_total: ['counter', 'Bulk requests made.', CONNECTOR],
  weir_connector_request_faults_total: [
    'counter',
    'Bulk requests without a usable answer.',
    CONNECTOR,
  ],
  weir_connector_requests_too_large_total: [
    'counter',
    'Bulk requests that were halved because the destination found them too large.',
    CONNECTOR,
  ],
  weir_connector_push_backs_total: [
    'counter',
    'Requests and records that the destination refused for load.',
    CONNECTOR,
  ],
  weir_connector_sent_bytes_total: [
    'counter',
    'Bytes of request bodies before compression.',
    CONNECTOR,
  ],
  weir_connector_unreadable_batches_total: [
    'counter',
    'Batches of the log that could not be read and were skipped.',
    CONNECTOR,
  ],
  weir_connector_dead_letter_failures_total: [
    'counter',
    'Attempts to write a dead letter that failed.',
    CONNECTOR,
  ],
  weir_connector_dead_letters_pending: ['gauge', 'Dead letters on their way.', CONNECTOR],
  weir_connector_partition_pauses_total: [
    'counter',
    'Times a partition was paused because too much of it was unresolved.',
    CONNECTOR,
  ],
  weir_connector_paused_partitions: [
    'gauge',
    'Partitions paused because too much of them is unresolved.',
    CONNECTOR,
  ],
  weir_connector_unresolved_bytes: [
    'gauge',
    'Bytes of the log that were read and are not resolved.',
    CONNECTOR,
  ],
  weir_connector_in_flight_requests: [
    'gauge',
    'Windows that are being handed over, those that wait for a retry included.',
    CONNECTOR,
  ],
  weir_connector_in_flight_requests_limit: [
    'gauge',
    'How many may be at present; shrinks when the destination pushes back.',
    CONNECTOR,
  ],
  weir_connector_commit_failures_total: [
    'counter',
    'Commits of offsets that failed; each is repeated.',
    CONNECTOR,
  ],
  weir_connector_up: ['gauge', 'Whether the destination takes records (1) or not (0).', CONNECTOR],
  kafka_connect_sink_task_metrics_sink_record_read_rate: [
    'gauge',
    'Records read a second since the start.',
    TASK,
  ],
  kafka_connect_sink_task_metrics_sink_record_read_total: ['counter', 'Records read.', TASK],
  kafka_connect_sink_task_metrics_sink_record_send_rate: [
    'gauge',
    'Records handed over a second since the start.',
    TASK,
  ],
  kafka_connect_sink_task_metrics_sink_record_send_total: ['counter', 'Records handed over.', TASK],
  kafka_connect_sink_task_metrics_put_batch_avg_time_ms: [
    'gauge',
    'Mean time to hand a window over, one attempt.',
    TASK,
  ],
  kafka_connect_sink_task_metrics_put_batch_max_time_ms: [
    'gauge',
    'Longest time to hand a window over, one attempt.',
    TASK,
  ],
  kafka_connect_sink_task_metrics_offset_commit_completion_total: [
    'counter',
    'Commits of offsets that succeeded.',
    TASK,
  ],
  kafka_connect_sink_task_metrics_offset_commit_completion_rate: [
    'gauge',
    'Commits of offsets that succeeded, a second since the start.',
    TASK,
  ],
  kafka_connect_sink_task_metrics_partition_count: [
    'gauge',
    'Partitions that the task reads.',
    TASK,
  ],
  kafka_connect_connector_task_metrics_offset_commit_success_percentage: [
    'gauge',
    'Part (0 to 1) of the commits that succeeded.',
    TASK,
  ],
  kafka_connect_connector_task_metrics_offset_commit_avg_time_ms: [
    'gauge',
    'Mean time of a commit.',
    TASK,
  ],
  kafka_connect_connector_task_metrics_batch_size_avg: [
    'gauge',
    'Mean of the records in a request.',
    TASK,
  ],
  kafka_connect_task_error_total_record_failures: [
    'counter',
    'Records that the destination refused for good.',
    TASK,
  ],
  kafka_connect_task_error_metrics_total_record_failures: [
    'counter',
    'Records that the destination refused for good.',
    TASK,
  ],
  kafka_connect_task_error_metrics_total_record_errors: [
    'counter',
    'Records that the destination refused for good.',
    TASK,
  ],
  kafka_connect_task_error_metrics_total_records_skipped: [
    'counter',
    'Records left out because the configuration says so.',
    TASK,
  ],
  kafka_connect_task_error_metrics_total_retries: [
    'counter',
    'Attempts after which records were left to send again.',
    TASK,
  ],
  kafka_connect_task_error_metrics_deadletterqueue_produce_requests: [
    'counter',
    'Attempts to write dead letters.',
    TASK,
  ],
  kafka_connect_task_error_metrics_deadletterqueue_produce_failures: [
    'counter',
    'Attempts to write a dead letter that failed.',
    TASK,
  ],
  weir_connector_records_total: [
    'counter',
    'Records by what became of them: written, duplicate (was there already), dead_letter, ignored.',
    ['connector', 'outcome'],
  ],
  weir_connector_lag_records: [
    'gauge',
    'Offsets between what is resolved and the end of the partition.',
    ['connector', 'topic', 'partition'],
  ],
  kafka_connect_connector_status: [
    'gauge',
    'Always 1; the state is a label.',
    ['connector', 'status'],
  ],
  kafka_connect_connector_metrics: [
    'gauge',
    'Always 1; state, class and version are labels.',
    ['connector', 'status', 'connector_class', 'connector_type', 'connector_version'],
  ],
  kafka_connect_connector_task_status: [
    'gauge',
    'Always 1; the state is a label.',
    ['connector', 'task', 'status'],
  ],
  kafka_connect_worker_connector_count: ['gauge', 'Connectors of this process.'],
  kafka_connect_worker_task_count: ['gauge', 'Tasks of this process.'],
  kafka_connect_worker_connector_running_task_count: [
    'gauge',
    'Tasks of the connector that are RUNNING.',
    CONNECTOR,
  ],
  kafka_connect_worker_connector_paused_task_count: [
    'gauge',
    'Tasks of the connector that are PAUSED.',
    CONNECTOR,
  ],
  kafka_connect_worker_connector_failed_task_count: [
    'gauge',
    'Tasks of the connector that are FAILED.',
    CONNECTOR,
  ],
  kafka_connect_connect_worker_metrics_connector_count: ['gauge', 'Connectors of this process.'],
  kafka_connect_connect_worker_metrics_task_count: ['gauge', 'Tasks of this process.'],
  kafka_connect_connect_worker_metrics_connector_running_task_count: [
    'gauge',
    'Tasks of the connector that are RUNNING.',
    CONNECTOR,
  ],
  kafka_connect_connect_worker_metrics_connector_paused_task_count: [
    'gauge',
    'Tasks of the connector that are PAUSED.',
    CONNECTOR,
  ],
  kafka_connect_connect_worker_metrics_connector_failed_task_count: [
    'gauge',
    'Tasks of the connector that are FAILED.',
    CONNECTOR,
  ],
  kafka_connect_worker_connector_unassigned_task_count: [
    'gauge',
    'Tasks of the connector that no worker has; always 0.',
    CONNECTOR,
  ],
  kafka_connect_worker_connector_destroyed_task_count: [
    'gauge',
    'Tasks of the connector that were ended for good; always 0.',
    CONNECTOR,
  ],
  kafka_connect_connector_connector_class: [
    'gauge',
    'Always 1; the class is a label.',
    ['connector', 'connector_class'],
  ],
  kafka_connect_connector_connector_type: [
    'gauge',
    'Always 1; the type is a label.',
    ['connector', 'connector_type'],
  ],
  kafka_connect_connector_connector_version: [
    'gauge',
    'Always 1; the version is a label.',
    ['connector', 'connector_version'],
  ],
  kafka_connect_worker_rebalance_rebalancing: [
    'gauge',
    'Whether workers share connectors anew (1) or not (0); there is one worker.',
  ],
  kafka_connect_coordinator_assigned_connectors: ['gauge', 'Connectors of this process.'],
  kafka_connect_coordinator_assigned_tasks: ['gauge', 'Tasks of this process.'],
} as const satisfies Readonly<Record<string, Row>>;
