import type { Disk } from '../base/disk.ts';
import { FatalError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { LogDirectory } from './log-directory.ts';
import {
  CLEAN_SHUTDOWN_FILE,
  CLEANER_OFFSET_FILE,
  HIGH_WATERMARK_FILE,
  LOG_START_FILE,
  RECOVERY_POINT_FILE,
} from './log-files.ts';
import { OffsetCheckpointFile } from './offset-checkpoint-file.ts';
import type { PartitionLog } from './partition-log.ts';

/** What the checkpoints of a directory said when it was opened, by `topic-partition`. */
export interface SavedOffsets {
  readonly recoveryPoints: ReadonlyMap<string, number>;
  readonly logStarts: ReadonlyMap<string, number>;
  readonly highWatermarks: ReadonlyMap<string, number>;
  readonly cleaned: ReadonlyMap<string, number>;
}

/** Of a partition that is new. */
export const NOTHING_SAVED: SavedOffsets = {
  recoveryPoints: new Map(),
  logStarts: new Map(),
  highWatermarks: new Map(),
  cleaned: new Map(),
};

/** Logs that are flushed at the same time while stopping. */
const CLOSING_MAX = 16;

/**
 * What lies in a log directory, and its files that speak of all partitions: four checkpoints and the
 * clean shutdown marker. The marker is taken away before anything is written, so it never outlives the
 * state that it vouches for.
 */
export class ManagedDirectory {
  readonly logs = new Map<string, PartitionLog>();
  /** Copies of logs that lie in other directories: see `log-mover.ts`. None is of a log in `logs`. */
  readonly futures = new Map<string, PartitionLog>();
  readonly directory: LogDirectory;
  readonly directoryId: string;
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #recoveryPoints: OffsetCheckpointFile;
  readonly #logStarts: OffsetCheckpointFile;
  readonly #highWatermarks: OffsetCheckpointFile;
  readonly #cleaned: OffsetCheckpointFile;
  #hasCleaned = false;

  constructor(disk: Disk, logger: Logger, directory: LogDirectory, directoryId: string) {
    this.#disk = disk;
    this.#logger = logger;
    this.directory = directory;
    this.directoryId = directoryId;
    const file = (name: string): OffsetCheckpointFile =>
      new OffsetCheckpointFile(disk, `${directory.path}/${name}`);
    this.#recoveryPoints = file(RECOVERY_POINT_FILE);
    this.#logStarts = file(LOG_START_FILE);
    this.#highWatermarks = file(HIGH_WATERMARK_FILE);
    this.#cleaned = file(CLEANER_OFFSET_FILE);
  }

  get path(): string {
    return this.directory.path;
  }

  /**
   * Whether the last stop was clean, and under which epoch the broker was registered then (-1: not
   * told); null: it was not clean. Takes the marker away.
   */
  takeCleanMarker(): { readonly brokerEpoch: number } | null {
    const path = `${this.path}/${CLEAN_SHUTDOWN_FILE}`;
    const marker = this.#disk.readFile(path);
    if (marker === null) return null;
    this.#disk.remove(path);
    if (this.#disk.exists(path)) throw new FatalError(`${path} can't be removed`);
    this.#disk.syncDirectory(this.path);
    return { brokerEpoch: epochOf(marker.toString()) };
  }

  /** Kafka's content: a version, and the epoch under which the broker was registered. */
  #writeCleanMarker(brokerEpoch: number): void {
    const text = JSON.stringify({ version: 0, brokerEpoch });
    this.#disk.replaceFile(`${this.path}/${CLEAN_SHUTDOWN_FILE}`, Buffer.from(text));
  }

  readOffsets(): SavedOffsets {
    const cleaned = this.#read(this.#cleaned);
    this.#hasCleaned = cleaned.size > 0;
    return {
      recoveryPoints: this.#read(this.#recoveryPoints),
      logStarts: this.#read(this.#logStarts),
      highWatermarks: this.#read(this.#highWatermarks),
      cleaned,
    };
  }

  #read(file: OffsetCheckpointFile): ReadonlyMap<string, number> {
    const offsets = file.read();
    if (offsets !== null) return offsets;
    this.#logger.error(`${file.path} is damaged: its offsets are taken as unknown`);
    return new Map();
  }

  #entries(
    offsetOf: (log: PartitionLog) => number,
  ): { topic: string; partition: number; offset: number }[] {
    const entries = [];
    for (const log of this.#all()) {
      const offset = offsetOf(log);
      if (offset >= 0) entries.push({ topic: log.topic, partition: log.partition, offset });
    }
    return entries;
  }

  writeRecoveryPoints(durable: boolean): void {
    this.#recoveryPoints.write(
      this.#entries((log) => log.flushedOffset),
      durable,
    );
  }

  /** Only starts that the names of the segments do not tell. That of `changed` is `start`. */
  writeLogStarts(changed?: PartitionLog, start = 0): void {
    this.#logStarts.write(
      this.#entries((log) => {
        const offset = log === changed ? start : log.logStartOffset;
        return offset > log.firstSegmentOffset ? offset : -1;
      }),
      true,
    );
  }

  /**
   * How far compaction came in each log. Where there is an entry, offsets may have gaps: after a power
   * cut, too, or what lies behind a gap would be taken for torn.
   */
  writeCleaned(): void {
    const cleaned = this.#entries((log) => log.cleanedTo ?? -1);
    // Most folders have no compacted log, and never had.
    if (cleaned.length > 0 || this.#hasCleaned) this.#cleaned.write(cleaned, true);
    this.#hasCleaned ||= cleaned.length > 0;
  }

  /** Writes what changed. A disk without room is tried again later, anything else is the disk's end. */
  checkpoint(durable: boolean): void {
    if (this.directory.failure !== null) return;
    try {
      this.writeRecoveryPoints(durable);
      this.writeLogStarts();
      this.#highWatermarks.write(
        this.#entries((log) => log.highWatermark),
        durable,
      );
      this.writeCleaned();
    } catch (error) {
      this.directory.failed(`can't write the checkpoints of ${this.path}`, error);
      this.#logger.warn(`can't write the checkpoints of ${this.path}: ${reasonOf(error)}`);
    }
  }

  /**
   * Flushes and closes every log, then writes the checkpoints, and last the marker: where any of it
   * failed there is none, and the next start recovers.
   */
  async close(brokerEpoch: number): Promise<void> {
    const logs = this.#all();
    let failed = false;
    for (let first = 0; first < logs.length; first += CLOSING_MAX) {
      const closing = logs.slice(first, first + CLOSING_MAX).map((log) => log.close());
      for (const result of await Promise.allSettled(closing)) {
        if (result.status === 'fulfilled') continue;
        failed = true;
        this.#logger.error(`${this.path}: not closed cleanly: ${reasonOf(result.reason)}`);
      }
    }
    for (const log of logs) log.abandon();
    if (failed || this.directory.failure !== null) return;
    this.checkpoint(true);
    try {
      this.#writeCleanMarker(brokerEpoch);
    } catch (error) {
      this.directory.failed(`can't write the shutdown marker of ${this.path}`, error);
    }
  }

  /** Closes every log without writing anything. */
  abandon(): void {
    for (const log of this.#all()) log.abandon();
  }

  #all(): PartitionLog[] {
    return [...this.logs.values(), ...this.futures.values()];
  }
}

/** Markers of old are empty, or have no epoch. */
function epochOf(marker: string): number {
  try {
    const { brokerEpoch } = JSON.parse(marker) as { brokerEpoch?: unknown };
    return typeof brokerEpoch === 'number' && Number.isSafeInteger(brokerEpoch) ? brokerEpoch : -1;
  } catch {
    return -1;
  }
}
