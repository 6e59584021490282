/** What the crash test of compaction and the process it kills agree on. */
import { defaultLogConfig, type LogConfig } from '../../src/log/log-config.ts';

export const KEYS = 50;

/** Small segments and no patience: something is always being cleaned or swapped. */
export const compactedConfig: LogConfig = {
  ...defaultLogConfig,
  cleanupPolicy: ['compact'],
  minCleanableDirtyRatio: 0,
  segmentBytes: 8_000,
  indexIntervalBytes: 500,
  fileDeleteDelayMs: 0,
};
