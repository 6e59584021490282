/** Metrics of what brokers do with each other: the quorum, its controller, and followers' fetchers. */
import type { FamilySpec } from './registry.ts';

type Row = readonly [type: FamilySpec['type'], help: string, labels?: readonly string[]];

const FETCHERS = ['clientId'] as const;

export const clusterMetrics = {
  kafka_controller_controllerstats_leaderelectionrateandtimems: [
    'gauge',
    'Time that the elections of leaders took, milliseconds.',
    ['quantile'],
  ],
  kafka_controller_controllerstats_leaderelectionrateandtimems_count: [
    'counter',
    'Elections of leaders.',
  ],
  kafka_server_replicafetchermanager_maxlag: [
    'gauge',
    'Records that the follower here that is furthest behind lacks of its leader.',
    FETCHERS,
  ],
  kafka_server_replicafetchermanager_minfetchrate: [
    'gauge',
    'Fetches a second of the slowest fetcher of followers here.',
    FETCHERS,
  ],
  kafka_server_replicafetchermanager_failedpartitionscount: [
    'gauge',
    'Partitions that could not be followed any more after an error.',
    FETCHERS,
  ],
  kafka_server_fetcherlagmetrics_consumerlag: [
    'gauge',
    'Records that a follower here lacks of its leader.',
    ['clientId', 'topic', 'partition'],
  ],
  kafka_server_raftmetrics_current_state: [
    'gauge',
    'Always 1; the state is a label: leader, follower, candidate, prospective, unattached, observer.',
    ['current_state'],
  ],
  kafka_server_raftmetrics_current_leader: [
    'gauge',
    'Broker that this one holds to be the leader of the quorum; -1: none.',
  ],
  kafka_server_raftmetrics_current_vote: [
    'gauge',
    'Broker that this one voted for in this epoch; -1: none.',
  ],
  kafka_server_raftmetrics_current_epoch: ['gauge', 'Epoch of the quorum that this broker knows.'],
  kafka_server_raftmetrics_high_watermark: [
    'gauge',
    'Offset up to which the metadata log is committed, as far as this broker knows; -1: unknown.',
  ],
  kafka_server_raftmetrics_log_end_offset: ['gauge', 'Where this broker’s metadata log ends.'],
  kafka_server_raftmetrics_number_of_voters: ['gauge', 'Brokers that vote.'],
  kafka_server_raftmetrics_append_records_rate: [
    'gauge',
    'Records appended to this broker’s metadata log a second, over half a minute to a minute.',
  ],
  kafka_server_raftmetrics_fetch_records_rate: [
    'gauge',
    'Records fetched from the leader of the quorum a second, over half a minute to a minute.',
  ],
  kafka_server_raftmetrics_commit_latency_avg: [
    'gauge',
    'Mean time from an append until a majority has it on disk, over half a minute to a minute, milliseconds.',
  ],
  kafka_server_raftmetrics_commit_latency_max: [
    'gauge',
    'Longest such time since the start, milliseconds.',
  ],
  kafka_server_raftmetrics_election_latency_max: [
    'gauge',
    'Longest time that an election that this broker won took, since the start, milliseconds.',
  ],
  weir_quorum_elections_won_total: ['counter', 'Elections that this broker won.'],
  weir_quorum_leader_changes_total: ['counter', 'Changes of the leader that this broker saw.'],
  weir_quorum_truncations_total: [
    'counter',
    'Times that this broker’s metadata log was cut because it differed from the leader’s.',
  ],
  weir_quorum_fetch_failures_total: [
    'counter',
    'Fetches from the leader of the quorum that failed.',
  ],
  kafka_server_replicamanager_failedisrupdates_total: [
    'counter',
    'Changes of the replicas in sync that the controller refused.',
  ],
  weir_replication_truncations_total: [
    'counter',
    'Logs that were cut here because they differed from their leader’s.',
  ],
  weir_replication_truncations_below_committed_total: [
    'counter',
    'Of them, such as went below what was known to be committed: an unclean election was before.',
  ],
  weir_replication_corrupt_batches_total: [
    'counter',
    'Batches that came damaged from a leader, and were refused.',
  ],
  weir_replication_damaged_partitions: [
    'gauge',
    'Partitions whose log here is known to be damaged, and not mended yet.',
  ],
  weir_replication_mended_ranges_total: [
    'counter',
    'Damaged ranges of logs here that were mended from other replicas.',
  ],
  weir_replication_unmendable_ranges_total: [
    'counter',
    'Damaged ranges that were left as they are: what other replicas have of them does not fit.',
  ],
  weir_replication_fetch_failures_total: ['counter', 'Fetches from leaders that failed.'],
  weir_replication_pending_isr_updates: [
    'gauge',
    'Changes of the replicas in sync that wait for the controller.',
  ],
  kafka_server_kafkaserver_linux_disk_read_bytes: [
    'counter',
    'Bytes that the process, with all its brokers, made devices read.',
  ],
  kafka_server_kafkaserver_linux_disk_write_bytes: [
    'counter',
    'Bytes that the process, with all its brokers, made devices write.',
  ],
  weir_topics_with_one_replica: [
    'gauge',
    'Topics with a partition that has one replica, while there are several brokers.',
  ],
  weir_partitions_reassigning: ['gauge', 'Partitions whose replicas are being moved.'],
  weir_broker_sessions_expired_total: [
    'counter',
    'Brokers that this controller has fenced because it heard nothing of them.',
  ],
  kafka_server_raftchannelmetrics_incoming_byte_total: [
    'counter',
    'Bytes of answers of other brokers about the quorum and its log.',
  ],
  kafka_server_raftchannelmetrics_outgoing_byte_total: [
    'counter',
    'Bytes of requests to other brokers about the quorum and its log.',
  ],
  kafka_server_raftchannelmetrics_request_total: ['counter', 'Of such requests.'],
  kafka_server_raftchannelmetrics_response_total: ['counter', 'Of such requests, those answered.'],
} as const satisfies Readonly<Record<string, Row>>;
