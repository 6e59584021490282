/** What compaction tells of itself: Kafka's names, and ours for what it has no name for. */
import type { MetricName } from '../observe/catalogue.ts';
import type { Family } from './metrics.ts';
import type { BrokerServices } from './services.ts';

export function registerCleanerMetrics(family: Family, { logs, clock }: BrokerServices): void {
  const { cleaner } = logs;
  const { stats } = cleaner;
  const values: readonly [name: MetricName, read: () => number][] = [
    ['kafka_log_logcleaner_max_clean_time_secs', () => Math.floor(stats.lastPassMs / 1000)],
    ['kafka_log_logcleaner_cleaner_recopy_percent', () => percent(stats.lastRecopyRatio)],
    ['kafka_log_logcleaner_max_buffer_utilization_percent', () => percent(stats.lastUtilization)],
    [
      'kafka_log_logcleaner_max_compaction_delay_secs',
      () => Math.floor(stats.maxCompactionDelayMs / 1000),
    ],
    ['kafka_log_logcleaner_deadthreadcount', () => Number(stats.hasDied)],
    ['kafka_log_logcleanermanager_max_dirty_percent', () => percent(stats.maxDirtyRatio)],
    [
      'kafka_log_logcleanermanager_time_since_last_run_ms',
      () => Math.round(clock.monotonic() - stats.lastSearchAtMs),
    ],
    ['weir_log_cleaner_passes_total', () => stats.passes],
    ['weir_log_cleaner_dirty_bytes_total', () => stats.dirtyBytes],
    ['weir_log_cleaner_read_bytes_total', () => stats.bytesRead],
    ['weir_log_cleaner_written_bytes_total', () => stats.bytesWritten],
    ['weir_log_cleaner_failures_total', () => stats.failures],
  ];
  for (const [name, read] of values) family(name, (emit) => emit(read()));
  const uncleanable = (path: string) =>
    cleaner.uncleanable.filter(({ logDirectory }) => logDirectory.path === path);
  family('kafka_log_logcleanermanager_uncleanable_partitions_count', (emit) => {
    for (const { path } of logs.directories()) emit(uncleanable(path).length, path);
  });
  family('kafka_log_logcleanermanager_uncleanable_bytes', (emit) => {
    for (const { path, failure } of logs.directories()) {
      if (failure !== null) continue;
      emit(
        uncleanable(path).reduce((bytes, { size }) => bytes + size, 0),
        path,
      );
    }
  });
}

/** Whole, as Kafka's. */
const percent = (ratio: number): number => Math.floor(ratio * 100);
