import { APPLIANCE, BROKER, rate, sumOf, TOPIC } from './filters.ts';
import { type DashboardSpec, graph, list, number, query } from './panels.ts';

const topics = 'kafka_server_brokertopicmetrics';
const all = `${BROKER},topic!=""`;

const glance = [
  number(
    'Roles up',
    'Threads of the appliance that run, of all that should.',
    'percentunit',
    query(`sum(weir_role_up{${APPLIANCE}}) / count(weir_role_up{${APPLIANCE}})`),
    { badBelow: 1 },
  ),
  number(
    'Brokers running',
    'Brokers whose state is 3, running.',
    'none',
    query(`sum(kafka_server_kafkaserver_brokerstate{${BROKER}} == bool 3)`),
    { badBelow: 1 },
  ),
  number(
    'Records in',
    'Records appended a second, over all topics.',
    'cps',
    query(sumOf('', rate(`${topics}_messagesin_total`, all))),
  ),
  number(
    'Bytes in',
    'Bytes of record batches appended a second, compressed as their senders did.',
    'Bps',
    query(sumOf('', rate(`${topics}_bytesin_total`, all))),
  ),
  number(
    'Bytes out',
    'Bytes of record batches sent to consumers a second.',
    'Bps',
    query(sumOf('', rate(`${topics}_bytesout_total`, all))),
  ),
  number(
    'Lost records',
    'Records that collectors dropped, within the time shown.',
    'short',
    query(`sum(increase(weir_collector_dropped_total{${APPLIANCE}}[$__range]))`),
    { badFrom: 1, decimals: 0 },
  ),
  number(
    'Under-replicated',
    'Partitions with replicas out of sync.',
    'none',
    query(`sum(kafka_server_replicamanager_underreplicatedpartitions{${BROKER}})`),
    { badFrom: 1 },
  ),
  number(
    'Least free disk',
    'Free part of the fullest volume with a log folder.',
    'percentunit',
    query(
      `min(weir_log_directory_free_bytes{${BROKER}} / weir_log_directory_total_bytes{${BROKER}})`,
    ),
    { badBelow: 0.1 },
  ),
];

const collectors = [
  graph(
    'Records collected',
    'Records that came in, good or bad, by collector.',
    'cps',
    query(sumOf('collector', rate('weir_collector_received_total', APPLIANCE)), '{{collector}}'),
  ),
  graph(
    'Records stored',
    'Records that the log has taken, by collector.',
    'cps',
    query(sumOf('collector', rate('weir_collector_stored_total', APPLIANCE)), '{{collector}}'),
  ),
  graph(
    'Source text collected',
    'Bytes of source text of what came in, by collector.',
    'Bps',
    query(
      sumOf('collector', rate('weir_collector_received_bytes_total', APPLIANCE)),
      '{{collector}}',
    ),
  ),
  graph(
    'Records refused',
    'Records refused to their sender, by collector and reason.',
    'cps',
    query(
      sumOf('collector, reason', rate('weir_collector_rejected_total', APPLIANCE)),
      '{{collector}} {{reason}}',
    ),
    { badFrom: 0.001 },
  ),
  graph(
    'Records lost',
    'Records that a collector dropped, by reason. At acks=0 only it can know.',
    'cps',
    query(
      sumOf('collector, reason', rate('weir_collector_dropped_total', APPLIANCE)),
      '{{collector}} {{reason}}',
    ),
    { badFrom: 0.001 },
  ),
  graph(
    'Records in flight',
    'Records that came in and have no outcome yet.',
    'short',
    query(sumOf('collector', `weir_collector_in_flight{${APPLIANCE}}`), '{{collector}}'),
  ),
  graph(
    'Collectors without a warning',
    '1 while the collector works without a warning.',
    'none',
    query(`min by (collector) (weir_collector_up{${APPLIANCE}})`, '{{collector}}'),
    { min: 0, max: 1 },
  ),
  graph(
    'Other events',
    'Rotations, truncated messages, kernel drops and the like.',
    'cps',
    query(
      sumOf('collector, event', rate('weir_collector_events_total', APPLIANCE)),
      '{{collector}} {{event}}',
    ),
  ),
  graph(
    'What collectors hold',
    'Connections, files, buffered bytes.',
    'short',
    query(sumOf('collector, what', `weir_collector_state{${APPLIANCE}}`), '{{collector}} {{what}}'),
  ),
];

const log = [
  graph(
    'Records in by topic',
    'Records appended a second.',
    'cps',
    query(sumOf('topic', rate(`${topics}_messagesin_total`, TOPIC)), '{{topic}}'),
    { stacked: true },
  ),
  graph(
    'Bytes in by topic',
    'Bytes of record batches appended a second.',
    'Bps',
    query(sumOf('topic', rate(`${topics}_bytesin_total`, TOPIC)), '{{topic}}'),
    { stacked: true },
  ),
  graph(
    'Bytes out by topic',
    'Bytes of record batches sent to consumers a second.',
    'Bps',
    query(sumOf('topic', rate(`${topics}_bytesout_total`, TOPIC)), '{{topic}}'),
    { stacked: true },
  ),
  graph(
    'Produce requests',
    'Requests to append, counted once a partition, and those of them that failed.',
    'reqps',
    [
      query(sumOf('', rate(`${topics}_totalproducerequests_total`, TOPIC)), 'all'),
      query(sumOf('', rate(`${topics}_failedproducerequests_total`, TOPIC)), 'failed'),
    ],
  ),
  graph(
    'Fetch requests',
    'Requests to read, counted once a partition, and those of them that failed.',
    'reqps',
    [
      query(sumOf('', rate(`${topics}_totalfetchrequests_total`, TOPIC)), 'all'),
      query(sumOf('', rate(`${topics}_failedfetchrequests_total`, TOPIC)), 'failed'),
    ],
  ),
  graph(
    'Refused batches',
    'Bytes too large, and batches with damage or without what they need.',
    'cps',
    [
      query(sumOf('', rate(`${topics}_bytesrejected_total`, TOPIC)), 'too large (bytes)'),
      query(sumOf('', rate(`${topics}_invalidmessagecrcrecords_total`, TOPIC)), 'checksum'),
      query(sumOf('', rate(`${topics}_invalidmagicnumberrecords_total`, TOPIC)), 'format'),
      query(sumOf('', rate(`${topics}_invalidoffsetorsequencerecords_total`, TOPIC)), 'sequence'),
    ],
  ),
];

const consumers = [
  graph(
    'Lag by group',
    'Records behind the committed offsets, by group and topic.',
    'short',
    query(
      `sum by (consumergroup, topic) (kafka_consumergroup_lag_sum{${BROKER},topic=~"$topic"})`,
      '{{consumergroup}} {{topic}}',
    ),
  ),
  graph(
    'Records consumed',
    'How fast committed offsets move, by group and topic.',
    'cps',
    query(
      `sum by (consumergroup, topic) (rate(kafka_consumergroup_current_offset_sum{${BROKER},topic=~"$topic"}[$__rate_interval]))`,
      '{{consumergroup}} {{topic}}',
    ),
  ),
  graph(
    'Group members',
    'Members by group.',
    'none',
    query(sumOf('consumergroup', `kafka_consumergroup_members{${BROKER}}`), '{{consumergroup}}'),
    { min: 0 },
  ),
];

const connectors = [
  graph(
    'Records shipped',
    'Records by what became of them: written, there already, dead letter, left out.',
    'cps',
    query(
      sumOf('connector, outcome', rate('weir_connector_records_total', APPLIANCE)),
      '{{connector}} {{outcome}}',
    ),
  ),
  graph(
    'Records behind',
    'Offsets between what is resolved and the end of the partitions.',
    'short',
    query(
      `sum by (connector, topic) (weir_connector_lag_records{${APPLIANCE},topic=~"$topic"})`,
      '{{connector}} {{topic}}',
    ),
  ),
  graph(
    'Bytes sent',
    'Bytes of request bodies before compression.',
    'Bps',
    query(sumOf('connector', rate('weir_connector_sent_bytes_total', APPLIANCE)), '{{connector}}'),
  ),
  graph('Requests', 'Bulk requests, and those without a usable answer.', 'reqps', [
    query(sumOf('connector', rate('weir_connector_requests_total', APPLIANCE)), '{{connector}}'),
    query(
      sumOf('connector', rate('weir_connector_request_faults_total', APPLIANCE)),
      '{{connector}} faults',
    ),
  ]),
  graph('Push-back', 'Attempts to repeat, and what the destination refused for load.', 'cps', [
    query(
      sumOf('connector', rate('weir_connector_retries_total', APPLIANCE)),
      '{{connector}} retries',
    ),
    query(
      sumOf('connector', rate('weir_connector_push_backs_total', APPLIANCE)),
      '{{connector}} push-backs',
    ),
  ]),
  graph('Requests in flight', 'Windows being handed over, and how many may be.', 'none', [
    query(sumOf('connector', `weir_connector_in_flight_requests{${APPLIANCE}}`), '{{connector}}'),
    query(
      sumOf('connector', `weir_connector_in_flight_requests_limit{${APPLIANCE}}`),
      '{{connector}} limit',
    ),
  ]),
  list(
    'Connectors',
    'The state of each connector.',
    'none',
    query(`max by (connector, status) (kafka_connect_connector_status{${APPLIANCE}})`),
  ),
  graph(
    'Destination takes records',
    '1 while it does.',
    'none',
    query(`min by (connector) (weir_connector_up{${APPLIANCE}})`, '{{connector}}'),
    { min: 0, max: 1, width: 12 },
  ),
];

const disks = [
  graph(
    'Free space',
    'Free bytes of the volumes of log folders.',
    'bytes',
    query(
      `min by (broker, directory) (weir_log_directory_free_bytes{${BROKER}})`,
      '{{broker}} {{directory}}',
    ),
    { min: 0 },
  ),
  graph(
    'Free space in a day',
    'Free bytes in 24 hours at the rate of the last hour; below 0 it is full by then.',
    'bytes',
    query(
      `min by (broker, directory) (predict_linear(weir_log_directory_free_bytes{${BROKER}}[1h], 86400))`,
      '{{broker}} {{directory}}',
    ),
  ),
  graph(
    'Bytes of the log',
    'Size of the logs, by topic.',
    'bytes',
    query(`sum by (topic) (kafka_log_log_size{${BROKER},topic=~"$topic"})`, '{{topic}}'),
    { stacked: true },
  ),
  graph(
    'Flushes',
    'Flushes to the device a second.',
    'iops',
    query(
      sumOf('broker', rate('kafka_log_logflushstats_logflushrateandtimems_count', BROKER)),
      '{{broker}}',
    ),
  ),
  graph(
    'Time of a flush',
    'Mean time that a flush to the device takes.',
    's',
    query(
      `${sumOf('broker', rate('weir_log_flush_seconds_total', BROKER))} / clamp_min(${sumOf('broker', rate('kafka_log_logflushstats_logflushrateandtimems_count', BROKER))}, 1e-9)`,
      '{{broker}}',
    ),
  ),
  graph(
    'Faults of disks and logs',
    'Errors of the disk, appends refused for lack of space, failed flushes, damaged batches.',
    'cps',
    [
      query(sumOf('broker', rate('weir_log_io_errors_total', BROKER)), '{{broker}} errors'),
      query(sumOf('broker', rate('weir_log_no_space_errors_total', BROKER)), '{{broker}} no space'),
      query(
        sumOf('broker', rate('weir_log_flush_failures_total', BROKER)),
        '{{broker}} failed flushes',
      ),
      query(sumOf('broker', rate('weir_log_corrupt_batches_total', BROKER)), '{{broker}} damaged'),
    ],
  ),
];

const process = [
  graph(
    'CPU',
    'Cores used by the process.',
    'none',
    query(sumOf('instance', rate('process_cpu_seconds_total', APPLIANCE)), '{{instance}}'),
    { min: 0 },
  ),
  graph(
    'Resident memory',
    'Memory of the process.',
    'bytes',
    query(sumOf('instance', `process_resident_memory_bytes{${APPLIANCE}}`), '{{instance}}'),
    { min: 0 },
  ),
  graph('Open files', 'Open file descriptors, and how many may be.', 'none', [
    query(sumOf('instance', `process_open_fds{${APPLIANCE}}`), '{{instance}}'),
    query(sumOf('instance', `process_max_fds{${APPLIANCE}}`), '{{instance}} limit'),
  ]),
  graph(
    'Busy threads',
    'Share of time that the thread of a role was busy.',
    'percentunit',
    query(
      `max by (role, broker) (weir_role_event_loop_utilization{${APPLIANCE}})`,
      '{{role}} {{broker}}',
    ),
    { min: 0, max: 1 },
  ),
  graph(
    'JavaScript heap',
    'Heap in use, by role.',
    'bytes',
    query(sumOf('role, broker', `weir_role_heap_used_bytes{${APPLIANCE}}`), '{{role}} {{broker}}'),
    { stacked: true },
  ),
  graph(
    'Buffers',
    'Memory outside of the heap, by role.',
    'bytes',
    query(sumOf('role, broker', `weir_role_external_bytes{${APPLIANCE}}`), '{{role}} {{broker}}'),
    { stacked: true },
  ),
  graph('Bytes of devices', 'Bytes that the process made devices read and write.', 'Bps', [
    query(
      sumOf('instance', rate('kafka_server_kafkaserver_linux_disk_read_bytes', APPLIANCE)),
      '{{instance}} read',
    ),
    query(
      sumOf('instance', rate('kafka_server_kafkaserver_linux_disk_write_bytes', APPLIANCE)),
      '{{instance}} written',
    ),
  ]),
  graph(
    'Restarts of roles',
    'Threads started again after they died, within the time shown.',
    'short',
    query(
      `sum by (role, broker) (increase(weir_role_restarts_total{${APPLIANCE}}[$__range]))`,
      '{{role}} {{broker}}',
    ),
    { decimals: 0 },
  ),
  graph(
    "Lines of the appliance's log",
    'Lines a second, by level.',
    'cps',
    query(sumOf('level', rate('weir_log_lines_total', APPLIANCE)), '{{level}}'),
  ),
  graph(
    'HTTP requests',
    'Requests by route and status.',
    'reqps',
    query(
      sumOf('route, status', rate('weir_http_requests_total', APPLIANCE)),
      '{{route}} {{status}}',
    ),
  ),
];

export const overview: DashboardSpec = {
  uid: 'weir-overview',
  title: 'Weir overview',
  description: 'What comes in, what the log holds, what goes out, and what it costs.',
  links: [{ title: 'Cluster', uid: 'weir-cluster' }],
  rows: [
    { title: 'At a glance', panels: glance },
    { title: 'Collectors', panels: collectors },
    { title: 'Log', panels: log },
    { title: 'Consumers', panels: consumers },
    { title: 'Connectors', panels: connectors },
    { title: 'Disks', panels: disks },
    { title: 'Process', panels: process },
  ],
};
