import type { Disk } from '../base/disk.ts';
import { FatalError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { ProtocolError } from '../protocol/error-codes.ts';
import type { LogCheckpoints } from './log-checkpoints.ts';
import type { LogDirectory } from './log-directory.ts';
import {
  CLEAN_SHUTDOWN_FILE,
  CLEANER_OFFSET_FILE,
  HIGH_WATERMARK_FILE,
  LOG_START_FILE,
  partitionDirectory,
  RECOVERY_POINT_FILE,
  REMOVED_OFFSET_FILE,
} from './log-files.ts';
import { OffsetCheckpointFile } from './offset-checkpoint-file.ts';
import type { PartitionLog } from './partition-log.ts';

/** What the checkpoints of a directory said when it was opened, by `topic-partition`. */
export interface SavedOffsets {
  readonly recoveryPoints: ReadonlyMap<string, number>;
  readonly logStarts: ReadonlyMap<string, number>;
  readonly highWatermarks: ReadonlyMap<string, number>;
  readonly cleaned: ReadonlyMap<string, number>;
  readonly removed: ReadonlyMap<string, number>;
}

/** Of a partition that is new. */
export const NOTHING_SAVED: SavedOffsets = {
  recoveryPoints: new Map(),
  logStarts: new Map(),
  highWatermarks: new Map(),
  cleaned: new Map(),
  removed: new Map(),
};

/** Logs that are flushed at the same time while stopping. */
const CLOSING_MAX = 16;

/**
 * What lies in a log directory, and its files that speak of all partitions: five checkpoints and the
 * clean shutdown marker. The marker is taken away before anything is written, so it never outlives the
 * state that it vouches for.
 */
export class ManagedDirectory implements LogCheckpoints {
  readonly directory: LogDirectory;
  readonly directoryId: string;
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #logs = new Map<string, PartitionLog>();
  readonly #futures = new Map<string, PartitionLog>();
  /** Of which the checkpoints may say something else. */
  readonly #changed = new Set<PartitionLog>();
  readonly #recoveryPoints: OffsetCheckpointFile;
  readonly #logStarts: OffsetCheckpointFile;
  readonly #highWatermarks: OffsetCheckpointFile;
  readonly #cleaned: OffsetCheckpointFile;
  readonly #removed: OffsetCheckpointFile;
  /** What the checkpoints say of logs that are not here any more has been forgotten. */
  #isSwept = false;

  constructor(disk: Disk, logger: Logger, directory: LogDirectory, directoryId: string) {
    this.#disk = disk;
    this.#logger = logger;
    this.directory = directory;
    this.directoryId = directoryId;
    const syncNames = (): Promise<void> => {
      directory.entriesDirty = true;
      return directory.syncEntries(disk);
    };
    const file = (name: string): OffsetCheckpointFile =>
      new OffsetCheckpointFile({ disk, path: `${directory.path}/${name}`, syncNames });
    this.#recoveryPoints = file(RECOVERY_POINT_FILE);
    this.#logStarts = file(LOG_START_FILE);
    this.#highWatermarks = file(HIGH_WATERMARK_FILE);
    this.#cleaned = file(CLEANER_OFFSET_FILE);
    this.#removed = file(REMOVED_OFFSET_FILE);
  }

  /** By the name of their partition. */
  get logs(): ReadonlyMap<string, PartitionLog> {
    return this.#logs;
  }
  /** Copies of logs that lie in other directories: see `log-mover.ts`. None is of a log in `logs`. */
  get futures(): ReadonlyMap<string, PartitionLog> {
    return this.#futures;
  }
  add(log: PartitionLog): void {
    this.#logs.set(keyOf(log), log);
    this.#note(log);
  }
  addFuture(log: PartitionLog): void {
    this.#futures.set(keyOf(log), log);
    this.#note(log);
  }
  /** It is not here any more, or not as a copy. */
  drop(log: PartitionLog): void {
    const key = keyOf(log);
    for (const logs of [this.#logs, this.#futures]) {
      if (logs.get(key) === log) logs.delete(key);
    }
    this.#changed.delete(log);
    if (this.#logs.has(key) || this.#futures.has(key)) return;
    for (const file of this.#files) file.set(key, null);
  }
  /** Before a log is made of which nothing may be known, as of another one that had its name. */
  forget(key: string): void {
    for (const file of this.#files) file.forgetNow(key);
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
    return {
      recoveryPoints: this.#read(this.#recoveryPoints),
      logStarts: this.#read(this.#logStarts),
      highWatermarks: this.#read(this.#highWatermarks),
      cleaned: this.#read(this.#cleaned),
      removed: this.#read(this.#removed),
    };
  }

  #read(file: OffsetCheckpointFile): ReadonlyMap<string, number> {
    const offsets = file.read();
    if (offsets !== null) return offsets;
    this.#logger.error(`${file.path} is damaged: its offsets are taken as unknown`);
    return new Map();
  }

  get #files(): readonly OffsetCheckpointFile[] {
    return [
      this.#recoveryPoints,
      this.#logStarts,
      this.#highWatermarks,
      this.#cleaned,
      this.#removed,
    ];
  }

  #note(log: PartitionLog): void {
    const key = keyOf(log);
    this.#recoveryPoints.set(key, log.flushedOffset);
    this.#highWatermarks.set(key, log.highWatermark);
    this.noteStart(log, log.logStartOffset);
    this.noteCleaned(log);
    this.#noteRemoved(log);
  }

  /** Only a start that the names of the segments do not tell, or may not tell after a power cut. */
  noteStart(log: PartitionLog, start: number): void {
    const key = keyOf(log);
    const isHidden = start > log.firstSegmentOffset;
    const mayBeHidden = log.hasUnsafeNames && this.#logStarts.get(key) !== null;
    this.#logStarts.set(key, isHidden || mayBeHidden ? start : null);
  }

  /**
   * How far compaction came. Where there is an entry, offsets may have gaps: after a power cut, too,
   * or what lies behind a gap would be taken for torn.
   */
  noteCleaned(log: PartitionLog): void {
    this.#cleaned.set(keyOf(log), log.cleanedTo);
  }

  /** A log that has been cleaned has an entry, be it 0: without one all that was cleaned counts. */
  #noteRemoved(log: PartitionLog): void {
    const isNothing = log.cleanedTo === null && log.removedTo === 0;
    this.#removed.set(keyOf(log), isNothing ? null : log.removedTo);
  }

  changed(log: PartitionLog): void {
    this.#changed.add(log);
  }

  saveRecoveryPointNow(log: PartitionLog): void {
    this.#recoveryPoints.set(keyOf(log), log.flushedOffset);
    this.#saveNow(this.#recoveryPoints);
  }
  saveStartNow(log: PartitionLog, start: number): void {
    this.noteStart(log, start);
    // If it comes to nothing, what is so is noted again.
    this.#changed.add(log);
    this.#saveNow(this.#logStarts);
  }
  async saveStart(log: PartitionLog): Promise<void> {
    this.noteStart(log, log.logStartOffset);
    await this.#save(this.#logStarts);
  }
  saveCleanedNow(log: PartitionLog): void {
    this.noteCleaned(log);
    this.#saveNow(this.#cleaned);
  }
  async saveCleaned(log: PartitionLog): Promise<void> {
    this.noteCleaned(log);
    await this.#save(this.#cleaned);
  }
  async saveRemoved(log: PartitionLog): Promise<void> {
    this.#noteRemoved(log);
    await this.#save(this.#removed);
  }

  #saveNow(file: OffsetCheckpointFile): void {
    this.directory.assertOnline();
    try {
      file.saveNow();
    } catch (error) {
      throw this.directory.failed(`can't write ${file.path}`, error);
    }
  }
  async #save(file: OffsetCheckpointFile): Promise<void> {
    this.directory.assertOnline();
    try {
      await file.save();
    } catch (error) {
      throw this.directory.failed(`can't write ${file.path}`, error);
    }
  }

  /**
   * Writes what changed; false: not all of it. A disk without room is to be tried again later,
   * anything else is the disk's end.
   */
  async checkpoint(): Promise<boolean> {
    if (this.directory.failure !== null) return false;
    // At the first time after a start all that is here has been opened.
    if (!this.#isSwept) {
      for (const file of this.#files) {
        file.keep((key) => this.#logs.has(key) || this.#futures.has(key));
      }
      this.#isSwept = true;
    }
    for (const log of this.#changed) this.#note(log);
    this.#changed.clear();
    try {
      await Promise.all(this.#files.map((file) => this.#save(file)));
      return true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#logger.warn(`checkpoints of ${this.path}: ${error.message}`);
      return false;
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
    if (!(await this.checkpoint()) || failed) return;
    try {
      this.#writeCleanMarker(brokerEpoch);
    } catch (error) {
      this.directory.failed(`can't write the shutdown marker of ${this.path}`, error);
    }
  }

  /** Closes every log without writing anything. */
  abandon(): void {
    for (const file of this.#files) file.abandon();
    for (const log of this.#all()) log.abandon();
  }

  #all(): PartitionLog[] {
    return [...this.#logs.values(), ...this.#futures.values()];
  }
}

const keyOf = ({ topic, partition }: PartitionLog): string => partitionDirectory(topic, partition);

/** Markers of old are empty, or have no epoch. */
function epochOf(marker: string): number {
  try {
    const { brokerEpoch } = JSON.parse(marker) as { brokerEpoch?: unknown };
    return typeof brokerEpoch === 'number' && Number.isSafeInteger(brokerEpoch) ? brokerEpoch : -1;
  } catch {
    return -1;
  }
}
