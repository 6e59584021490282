/** Metrics of consumer groups: the coordinator's, and each group's lag. */

import type { OffsetRange } from '../cluster/remote-offsets.ts';
import type { GroupProbe } from '../coordinator/group-probe.ts';
import type { MetricName } from '../observe/catalogue.ts';
import type { Family } from './metrics.ts';
import { emitPartitions, meanLoadMs } from './metrics-shards.ts';
import type { BrokerServices } from './services.ts';

/** Series a family; groups come and go with their clients, so their number is bounded. */
const GROUP_SERIES_MAX = 5000;

const fields: readonly [name: MetricName, read: (probe: GroupProbe) => number][] = [
  ['kafka_coordinator_group_groupmetadatamanager_numgroups', (p) => p.groupCount],
  ['kafka_coordinator_group_groupmetadatamanager_numgroupsstable', (p) => p.groups.Stable],
  [
    'kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance',
    (p) => p.groups.PreparingRebalance,
  ],
  [
    'kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance',
    (p) => p.groups.CompletingRebalance,
  ],
  ['kafka_coordinator_group_groupmetadatamanager_numgroupsempty', (p) => p.groups.Empty],
  ['kafka_coordinator_group_groupmetadatamanager_numgroupsdead', (p) => p.groups.Dead],
  ['kafka_coordinator_group_groupmetadatamanager_numoffsets', (p) => p.offsets],
  ['kafka_server_group_coordinator_metrics_offset_commit_count', (p) => p.commits],
  ['kafka_server_group_coordinator_metrics_offset_expiration_count', (p) => p.expiredOffsets],
  ['kafka_server_group_coordinator_metrics_offset_deletion_count', (p) => p.deletedOffsets],
  [
    'kafka_server_group_coordinator_metrics_group_completed_rebalance_count',
    (p) => p.rebalances - p.consumerRebalances,
  ],
  [
    'kafka_server_group_coordinator_metrics_consumer_group_rebalance_count',
    (p) => p.consumerRebalances,
  ],
  ['kafka_server_group_coordinator_metrics_partition_load_time_max', (p) => p.longestLoadMs],
  ['kafka_server_group_coordinator_metrics_partition_load_time_avg', meanLoadMs],
  ['weir_group_loads_total', (p) => p.loads],
  ['weir_group_failed_loads_total', (p) => p.failedLoads],
  ['weir_group_commits_total', (p) => p.commits],
  ['weir_group_rebalances_total', (p) => p.rebalances],
  ['weir_group_expired_members_total', (p) => p.expiredMembers],
  ['weir_group_expired_offsets_total', (p) => p.expiredOffsets],
  ['weir_group_failed_appends_total', (p) => p.failedAppends],
  ['weir_group_unreadable_records_total', (p) => p.unreadableRecords],
  ['weir_group_refused_members_total', (p) => p.refusedMembers],
  ['weir_group_refused_groups_total', (p) => p.refusedGroups],
];

interface Lag {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Null while nobody can tell where the log ends. */
  readonly lag: number | null;
}

export function registerGroupMetrics(family: Family, services: BrokerServices): void {
  const { groups } = services;
  for (const [name, read] of fields) family(name, (emit) => emit(read(groups.probe)));
  family('kafka_server_group_coordinator_metrics_num_partitions', (emit) =>
    emitPartitions(emit, groups),
  );
  family('kafka_server_group_coordinator_metrics_group_count', (emit) => {
    const { groupCount, consumerGroups } = groups.probe;
    emit(groupCount - consumerGroups, 'classic');
    emit(consumerGroups, 'consumer');
  });
  family('kafka_server_group_coordinator_metrics_consumer_group_count', (emit) => {
    const counts = { Empty: 0, Assigning: 0, Reconciling: 0, Stable: 0, Dead: 0 };
    for (const state of groups.consumerGroupStates()) counts[state] += 1;
    for (const [state, count] of Object.entries(counts)) emit(count, state);
  });
  const each = (name: MetricName, read: (lag: Lag) => number | null): void =>
    family(name, (emit) => {
      for (const lag of lags(services)) {
        const value = read(lag);
        if (value !== null) emit(value, lag.group, lag.topic, String(lag.partition));
      }
    });
  each('kafka_consumergroup_current_offset', ({ offset }) => offset);
  each('kafka_consumergroup_lag', ({ lag }) => lag);
  const sum = (name: MetricName, read: (lag: Lag) => number | null): void =>
    family(name, (emit) => {
      const sums = new Map<string, { value: number; labels: [string, string] }>();
      for (const lag of lags(services)) {
        const value = read(lag);
        if (value === null) continue;
        const key = `${lag.group}\n${lag.topic}`;
        const known = sums.get(key);
        if (known === undefined) sums.set(key, { value, labels: [lag.group, lag.topic] });
        else known.value += value;
      }
      for (const { value, labels } of sums.values()) emit(value, ...labels);
    });
  sum('kafka_consumergroup_current_offset_sum', ({ offset }) => offset);
  sum('kafka_consumergroup_lag_sum', ({ lag }) => lag);
  family('kafka_consumergroup_members', (emit) => {
    let room = GROUP_SERIES_MAX;
    for (const { group, members } of groups.groupView()) {
      if (room-- === 0) return;
      emit(members, group);
    }
  });
}

/** Of every committed offset whose partition there still is, wherever it is held. */
function* lags(services: BrokerServices): Generator<Lag> {
  let room = GROUP_SERIES_MAX;
  for (const { group, topic, partition, offset } of services.groups.lagView()) {
    if (services.image.topic(topic)?.partitions[partition] === undefined) continue;
    if (room-- === 0) return;
    const range = rangeOf(services, topic, partition);
    // An offset before the log's start cannot be read any more; what is left is what lags.
    const lag = range === undefined ? null : Math.max(range.end - Math.max(offset, range.start), 0);
    yield { group, topic, partition, offset, lag };
  }
}

function rangeOf(
  { partitions, remoteOffsets }: BrokerServices,
  topic: string,
  partition: number,
): OffsetRange | undefined {
  const held = partitions.get(topic, partition);
  if (held === undefined || held.isOffline) return remoteOffsets.of(topic, partition);
  return { start: held.log.logStartOffset, end: held.highWatermark };
}
