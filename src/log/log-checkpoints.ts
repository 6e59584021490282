import type { PartitionLog } from './partition-log.ts';

/**
 * Where what a log directory's checkpoints say of one log is written. What has changed is written a
 * while later; before some changes it must be on the device, and is written at once. All throw, or
 * reject with, KAFKA_STORAGE_ERROR.
 */
export interface LogCheckpoints {
  /** Recovery point, start, high watermark or compaction of the log have moved. */
  changed(log: PartitionLog): void;
  /** The recovery point is about to go down. */
  saveRecoveryPointNow(log: PartitionLog): void;
  /** The log is about to start at `start`. */
  saveStartNow(log: PartitionLog, start: number): void;
  /** Resolves when the start is safe. */
  saveStart(log: PartitionLog): Promise<void>;
  /** Offsets are about to have gaps. */
  saveCleanedNow(log: PartitionLog): void;
  saveCleaned(log: PartitionLog): Promise<void>;
  /** Tombstones are about to go. */
  saveRemoved(log: PartitionLog): Promise<void>;
}
