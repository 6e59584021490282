/**
 * The metrics of the broker's thread: Kafka's, under the names that dashboards and alert rules for
 * Strimzi's JMX exporter and for kafka_exporter know, and `weir_*` for what those do not have.
 */
import { clusterMetrics } from './catalogue-cluster.ts';
import { securityMetrics } from './catalogue-security.ts';
import type { FamilySpec } from './registry.ts';

type Row = readonly [type: FamilySpec['type'], help: string, labels?: readonly string[]];

const TOPIC = ['topic'] as const;
const PARTITION = ['topic', 'partition'] as const;
const LISTENER = ['listener', 'networkProcessor'] as const;
const GROUP = ['consumergroup', 'topic', 'partition'] as const;

const topics = {
  kafka_server_brokertopicmetrics_bytesin_total: [
    'counter',
    'Bytes of record batches appended for producers; without a topic: over all topics.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_bytesout_total: [
    'counter',
    'Bytes of record batches sent to consumers.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_messagesin_total: [
    'counter',
    'Records appended for producers.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_bytesrejected_total: [
    'counter',
    'Bytes of batches refused because they were too large.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_totalproducerequests_total: [
    'counter',
    'Produce requests, counted once a partition.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_totalfetchrequests_total: [
    'counter',
    'Fetch requests, counted once a partition.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_failedproducerequests_total: [
    'counter',
    'Produce requests that failed, counted once a partition.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_failedfetchrequests_total: [
    'counter',
    'Fetch requests that failed, counted once a partition.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_invalidmessagecrcrecords_total: [
    'counter',
    'Batches refused because their checksum or their lengths were wrong.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_invalidmagicnumberrecords_total: [
    'counter',
    'Batches refused because of their format or their records.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_invalidoffsetorsequencerecords_total: [
    'counter',
    'Batches refused because a sequence number was missing.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_nokeycompactedtopicrecords_total: [
    'counter',
    'Batches refused because a compacted topic needs keys.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_producemessageconversions_total: [
    'counter',
    'Message sets of the formats before Kafka 0.11 that were made record batches.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_fetchmessageconversions_total: [
    'counter',
    'Always 0: formats are not converted.',
    TOPIC,
  ],
  kafka_server_brokertopicmetrics_replicationbytesin_total: [
    'counter',
    'Bytes copied from other brokers.',
  ],
  kafka_server_brokertopicmetrics_replicationbytesout_total: [
    'counter',
    'Bytes copied to other brokers.',
  ],
} as const satisfies Readonly<Record<string, Row>>;

const cluster = {
  kafka_server_replicamanager_underreplicatedpartitions: [
    'gauge',
    'Partitions led here with replicas out of sync.',
  ],
  kafka_server_replicamanager_underminisrpartitioncount: [
    'gauge',
    'Partitions led here with fewer replicas in sync than min.insync.replicas.',
  ],
  kafka_server_replicamanager_atminisrpartitioncount: [
    'gauge',
    'Partitions led here with just as many replicas in sync as min.insync.replicas.',
  ],
  kafka_server_replicamanager_partitioncount: ['gauge', 'Partitions that this broker holds.'],
  kafka_server_replicamanager_leadercount: ['gauge', 'Partitions that this broker leads.'],
  kafka_server_replicamanager_offlinereplicacount: [
    'gauge',
    'Partitions here whose log cannot be used.',
  ],
  kafka_server_replicamanager_isrshrinks_total: ['counter', 'Replicas that fell out of sync.'],
  kafka_server_replicamanager_isrexpands_total: ['counter', 'Replicas that came in sync.'],
  kafka_server_replicamanager_produceridcount: [
    'gauge',
    'Idempotent producers that the partitions remember.',
  ],
  kafka_server_replicamanager_partitionswithlatetransactionscount: [
    'gauge',
    'Partitions with a transaction that is open for too long.',
  ],
  kafka_cluster_partition_underreplicated: [
    'gauge',
    'Whether replicas of the partition are out of sync (1) or not (0).',
    PARTITION,
  ],
  kafka_cluster_partition_underminisr: [
    'gauge',
    'Whether the partition has fewer replicas in sync than min.insync.replicas.',
    PARTITION,
  ],
  kafka_cluster_partition_atminisr: [
    'gauge',
    'Whether the partition has just as many replicas in sync as min.insync.replicas.',
    PARTITION,
  ],
  kafka_cluster_partition_replicascount: ['gauge', 'Replicas of the partition.', PARTITION],
  kafka_cluster_partition_insyncreplicascount: ['gauge', 'Replicas in sync.', PARTITION],
  kafka_controller_kafkacontroller_activecontrollercount: [
    'gauge',
    'Whether this broker is the controller (1) or not (0).',
  ],
  kafka_controller_kafkacontroller_offlinepartitionscount: [
    'gauge',
    'Partitions without a leader.',
  ],
  kafka_controller_kafkacontroller_globaltopiccount: ['gauge', 'Topics of the cluster.'],
  kafka_controller_kafkacontroller_globalpartitioncount: ['gauge', 'Partitions of the cluster.'],
  kafka_controller_kafkacontroller_activebrokercount: ['gauge', 'Brokers that serve.'],
  kafka_controller_kafkacontroller_fencedbrokercount: ['gauge', 'Brokers that do not serve.'],
  kafka_controller_kafkacontroller_preferredreplicaimbalancecount: [
    'gauge',
    'Partitions that are not led by their first replica.',
  ],
  kafka_controller_kafkacontroller_metadataerrorcount: [
    'gauge',
    'Metadata records that could not be applied.',
  ],
  kafka_controller_controllerstats_uncleanleaderelections_total: [
    'counter',
    'Elections of a leader that was out of sync.',
  ],
  kafka_server_kafkaserver_brokerstate: [
    'gauge',
    'State of the broker: 0 not running, 1 starting, 2 recovering, 3 running, 7 shutting down.',
  ],
} as const satisfies Readonly<Record<string, Row>>;

const requests = {
  kafka_network_requestmetrics_requests_total: [
    'counter',
    'Requests by API and version.',
    ['request', 'version'],
  ],
  kafka_network_requestmetrics_errors_total: [
    'counter',
    'Answers by API and error, and errors of single partitions.',
    ['request', 'error'],
  ],
  kafka_network_requestmetrics_requestbytes_total: ['counter', 'Bytes of requests.', ['request']],
  kafka_network_requestmetrics_responsebytes_total: ['counter', 'Bytes of answers.', ['request']],
  kafka_network_requestmetrics_totaltimems: [
    'gauge',
    'Time from the last byte of a request until its answer was given to the socket, milliseconds.',
    ['request', 'quantile'],
  ],
  kafka_network_requestmetrics_totaltimems_count: ['counter', 'Of the same.', ['request']],
  weir_broker_request_seconds: ['histogram', 'Of the same, in seconds.', ['request']],
  kafka_network_requestmetrics_requestqueuetimems: [
    'gauge',
    'Time until a request was begun, milliseconds.',
    ['request', 'quantile'],
  ],
  kafka_network_requestmetrics_requestqueuetimems_count: ['counter', 'Of the same.', ['request']],
  kafka_network_requestmetrics_localtimems: [
    'gauge',
    'Time in the handler of a request, milliseconds.',
    ['request', 'quantile'],
  ],
  kafka_network_requestmetrics_localtimems_count: ['counter', 'Of the same.', ['request']],
  kafka_network_requestmetrics_remotetimems: [
    'gauge',
    'Time that a request waited for the device, for records or for group members, milliseconds.',
    ['request', 'quantile'],
  ],
  kafka_network_requestmetrics_remotetimems_count: ['counter', 'Of the same.', ['request']],
  kafka_network_requestmetrics_responsequeuetimems: [
    'gauge',
    'Time that an answer waited for those before it, milliseconds.',
    ['request', 'quantile'],
  ],
  kafka_network_requestmetrics_responsequeuetimems_count: ['counter', 'Of the same.', ['request']],
  kafka_network_requestmetrics_responsesendtimems: [
    'gauge',
    'Time until the system had taken an answer, milliseconds.',
    ['request', 'quantile'],
  ],
  kafka_network_requestmetrics_responsesendtimems_count: ['counter', 'Of the same.', ['request']],
  kafka_network_requestchannel_requestqueuesize: ['gauge', 'Requests that wait or are under way.'],
  kafka_network_requestchannel_responsequeuesize: [
    'gauge',
    'Bytes of answers that the system has not taken.',
  ],
  kafka_network_socketserver_networkprocessoravgidle_percent: [
    'gauge',
    'Share of time (0 to 1) that the thread of the broker had nothing to do, over the last minute.',
  ],
  kafka_network_socketserver_expiredconnectionskilledcount: [
    'gauge',
    'Connections closed because their authentication had expired.',
  ],
  kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent: [
    'gauge',
    'Share of time (0 to 1) that the thread of the broker had nothing to do, over the last minute.',
  ],
  kafka_server_delayedoperationpurgatory_purgatorysize: [
    'gauge',
    'Requests that wait for records or for the device.',
    ['delayedOperation'],
  ],
  kafka_server_fetchsessioncache_numincrementalfetchsessions: ['gauge', 'Fetch sessions.'],
  kafka_server_fetchsessioncache_numincrementalfetchpartitionscached: [
    'gauge',
    'Partitions of fetch sessions.',
  ],
  kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total: [
    'counter',
    'Fetch sessions dropped to make room.',
  ],
  kafka_server_socket_server_metrics_connection_count: ['gauge', 'Open connections.', LISTENER],
  kafka_server_socket_server_metrics_connection_creation_total: [
    'counter',
    'Connections opened.',
    LISTENER,
  ],
  kafka_server_socket_server_metrics_connection_close_total: [
    'counter',
    'Connections closed.',
    LISTENER,
  ],
  kafka_server_socket_server_metrics_incoming_byte_total: ['counter', 'Bytes received.', LISTENER],
  kafka_server_socket_server_metrics_outgoing_byte_total: ['counter', 'Bytes sent.', LISTENER],
  kafka_server_socket_server_metrics_connections_software: [
    'gauge',
    'Open connections by client software.',
    ['clientSoftwareName', 'clientSoftwareVersion'],
  ],
  kafka_server_socket_server_metrics_failed_authentication_total: [
    'counter',
    'Connections that failed to authenticate.',
    LISTENER,
  ],
  kafka_server_socket_server_metrics_successful_authentication_total: [
    'counter',
    'Connections that authenticated.',
    LISTENER,
  ],
  kafka_server_socket_server_metrics_failed_reauthentication_total: [
    'counter',
    'Connections that failed to authenticate again.',
    LISTENER,
  ],
  kafka_server_socket_server_metrics_successful_reauthentication_total: [
    'counter',
    'Times that a connection authenticated again.',
    LISTENER,
  ],
  weir_tls_certificate_expiry_timestamp_seconds: [
    'gauge',
    'When the certificate of a listener ends, Unix time.',
    ['listener'],
  ],
  weir_broker_connections_closed_total: [
    'counter',
    'Connections closed by the broker, by reason.',
    ['reason'],
  ],
  weir_broker_backpressure_pauses_total: [
    'counter',
    'Times that a connection was not read from because its answers or requests piled up.',
  ],
  weir_broker_request_memory_bytes: ['gauge', 'Memory held by requests that arrive.'],
  weir_broker_request_memory_waits_total: [
    'counter',
    'Times that a connection had to wait for request memory.',
  ],
} as const satisfies Readonly<Record<string, Row>>;

const logs = {
  kafka_log_log_size: ['gauge', 'Bytes of the partition’s log.', PARTITION],
  kafka_log_log_logstartoffset: ['gauge', 'First offset of the log.', PARTITION],
  kafka_log_log_logendoffset: ['gauge', 'Offset behind the last record.', PARTITION],
  kafka_log_log_numlogsegments: ['gauge', 'Segments of the log.', PARTITION],
  kafka_log_logmanager_offlinelogdirectorycount: ['gauge', 'Log folders that cannot be used.'],
  kafka_log_logmanager_logdirectoryoffline: [
    'gauge',
    'Whether a log folder was given up after an error of its disk (1) or can be used (0).',
    ['logDirectory'],
  ],
  kafka_server_replicaalterlogdirsmanager_maxlag: [
    'gauge',
    'Offsets that the copy of a log in another folder, the one furthest behind, lacks of the log.',
    ['clientId'],
  ],
  weir_log_moves: ['gauge', 'Logs that are being moved to another log folder.'],
  weir_log_moves_total: ['counter', 'Logs that were moved to another log folder.'],
  weir_log_move_bytes_total: ['counter', 'Bytes copied to move logs to another log folder.'],
  weir_log_move_failures_total: [
    'counter',
    'Steps of moves to another log folder that failed; most are tried again.',
  ],
  kafka_log_logcleaner_max_clean_time_secs: ['gauge', 'Seconds that the last compaction took.'],
  kafka_log_logcleaner_cleaner_recopy_percent: [
    'gauge',
    'Bytes that the last compaction wrote, in percent of those it read.',
  ],
  kafka_log_logcleaner_max_buffer_utilization_percent: [
    'gauge',
    'Share of log.cleaner.dedupe.buffer.size that the keys of the last compaction took.',
  ],
  kafka_log_logcleaner_max_compaction_delay_secs: [
    'gauge',
    'Seconds that compaction is behind max.compaction.lag.ms, of the log that is furthest behind.',
  ],
  kafka_log_logcleaner_deadthreadcount: [
    'gauge',
    'Threads of compaction that have died: 1 until another one has come to an end with a log.',
  ],
  kafka_log_logcleanermanager_max_dirty_percent: [
    'gauge',
    'Dirty share of the log that most needs compaction, in percent.',
  ],
  kafka_log_logcleanermanager_time_since_last_run_ms: [
    'gauge',
    'Milliseconds since the last search for logs to compact.',
  ],
  kafka_log_logcleanermanager_uncleanable_partitions_count: [
    'gauge',
    'Logs that could not be compacted and are left alone.',
    ['logDirectory'],
  ],
  kafka_log_logcleanermanager_uncleanable_bytes: [
    'gauge',
    'Bytes of logs that could not be compacted.',
    ['logDirectory'],
  ],
  weir_log_cleaner_passes_total: ['counter', 'Compactions of one log that came to an end.'],
  weir_log_cleaner_dirty_bytes_total: ['counter', 'Bytes that were dirty and have been compacted.'],
  weir_log_cleaner_read_bytes_total: ['counter', 'Bytes that compaction has read.'],
  weir_log_cleaner_written_bytes_total: ['counter', 'Bytes that compaction has written.'],
  weir_log_cleaner_failures_total: ['counter', 'Compactions that failed.'],
  kafka_log_logflushstats_logflushrateandtimems_count: ['counter', 'Flushes to the device.'],
  weir_log_flush_seconds_total: ['counter', 'Time that flushes to the device took.'],
  weir_log_flush_failures_total: ['counter', 'Flushes that failed; each takes its folder offline.'],
  weir_log_appended_bytes_total: ['counter', 'Bytes appended, by producers and by the broker.'],
  weir_log_appended_batches_total: ['counter', 'Batches appended.'],
  weir_log_appended_records_total: ['counter', 'Records appended.'],
  weir_log_duplicate_batches_total: [
    'counter',
    'Batches that an idempotent producer had sent before.',
  ],
  weir_log_rejected_batches_total: ['counter', 'Batches that broke a rule.'],
  weir_log_read_bytes_total: ['counter', 'Bytes read.'],
  weir_log_tail_cache_bytes: ['gauge', 'Last batches of the logs that are kept in memory.'],
  weir_log_tail_cache_hits_total: ['counter', 'Reads served from memory.'],
  weir_log_tail_cache_misses_total: ['counter', 'Reads served from files.'],
  weir_log_tail_cache_evictions_total: ['counter', 'Batches that left the memory to make room.'],
  weir_log_read_ahead_bytes: ['gauge', 'Memory of pieces that readers will ask for next.'],
  weir_log_read_ahead_hits_total: ['counter', 'Such pieces that were there when asked for.'],
  weir_log_read_ahead_misses_total: ['counter', 'Such pieces that came too late, or for nobody.'],
  weir_log_segments_rolled_total: ['counter', 'Segments begun.'],
  weir_log_segments_deleted_total: ['counter', 'Segments deleted.'],
  weir_log_deleted_bytes_total: ['counter', 'Bytes of segments that were deleted.'],
  weir_log_segments_recovered_total: ['counter', 'Segments read after an unclean stop.'],
  weir_log_segment_evictions_total: ['counter', 'Segments closed because too many were open.'],
  weir_log_producer_evictions_total: [
    'counter',
    'Idempotent producers forgotten because a partition had too many.',
  ],
  weir_log_index_rebuilds_total: ['counter', 'Indexes built anew from their log.'],
  weir_log_cache_write_failures_total: [
    'counter',
    'Indexes and snapshots that could not be written; they are built anew when needed.',
  ],
  weir_log_truncated_tail_bytes_total: ['counter', 'Torn bytes cut off after a crash.'],
  weir_log_corrupt_batches_total: ['counter', 'Damaged batches found.'],
  weir_log_no_space_errors_total: ['counter', 'Appends refused because the disk was full.'],
  weir_log_io_errors_total: ['counter', 'Other failures of disks.'],
  weir_log_directory_online: [
    'gauge',
    'Whether a log folder can be used (1) or was given up after an error of its disk (0).',
    ['directory'],
  ],
  weir_log_directory_free_bytes: ['gauge', 'Free bytes of a log folder’s volume.', ['directory']],
  weir_log_directory_total_bytes: ['gauge', 'Size of a log folder’s volume.', ['directory']],
  weir_broker_series_dropped: [
    'gauge',
    'Partitions that have no series of their own because there are too many.',
  ],
} as const satisfies Readonly<Record<string, Row>>;

const groups = {
  kafka_coordinator_group_groupmetadatamanager_numgroups: ['gauge', 'Groups.'],
  kafka_coordinator_group_groupmetadatamanager_numgroupsstable: ['gauge', 'Stable groups.'],
  kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance: [
    'gauge',
    'Groups that wait for members to join.',
  ],
  kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance: [
    'gauge',
    'Groups that wait for their assignment.',
  ],
  kafka_coordinator_group_groupmetadatamanager_numgroupsempty: ['gauge', 'Groups without members.'],
  kafka_coordinator_group_groupmetadatamanager_numgroupsdead: ['gauge', 'Groups being removed.'],
  kafka_coordinator_group_groupmetadatamanager_numoffsets: ['gauge', 'Committed offsets held.'],
  kafka_server_group_coordinator_metrics_group_count: ['gauge', 'Groups by type.', ['protocol']],
  kafka_server_group_coordinator_metrics_consumer_group_count: [
    'gauge',
    'Groups of the consumer protocol by state.',
    ['state'],
  ],
  kafka_server_group_coordinator_metrics_offset_commit_count: ['counter', 'Offsets committed.'],
  kafka_server_group_coordinator_metrics_offset_expiration_count: [
    'counter',
    'Offsets whose retention was over.',
  ],
  kafka_server_group_coordinator_metrics_offset_deletion_count: [
    'counter',
    'Offsets that were deleted on request.',
  ],
  kafka_server_group_coordinator_metrics_group_completed_rebalance_count: [
    'counter',
    'Rebalances of classic groups that ended with an assignment.',
  ],
  kafka_server_group_coordinator_metrics_consumer_group_rebalance_count: [
    'counter',
    'Epochs that groups of the consumer protocol have begun.',
  ],
  kafka_server_group_coordinator_metrics_num_partitions: [
    'gauge',
    'Partitions of __consumer_offsets that are served here (active), or being read (loading).',
    ['state'],
  ],
  kafka_server_group_coordinator_metrics_partition_load_time_max: [
    'gauge',
    'Longest time that a partition of __consumer_offsets took to be read, milliseconds.',
  ],
  kafka_server_group_coordinator_metrics_partition_load_time_avg: [
    'gauge',
    'Mean time that partitions of __consumer_offsets took to be read, milliseconds.',
  ],
  weir_group_loads_total: ['counter', 'Partitions of __consumer_offsets that were read.'],
  weir_group_failed_loads_total: [
    'counter',
    'Attempts to read a partition of __consumer_offsets that failed.',
  ],
  weir_group_commits_total: ['counter', 'Offsets committed.'],
  weir_group_rebalances_total: ['counter', 'Rebalances that ended with an assignment.'],
  weir_group_expired_members_total: ['counter', 'Members whose session timed out.'],
  weir_group_expired_offsets_total: ['counter', 'Offsets whose retention was over.'],
  weir_group_failed_appends_total: ['counter', 'Batches that __consumer_offsets did not take.'],
  weir_group_unreadable_records_total: [
    'counter',
    'Records of __consumer_offsets that could not be read and were skipped.',
  ],
  weir_group_refused_members_total: ['counter', 'Members refused because of a limit.'],
  weir_group_refused_groups_total: ['counter', 'Groups refused because of a limit.'],
  kafka_consumergroup_current_offset: ['gauge', 'Committed offset.', GROUP],
  kafka_consumergroup_current_offset_sum: [
    'gauge',
    'Committed offsets of the topic’s partitions together.',
    ['consumergroup', 'topic'],
  ],
  kafka_consumergroup_lag: ['gauge', 'Records behind the committed offset.', GROUP],
  kafka_consumergroup_lag_sum: [
    'gauge',
    'Records behind the committed offsets of the topic’s partitions together.',
    ['consumergroup', 'topic'],
  ],
  kafka_consumergroup_members: ['gauge', 'Members of the group.', ['consumergroup']],
  kafka_brokers: ['gauge', 'Brokers of the cluster.'],
  kafka_broker_info: ['gauge', 'Always 1; the broker is in the labels.', ['id', 'address']],
  kafka_topic_partitions: ['gauge', 'Partitions of the topic.', TOPIC],
  kafka_topic_partition_current_offset: ['gauge', 'High watermark.', PARTITION],
  kafka_topic_partition_oldest_offset: ['gauge', 'First offset.', PARTITION],
  kafka_topic_partition_leader: ['gauge', 'Broker that leads; -1: none.', PARTITION],
  kafka_topic_partition_leader_is_preferred: [
    'gauge',
    'Whether the first replica leads (1) or not (0).',
    PARTITION,
  ],
  kafka_topic_partition_replicas: ['gauge', 'Replicas.', PARTITION],
  kafka_topic_partition_in_sync_replica: ['gauge', 'Replicas in sync.', PARTITION],
  kafka_topic_partition_under_replicated_partition: [
    'gauge',
    'Whether replicas are out of sync (1) or not (0).',
    PARTITION,
  ],
} as const satisfies Readonly<Record<string, Row>>;

const transactions = {
  kafka_coordinator_transaction_transactionmarkerchannelmanager_unknowndestinationqueuesize: [
    'gauge',
    'Markers of transactions that wait for a leader of their partition.',
  ],
  kafka_coordinator_transaction_transactionmarkerchannelmanager_logappendretryqueuesize: [
    'gauge',
    'Ended transactions whose record __transaction_state has not taken yet.',
  ],
  kafka_server_transaction_coordinator_metrics_partition_load_time_max: [
    'gauge',
    'Longest time that a partition of __transaction_state took to be read, milliseconds.',
  ],
  kafka_server_transaction_coordinator_metrics_partition_load_time_avg: [
    'gauge',
    'Mean time that partitions of __transaction_state took to be read, milliseconds.',
  ],
  weir_transaction_partitions: [
    'gauge',
    'Partitions of __transaction_state that are served here (active), or being read (loading).',
    ['state'],
  ],
  weir_transaction_loads_total: ['counter', 'Partitions of __transaction_state that were read.'],
  weir_transaction_failed_loads_total: [
    'counter',
    'Attempts to read a partition of __transaction_state that failed.',
  ],
  kafka_server_addpartitionstotxnmanager_verificationfailurerate_count: [
    'counter',
    'Partitions for which a coordinator did not vouch that they belong to a transaction.',
  ],
  weir_transaction_ids: ['gauge', 'Transactional ids that this broker coordinates.'],
  weir_transaction_refused_ids_total: [
    'counter',
    'Producers refused because there are too many transactional ids.',
  ],
  weir_transaction_expired_ids_total: ['counter', 'Transactional ids that nobody used any more.'],
  weir_transaction_committed_total: ['counter', 'Transactions committed.'],
  weir_transaction_aborted_total: ['counter', 'Transactions aborted.'],
  weir_transaction_timed_out_total: [
    'counter',
    'Transactions aborted because they took longer than their timeout.',
  ],
  weir_transaction_markers_total: ['counter', 'Markers of transactions that were written.'],
  weir_transaction_retried_markers_total: [
    'counter',
    'Markers of transactions that had to be sent again.',
  ],
  weir_transaction_failed_appends_total: [
    'counter',
    'Batches that __transaction_state did not take.',
  ],
  weir_transaction_unreadable_records_total: [
    'counter',
    'Records of __transaction_state that could not be read and were skipped.',
  ],
  weir_transaction_verifying_bytes: [
    'gauge',
    'Bytes of records that wait until the coordinator of their transaction is asked.',
  ],
  weir_transaction_verifying_refused_total: [
    'counter',
    'Produce requests refused because too many wait for the coordinator of their transaction.',
  ],
  weir_transaction_last_verification_ms: [
    'gauge',
    'Time that the last question to a coordinator of transactions took, milliseconds.',
  ],
} as const satisfies Readonly<Record<string, Row>>;

const telemetry = {
  kafka_server_client_metrics_instance_count: [
    'gauge',
    'Client instances that have asked which metrics to push, and are remembered.',
  ],
  kafka_server_client_metrics_unknown_subscription_request_count: [
    'counter',
    'Pushes of clients refused because what the client is to push has changed.',
  ],
  kafka_server_client_metrics_throttle_count: [
    'counter',
    'Requests of clients about their metrics that came before they were due.',
  ],
  kafka_server_client_metrics_plugin_export_count: [
    'counter',
    'Pushes of clients whose metrics were taken.',
  ],
  kafka_server_client_metrics_plugin_error_count: [
    'counter',
    'Pushes of clients whose metrics could not be read.',
  ],
  weir_client_telemetry_clients: ['gauge', 'Clients that have series of their own.'],
  weir_client_telemetry_series: ['gauge', 'Series that clients have pushed.'],
  weir_client_telemetry_series_dropped_total: [
    'counter',
    'Points that clients have pushed and that got no series, by the limit that was reached.',
    ['reason'],
  ],
  weir_client_telemetry_records_stored_total: [
    'counter',
    'Points that clients have pushed, as records in the topic of metrics.',
  ],
  weir_client_telemetry_records_dropped_total: [
    'counter',
    'Points that clients have pushed and that did not get into the topic of metrics.',
    ['reason'],
  ],
} as const satisfies Readonly<Record<string, Row>>;

export const brokerMetrics = {
  ...topics,
  ...cluster,
  ...clusterMetrics,
  ...requests,
  ...logs,
  ...groups,
  ...transactions,
  ...telemetry,
  ...securityMetrics,
};
