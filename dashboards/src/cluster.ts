import { APPLIANCE, BROKER, rate, sumOf, TOPIC } from './filters.ts';
import { type DashboardSpec, graph, list, number, type Panel, query } from './panels.ts';

const replicas = 'kafka_server_replicamanager';
const controller = 'kafka_controller_kafkacontroller';
const requests = 'kafka_network_requestmetrics';
const topics = 'kafka_server_brokertopicmetrics';
const raft = 'kafka_server_raftmetrics';

/** A gauge of each broker. */
const perBroker = (metric: string) => query(`sum by (broker) (${metric}{${BROKER}})`, '{{broker}}');
/** A number of the cluster that only its active controller knows; the others tell 0. */
const ofController = (metric: string) => query(`max(${controller}_${metric}{${APPLIANCE}})`);
const sum = (metric: string) => query(`sum(${metric}{${BROKER}})`);

const health = [
  number(
    'Brokers up',
    'Brokers that run.',
    'none',
    query(`sum(kafka_server_kafkaserver_brokerstate{${APPLIANCE}} == bool 3)`),
    { badBelow: 1 },
  ),
  number(
    'Active controllers',
    'Exactly one broker should be it.',
    'none',
    query(`sum(${controller}_activecontrollercount{${APPLIANCE}})`),
    { badBelow: 1 },
  ),
  number(
    'Under-replicated',
    'Partitions with replicas out of sync.',
    'none',
    sum(`${replicas}_underreplicatedpartitions`),
    { badFrom: 1 },
  ),
  number(
    'Under min ISR',
    'Partitions that refuse acks=all.',
    'none',
    sum(`${replicas}_underminisrpartitioncount`),
    { badFrom: 1 },
  ),
  number(
    'At min ISR',
    'Partitions that refuse acks=all when one more replica is lost.',
    'none',
    sum(`${replicas}_atminisrpartitioncount`),
  ),
  number(
    'Offline partitions',
    'Partitions without a leader.',
    'none',
    ofController('offlinepartitionscount'),
    { badFrom: 1 },
  ),
  number(
    'Offline replicas',
    'Replicas whose disk cannot be used.',
    'none',
    sum(`${replicas}_offlinereplicacount`),
    { badFrom: 1 },
  ),
  number(
    'Offline log folders',
    'Log folders given up after an error of the disk.',
    'none',
    sum('kafka_log_logmanager_offlinelogdirectorycount'),
    { badFrom: 1 },
  ),
  number(
    'Fenced brokers',
    'Registered brokers that do not serve.',
    'none',
    ofController('fencedbrokercount'),
    { badFrom: 1 },
  ),
  number(
    'Unclean elections',
    'Leaders elected out of sync, within the time shown.',
    'short',
    query(
      `sum(increase(kafka_controller_controllerstats_uncleanleaderelections_total{${APPLIANCE}}[$__range]))`,
    ),
    { badFrom: 1, decimals: 0 },
  ),
  number(
    'Not preferred',
    'Partitions that are not led by their first replica.',
    'none',
    ofController('preferredreplicaimbalancecount'),
  ),
  number('Topics', 'Topics of the cluster.', 'none', ofController('globaltopiccount')),
  number('Partitions', 'Partitions of the cluster.', 'none', ofController('globalpartitioncount')),
  number(
    'Partitions led',
    'Partitions that the chosen brokers lead.',
    'none',
    sum(`${replicas}_leadercount`),
  ),
  number(
    'Records in',
    'Records appended a second.',
    'cps',
    query(sumOf('', rate(`${topics}_messagesin_total`, TOPIC))),
  ),
  number(
    'Least idle',
    'Share of time that the busiest broker’s thread had nothing to do.',
    'percentunit',
    query(`min(kafka_network_socketserver_networkprocessoravgidle_percent{${BROKER}})`),
    { badBelow: 0.1 },
  ),
];

const replication = [
  graph(
    'Under-replicated partitions',
    'By the broker that leads them.',
    'none',
    perBroker(`${replicas}_underreplicatedpartitions`),
    { min: 0, badFrom: 1 },
  ),
  graph(
    'Under and at min ISR',
    'By the broker that leads them.',
    'none',
    [
      query(
        `sum by (broker) (${replicas}_underminisrpartitioncount{${BROKER}})`,
        '{{broker}} under',
      ),
      query(`sum by (broker) (${replicas}_atminisrpartitioncount{${BROKER}})`, '{{broker}} at'),
    ],
    { min: 0 },
  ),
  graph(
    'ISR shrinks and expands',
    'Replicas that fell out of sync, and that came in sync.',
    'cps',
    [
      query(sumOf('broker', rate(`${replicas}_isrshrinks_total`, BROKER)), '{{broker}} shrinks'),
      query(sumOf('broker', rate(`${replicas}_isrexpands_total`, BROKER)), '{{broker}} expands'),
    ],
  ),
  graph(
    'Leaders',
    'Partitions that a broker leads.',
    'none',
    perBroker(`${replicas}_leadercount`),
    { stacked: true },
  ),
  graph(
    'Replicas',
    'Partitions that a broker holds.',
    'none',
    perBroker(`${replicas}_partitioncount`),
    { stacked: true },
  ),
  graph('Leader elections', 'Elections a second, and those of a replica out of sync.', 'cps', [
    query(
      sumOf(
        '',
        rate('kafka_controller_controllerstats_leaderelectionrateandtimems_count', APPLIANCE),
      ),
      'all',
    ),
    query(
      sumOf('', rate('kafka_controller_controllerstats_uncleanleaderelections_total', APPLIANCE)),
      'unclean',
    ),
  ]),
  graph(
    'Replication bytes in',
    'Bytes copied from other brokers.',
    'Bps',
    query(sumOf('broker', rate(`${topics}_replicationbytesin_total`, BROKER)), '{{broker}}'),
  ),
  graph(
    'Replication bytes out',
    'Bytes copied to other brokers.',
    'Bps',
    query(sumOf('broker', rate(`${topics}_replicationbytesout_total`, BROKER)), '{{broker}}'),
  ),
  graph(
    'Fetcher lag',
    'Records that the slowest follower of a broker is behind its leaders.',
    'short',
    query(`max by (broker) (kafka_server_replicafetchermanager_maxlag{${BROKER}})`, '{{broker}}'),
    { min: 0 },
  ),
  graph(
    'Partitions that cannot be followed',
    'Partitions whose fetcher gave up.',
    'none',
    query(
      `sum by (broker) (kafka_server_replicafetchermanager_failedpartitionscount{${BROKER}})`,
      '{{broker}}',
    ),
    { badFrom: 1 },
  ),
  graph(
    'Moves and single copies',
    'Partitions being reassigned, topics with one replica, and brokers fenced for silence within the time shown.',
    'none',
    [
      query(`max(weir_partitions_reassigning{${APPLIANCE}})`, 'reassigning'),
      query(`max(weir_topics_with_one_replica{${APPLIANCE}})`, 'topics with one replica'),
      query(
        `sum(increase(weir_broker_sessions_expired_total{${APPLIANCE}}[$__range]))`,
        'fenced for silence',
      ),
    ],
    { min: 0 },
  ),
  list(
    'Replicas in sync',
    'By partition, as its leader tells: replicas in sync.',
    'none',
    query(
      `max by (topic, partition) (kafka_cluster_partition_insyncreplicascount{${APPLIANCE},topic=~"$topic"})`,
    ),
    { width: 8 },
  ),
  list(
    'Leaders of partitions',
    'The broker that leads; -1: none.',
    'none',
    query(`max by (topic, partition) (kafka_topic_partition_leader{${APPLIANCE},topic=~"$topic"})`),
    { width: 8 },
  ),
];

const parts = [
  ['requestqueuetimems', 'waits to begin'],
  ['localtimems', 'handler'],
  ['remotetimems', 'waits for replicas, device or records'],
  ['responsequeuetimems', 'waits to be answered'],
  ['responsesendtimems', 'sending'],
] as const;

const breakdown = (request: string): Panel =>
  graph(
    `${request}: where the time goes`,
    `99th percentile of the parts of a ${request} request, of the slowest broker.`,
    'ms',
    parts.map(([metric, legend]) =>
      query(`max(${requests}_${metric}{${BROKER},request="${request}",quantile="0.99"})`, legend),
    ),
    { min: 0 },
  );

const serving = [
  graph(
    'Requests by API',
    'Requests a second.',
    'reqps',
    query(sumOf('request', rate(`${requests}_requests_total`, BROKER)), '{{request}}'),
  ),
  graph(
    'Latency by API, 99th percentile',
    'From the last byte of a request until its answer was given to the socket; of the slowest broker.',
    'ms',
    query(`max by (request) (${requests}_totaltimems{${BROKER},quantile="0.99"})`, '{{request}}'),
    { min: 0 },
  ),
  graph(
    'Latency by API, median',
    'The same, of half of the requests.',
    'ms',
    query(`max by (request) (${requests}_totaltimems{${BROKER},quantile="0.50"})`, '{{request}}'),
    { min: 0 },
  ),
  breakdown('Produce'),
  breakdown('FetchConsumer'),
  breakdown('FetchFollower'),
  graph(
    'Errors by API',
    'Answers by their error, of whole requests and of single partitions.',
    'cps',
    query(
      sumOf('request, error', rate(`${requests}_errors_total`, BROKER)),
      '{{request}} {{error}}',
    ),
  ),
  graph(
    'Requests that wait',
    'For records, the device or replicas.',
    'none',
    query(
      `sum by (broker, delayedOperation) (kafka_server_delayedoperationpurgatory_purgatorysize{${BROKER}})`,
      '{{broker}} {{delayedOperation}}',
    ),
  ),
  graph(
    'Network idle',
    'Share of time that a broker’s thread had nothing to do, over a minute.',
    'percentunit',
    query(
      `min by (broker) (kafka_network_socketserver_networkprocessoravgidle_percent{${BROKER}})`,
      '{{broker}}',
    ),
    { min: 0, max: 1 },
  ),
  graph(
    'Connections',
    'Open connections.',
    'none',
    perBroker('kafka_server_socket_server_metrics_connection_count'),
    { min: 0 },
  ),
  graph(
    'Connections by client software',
    'Open connections that told their name.',
    'none',
    query(
      `sum by (clientSoftwareName, clientSoftwareVersion) (kafka_server_socket_server_metrics_connections_software{${BROKER}})`,
      '{{clientSoftwareName}} {{clientSoftwareVersion}}',
    ),
    { min: 0 },
  ),
  graph('Network bytes', 'Bytes received and sent.', 'Bps', [
    query(
      sumOf('broker', rate('kafka_server_socket_server_metrics_incoming_byte_total', BROKER)),
      '{{broker}} in',
    ),
    query(
      sumOf('broker', rate('kafka_server_socket_server_metrics_outgoing_byte_total', BROKER)),
      '{{broker}} out',
    ),
  ]),
];

const quorum = [
  graph(
    'Active controller',
    '1: the broker that is it.',
    'none',
    query(`max by (broker) (${controller}_activecontrollercount{${APPLIANCE}})`, '{{broker}}'),
    { min: 0, max: 1 },
  ),
  graph(
    'State in the quorum',
    'Which broker is leader, follower, candidate or observer.',
    'none',
    query(
      `max by (broker, current_state) (${raft}_current_state{${BROKER}})`,
      '{{broker}} {{current_state}}',
    ),
    { min: 0, max: 1 },
  ),
  graph('Leader and epoch', 'What a broker holds to be the leader, and in which epoch.', 'none', [
    query(`max by (broker) (${raft}_current_leader{${BROKER}})`, '{{broker}} leader'),
    query(`max by (broker) (${raft}_current_epoch{${BROKER}})`, '{{broker}} epoch'),
  ]),
  graph(
    'Metadata log: end and high watermark',
    'Where a broker’s copy ends, and what it knows to be committed.',
    'short',
    [
      query(`max by (broker) (${raft}_log_end_offset{${BROKER}})`, '{{broker}} end'),
      query(`max by (broker) (${raft}_high_watermark{${BROKER}})`, '{{broker}} committed'),
    ],
  ),
  graph(
    'Metadata behind',
    'Records that a broker’s copy lacks of the longest one.',
    'short',
    query(
      `scalar(max(${raft}_high_watermark{${APPLIANCE}})) - max by (broker) (${raft}_high_watermark{${BROKER}})`,
      '{{broker}}',
    ),
    { min: 0 },
  ),
  graph(
    'Records to the metadata log',
    'Records appended a second.',
    'cps',
    query(`max by (broker) (${raft}_append_records_rate{${BROKER}})`, '{{broker}}'),
    { min: 0 },
  ),
  graph(
    'Bytes of the quorum',
    'Bytes of requests about the metadata log to other brokers, and of their answers.',
    'Bps',
    [
      query(
        sumOf('broker', rate('kafka_server_raftchannelmetrics_incoming_byte_total', BROKER)),
        '{{broker}} in',
      ),
      query(
        sumOf('broker', rate('kafka_server_raftchannelmetrics_outgoing_byte_total', BROKER)),
        '{{broker}} out',
      ),
    ],
  ),
  graph(
    'Time to commit a change of the metadata',
    'Mean time until a majority has it on disk.',
    'ms',
    query(`max by (broker) (${raft}_commit_latency_avg{${BROKER}})`, '{{broker}}'),
    { min: 0 },
  ),
];

const storage = [
  graph(
    'Bytes of logs',
    'Size of the logs of a broker.',
    'bytes',
    query(`sum by (broker) (kafka_log_log_size{${BROKER},topic=~"$topic"})`, '{{broker}}'),
    { min: 0 },
  ),
  graph(
    'Free disk',
    'Free bytes of the volume of each log folder.',
    'bytes',
    query(
      `min by (broker, directory) (weir_log_directory_free_bytes{${BROKER}})`,
      '{{broker}} {{directory}}',
    ),
    { min: 0 },
  ),
  graph(
    'Log folders online',
    '1 while the folder can be used.',
    'none',
    query(
      `min by (broker, directory) (weir_log_directory_online{${BROKER}})`,
      '{{broker}} {{directory}}',
    ),
    { min: 0, max: 1 },
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
    'Reads from memory',
    'Share of reads that were served from the last batches kept in memory.',
    'percentunit',
    query(
      `${sumOf('broker', `weir_log_tail_cache_hits_total{${BROKER}}`)} / clamp_min(${sumOf('broker', `weir_log_tail_cache_hits_total{${BROKER}}`)} + ${sumOf('broker', `weir_log_tail_cache_misses_total{${BROKER}}`)}, 1)`,
      '{{broker}}',
    ),
    { min: 0, max: 1 },
  ),
  graph(
    'Segments',
    'Segment files of the logs.',
    'none',
    query(
      `sum by (broker) (kafka_log_log_numlogsegments{${BROKER},topic=~"$topic"})`,
      '{{broker}}',
    ),
    { min: 0 },
  ),
];

export const cluster: DashboardSpec = {
  uid: 'weir-cluster',
  title: 'Weir cluster',
  description: 'Brokers, their replicas, their controller and what they serve.',
  links: [{ title: 'Overview', uid: 'weir-overview' }],
  rows: [
    { title: 'Health', panels: health },
    { title: 'Replication', panels: replication },
    { title: 'Requests', panels: serving },
    { title: 'Controller and quorum', panels: quorum },
    { title: 'Logs and disks', panels: storage },
  ],
};
