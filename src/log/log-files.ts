import type { Disk } from '../base/disk.ts';
import type { Random } from '../base/random.ts';

/**
 * Names of files and directories in a log directory; they are Kafka's, to the letter.
 * A segment's files carry its base offset in 20 digits, a snapshot the offset it was taken at.
 */
export const LOG_SUFFIX = '.log';
export const OFFSET_INDEX_SUFFIX = '.index';
export const TIME_INDEX_SUFFIX = '.timeindex';
export const TXN_INDEX_SUFFIX = '.txnindex';
export const SNAPSHOT_SUFFIX = '.snapshot';
/** Renamed so, a file is dead: a start removes it. */
export const DELETED_SUFFIX = '.deleted';
/** A segment that a cleaning makes; left behind by an interrupted one, a start removes it. */
export const CLEANED_SUFFIX = '.cleaned';
/** Made, and about to take the place of others: see `segment-swap.ts`. */
export const SWAP_SUFFIX = '.swap';
/** Left behind by an interrupted replacement; a start removes it. */
export const TEMPORARY_SUFFIX = '.tmp';
/** Renamed so, a partition's directory is dead: a start removes it. */
export const DELETED_DIRECTORY_SUFFIX = '-delete';
/** Renamed so, a partition's directory is of no use to a start, and left to a person. */
const STRAY_DIRECTORY_SUFFIX = '-stray';
/** A replica that is being moved to another log directory: see `log-mover.ts`. */
export const FUTURE_DIRECTORY_SUFFIX = '-future';

export const LEADER_EPOCH_FILE = 'leader-epoch-checkpoint';
export const PARTITION_METADATA_FILE = 'partition.metadata';
export const RECOVERY_POINT_FILE = 'recovery-point-offset-checkpoint';
export const LOG_START_FILE = 'log-start-offset-checkpoint';
export const HIGH_WATERMARK_FILE = 'replication-offset-checkpoint';
export const CLEANER_OFFSET_FILE = 'cleaner-offset-checkpoint';
/** Ours: before these offsets tombstones and markers may be gone. */
export const REMOVED_OFFSET_FILE = 'removed-offset-checkpoint';
export const CLEAN_SHUTDOWN_FILE = '.kafka_cleanshutdown';
export const META_PROPERTIES_FILE = 'meta.properties';

/** A directory's name may not be longer than the filesystem allows. */
export const NAME_LENGTH_MAX = 255;

export const offsetName = (offset: number, suffix: string): string =>
  `${String(offset).padStart(20, '0')}${suffix}`;

/** The offset in `00000000000000000042.log`, or -1 when the name is not of that form. */
export function offsetOfName(name: string, suffix: string): number {
  if (name.length !== 20 + suffix.length || !name.endsWith(suffix)) return -1;
  const digits = name.slice(0, 20);
  if (!/^[0-9]{20}$/.test(digits)) return -1;
  const offset = Number(digits);
  return Number.isSafeInteger(offset) ? offset : -1;
}

export const partitionDirectory = (topic: string, partition: number): string =>
  `${topic}-${partition}`;

/** `topic-partition` taken apart, or null for a directory that is none of ours. */
export function parsePartitionDirectory(name: string): { topic: string; partition: number } | null {
  const match = /^([a-zA-Z0-9._-]{1,249})-([0-9]{1,9})$/.exec(name);
  return match === null ? null : { topic: match[1]!, partition: Number(match[2]) };
}

/** `topic-partition.<unique>-delete`. */
export const deletedDirectory = (topic: string, partition: number, unique: string): string =>
  shortened(topic, `-${partition}.${unique}${DELETED_DIRECTORY_SUFFIX}`);

/** Of a log that is kept, and not served. */
export const strayDirectory = (topic: string, partition: number, unique: string): string =>
  shortened(topic, `-${partition}.${unique}${STRAY_DIRECTORY_SUFFIX}`);

const shortened = (topic: string, tail: string): string =>
  topic.slice(0, NAME_LENGTH_MAX - tail.length) + tail;

/** `topic-partition.<unique>-future`. */
export const futureDirectory = (topic: string, partition: number, unique: string): string =>
  `${topic}-${partition}.${unique}${FUTURE_DIRECTORY_SUFFIX}`;

/** The name of a future replica's directory taken apart, or null for another one. */
export function parseFutureDirectory(
  name: string,
): { topic: string; partition: number; unique: string } | null {
  const match = /^([a-zA-Z0-9._-]{1,249})-([0-9]{1,9})\.([0-9a-f]{32})-future$/.exec(name);
  if (match === null) return null;
  return { topic: match[1]!, partition: Number(match[2]), unique: match[3]! };
}

/** What tells the directories of one partition apart: 32 hexadecimal digits, as Kafka's. */
export function uniqueName(random: Random): string {
  const bytes = Buffer.alloc(16);
  random.fill(bytes);
  return bytes.toString('hex');
}

/**
 * Replaces a small file so that a killed process leaves the old or the new one, without waiting
 * for the device. Power loss may leave it damaged: only for what can be rebuilt, or is made durable
 * later by the flush that needs it.
 */
export function replaceFileLazily(disk: Disk, path: string, bytes: Uint8Array): void {
  const temporary = path + TEMPORARY_SUFFIX;
  const file = disk.open(temporary, 'create');
  try {
    // Where a file has been cut to nothing, a journal may write its content before it is closed.
    if (file.size() > 0) file.truncate(0);
    file.write([bytes], 0);
  } finally {
    file.close();
  }
  disk.rename(temporary, path);
}
