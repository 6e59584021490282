import type { Clock, Timer } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import { FatalError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { BufferPool } from './buffer-pool.ts';
import { type CleaningEngine, SlicedEngine } from './cleaning-engine.ts';
import { FutureFolders, type LogIdentity } from './future-folders.ts';
import type { FutureLog } from './future-log.ts';
import { type CleanerSettings, defaultCleanerSettings, LogCleaner } from './log-cleaner.ts';
import type { LogConfig } from './log-config.ts';
import { LogDirectory } from './log-directory.ts';
import type { LogEnvironment } from './log-environment.ts';
import {
  DELETED_DIRECTORY_SUFFIX,
  deletedDirectory,
  parsePartitionDirectory,
  partitionDirectory,
  uniqueName,
} from './log-files.ts';
import { LogMover } from './log-mover.ts';
import { ManagedDirectory, NOTHING_SAVED, type SavedOffsets } from './managed-directory.ts';
import { claimLogDirectory } from './meta-properties.ts';
import { PartitionLog } from './partition-log.ts';
import { readTopicId, writeTopicId } from './partition-metadata.ts';
import { Placement } from './placement.ts';
import { LogProbe } from './probe.ts';
import { ReadAhead } from './read-ahead.ts';
import { RetentionClock } from './retention-clock.ts';
import { SegmentCache } from './segment-cache.ts';
import { TAIL_CACHE_BYTES_MAX, TailCache } from './tail-cache.ts';

export interface LogManagerOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Log directories (`log.dirs`); each may be a disk of its own. */
  readonly dirs: readonly string[];
  readonly brokerId: number;
  readonly clusterId: string;
  readonly configFor: (topic: string) => LogConfig;
  readonly probe?: LogProbe;
  /** `log.retention.check.interval.ms`. */
  readonly retentionCheckMs?: number;
  /**
   * `log.flush.offset.checkpoint.interval.ms`, where it is less than the 5 s that checkpoints lag
   * behind at most: a start after a kill reads what lies behind them.
   */
  readonly checkpointMs?: number;
  /** `producer.id.expiration.ms`, as it is now. */
  readonly producerIdExpirationMs?: () => number;
  readonly tailCacheBytes?: number;
  /** Check the CRC of batches that another process wrote when they are first read; default true. */
  readonly verifyReads?: boolean;
  /** Compaction: Kafka's defaults when absent. Read anew for every pass. */
  readonly cleanerSettings?: () => CleanerSettings;
  /** Where it runs; absent: on this thread, in slices. */
  readonly cleaningEngine?: CleaningEngine;
  /** Every replica of the log has what lies before; absent: there are no others. */
  readonly replicatedTo?: (log: PartitionLog) => number;
  /** `replica.alter.log.dirs.io.max.bytes.per.second`, as it is now; absent: no limit. */
  readonly moveBytesPerSecond?: () => number;
  /** Called in the tick in which `log`, in another directory, has taken the place of `former`. */
  readonly onMoved?: (former: PartitionLog, log: PartitionLog) => void;
  /** Called in the tick in which a directory fails; its logs refuse everything from then on. */
  readonly onDirectoryOffline?: (path: string, logs: readonly PartitionLog[]) => void;
}

const RETENTION_CHECK_MS = 5 * 60_000;
const CHECKPOINT_MS = 5_000;
const PRODUCER_EXPIRATION_MS = 24 * 3_600_000;

/** Logs that are flushed at the same time while stopping. */
const CLOSING_MAX = 16;

/**
 * All logs of a broker, over its log directories: opens and recovers them, makes and deletes them,
 * and does the chores: retention, checkpoints, expiry, removal of dead files. No timer runs while
 * there is nothing for it to do, but for retention's.
 */
export class LogManager {
  readonly probe: LogProbe;
  readonly cleaner: LogCleaner;
  readonly mover: LogMover;
  readonly #options: LogManagerOptions;
  readonly #environment: LogEnvironment;
  readonly #directories: ManagedDirectory[] = [];
  readonly #logs = new Map<string, PartitionLog>();
  readonly #placement = new Placement();
  readonly #futures: FutureFolders;
  readonly #removals = new Set<Timer>();
  readonly #retentionClock: RetentionClock;
  #checkpointTimer: Timer | null = null;
  #retentionTimer: Timer | null = null;
  #state: 'new' | 'running' | 'stopped' = 'new';
  readonly #epochsOfCleanStop: number[] = [];

  constructor(options: LogManagerOptions) {
    this.#options = options;
    this.probe = options.probe ?? new LogProbe();
    this.#retentionClock = new RetentionClock(options.clock);
    const { disk, clock, random, logger } = options;
    const buffers = new BufferPool();
    this.#environment = {
      disk,
      clock,
      random,
      logger,
      probe: this.probe,
      tailCache: new TailCache(this.probe, options.tailCacheBytes ?? TAIL_CACHE_BYTES_MAX),
      segmentCache: new SegmentCache(this.probe),
      buffers,
      readAhead: new ReadAhead({ buffers, probe: this.probe, clock }),
      verifyReads: options.verifyReads ?? true,
      removeLater: (paths, delayMs) => this.#removeLater(paths, delayMs),
      onDirty: () => this.#onDirty(),
      onCompacted: () => this.cleaner.need(),
    };
    this.cleaner = new LogCleaner({
      clock,
      logger,
      engine: options.cleaningEngine ?? new SlicedEngine({ disk, clock, random, logger }),
      logs: () => this.#logs.values(),
      settings: options.cleanerSettings ?? (() => defaultCleanerSettings),
      replicatedTo: options.replicatedTo ?? (() => Number.POSITIVE_INFINITY),
    });
    this.mover = new LogMover({
      disk,
      clock,
      logger,
      bytesPerSecond: options.moveBytesPerSecond ?? (() => Number.POSITIVE_INFINITY),
      owner: {
        directoryOf: (log) => this.#directoryOf(log),
        reopenFuture: (move) => this.#futures.reopen(move),
        makeFuture: (log, target) => this.#futures.make(log, target),
        openMoved: (former, target) => this.#futures.openMoved(former, target),
        replaced: (former, log, target) => this.#replaced(former, log, target),
        bury: (path, delayMs) => this.#removeLater([path], delayMs),
      },
    });
    this.#futures = new FutureFolders({
      ...{ disk, random, logger, mover: this.mover },
      current: (topic, partition) => this.get(topic, partition),
      open: (...of) => this.#open(...of),
      serve: (managed, log) => this.#serve(managed, log),
      bury: (path) => this.#removeLater([path], 0),
    });
  }

  /** Opens every partition there is. Rejects with FatalError when no directory can be used. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      for (const path of this.#options.dirs) this.#openDirectory(path);
      if (this.#online().length === 0) {
        const reasons = this.#directories.map((d) => d.directory.failure?.message);
        throw new FatalError(`no usable log directory: ${reasons.join('; ')}`);
      }
      this.#futures.resume(this.#online().length === this.#directories.length);
      this.#state = 'running';
      this.#armRetention();
      resolve();
    });
  }

  #online(): ManagedDirectory[] {
    return this.#directories.filter(({ directory }) => directory.failure === null);
  }

  #openDirectory(path: string): void {
    const { disk, logger, random, clusterId, brokerId } = this.#options;
    const directory = new LogDirectory({
      path,
      probe: this.probe,
      logger,
      onOffline: () => this.#onOffline(path),
    });
    let managed = new ManagedDirectory(disk, logger, directory, '');
    try {
      disk.makeDirectory(path);
      const owner = { clusterId, nodeId: brokerId };
      const { directoryId } = claimLogDirectory(disk, random, path, owner);
      managed = new ManagedDirectory(disk, logger, directory, directoryId);
      this.#directories.push(managed);
      this.#loadLogs(managed);
    } catch (error) {
      if (error instanceof FatalError) throw error;
      if (!this.#directories.includes(managed)) this.#directories.push(managed);
      const shown = directory.failed(`can't open log directory ${path}`, error);
      if (!(shown instanceof ProtocolError)) throw shown;
      // Without room or descriptors to even open it, it is of no use in this run.
      directory.takeOffline(reasonOf(error), error);
    }
  }

  #loadLogs(managed: ManagedDirectory): void {
    const { disk, logger } = this.#options;
    const marker = managed.takeCleanMarker();
    const clean = marker !== null;
    this.#epochsOfCleanStop.push(marker?.brokerEpoch ?? -1);
    const offsets = managed.readOffsets();
    for (const name of disk.list(managed.path)) {
      if (this.#futures.found(managed, name, clean, offsets)) continue;
      const parsed = parsePartitionDirectory(name);
      if (parsed === null) continue;
      const key = partitionDirectory(parsed.topic, parsed.partition);
      if (this.#logs.has(key)) {
        throw new FatalError(`${key} is in two log directories, one of them ${managed.path}`);
      }
      const topicId = readTopicId(disk, `${managed.path}/${name}`);
      this.#serve(managed, this.#open(managed, name, { ...parsed, topicId }, clean, offsets));
    }
    // Folders that were formatted and never used have nothing to recover.
    const isUsed = [...managed.logs.values()].some(({ logEndOffset }) => logEndOffset > 0);
    if (!clean && isUsed) {
      logger.info(`${managed.path} was not shut down cleanly: recovered ${managed.logs.size} logs`);
    }
  }

  #serve(managed: ManagedDirectory, log: PartitionLog): void {
    const key = partitionDirectory(log.topic, log.partition);
    managed.logs.set(key, log);
    this.#logs.set(key, log);
  }

  #open(
    managed: ManagedDirectory,
    name: string,
    { topic, partition, topicId }: LogIdentity,
    clean: boolean,
    offsets: SavedOffsets,
  ): PartitionLog {
    const key = partitionDirectory(topic, partition);
    return PartitionLog.open({
      environment: this.#environment,
      logDirectory: managed.directory,
      path: `${managed.path}/${name}`,
      topic,
      partition,
      topicId,
      config: this.#options.configFor(topic),
      clean,
      recoveryPoint: offsets.recoveryPoints.get(key) ?? 0,
      logStartOffset: offsets.logStarts.get(key) ?? 0,
      highWatermark: offsets.highWatermarks.get(key) ?? 0,
      cleanedTo: offsets.cleaned.get(key) ?? null,
      saveRecoveryPoint: () => managed.writeRecoveryPoints(true),
      saveCleaned: () => managed.writeCleaned(),
      onLogStartChanged: () => managed.writeLogStarts(),
    });
  }

  /**
   * The epoch under which the broker was registered when it stopped, if every directory was stopped
   * cleanly then; else -1: something that was not on the device may be lost.
   */
  get previousBrokerEpoch(): number {
    const [first = -1, ...others] = this.#epochsOfCleanStop;
    return others.every((epoch) => epoch === first) ? first : -1;
  }

  get(topic: string, partition: number): PartitionLog | undefined {
    return this.#logs.get(partitionDirectory(topic, partition));
  }
  all(): Iterable<PartitionLog> {
    return this.#logs.values();
  }

  /** Log directories with their ids and why they are offline (DescribeLogDirs). */
  directories(): readonly {
    path: string;
    directoryId: string;
    failure: Error | null;
    logs: Iterable<PartitionLog>;
    /** Copies under way of logs in other directories. */
    futures: Iterable<FutureLog>;
  }[] {
    const moves = [...this.mover.moves()];
    return this.#directories.map((managed) => ({
      path: managed.path,
      directoryId: managed.directoryId,
      failure: managed.directory.failure,
      logs: managed.logs.values(),
      futures: moves.filter(({ target }) => target === managed),
    }));
  }

  /**
   * The partition's log; when there is none, it is made where it was wished for, or where the fewest
   * logs are. One that is not new may lie in a directory that is offline, and is not made then.
   * Throws ProtocolError: INCONSISTENT_TOPIC_ID when another topic's data is there,
   * KAFKA_STORAGE_ERROR.
   */
  create(topic: string, topicId: string, partition: number, isNew = true): PartitionLog {
    const existing = this.get(topic, partition);
    if (existing !== undefined) return this.#claimed(existing, topicId);
    const offline = this.#directories.find(({ directory }) => directory.failure !== null);
    if (!isNew && offline !== undefined) {
      throw new ProtocolError(
        ErrorCode.KAFKA_STORAGE_ERROR,
        `${partitionDirectory(topic, partition)} may be in log directory ${offline.path}, which is offline`,
      );
    }
    const managed = this.#placement.placeFor(topic, partition, this.#online());
    const { disk } = this.#options;
    const path = `${managed.path}/${partitionDirectory(topic, partition)}`;
    try {
      disk.makeDirectory(path);
      managed.directory.entriesDirty = true;
      writeTopicId(disk, path, topicId);
      const identity = { topic, partition, topicId };
      const name = partitionDirectory(topic, partition);
      const log = this.#open(managed, name, identity, false, NOTHING_SAVED);
      this.#serve(managed, log);
      return log;
    } catch (error) {
      throw managed.directory.failed(`can't make ${path}`, error);
    }
  }

  /** When the partition is made here, it is to be in the directory `path`. */
  prefer(topic: string, partition: number, path: string): void {
    this.#placement.prefer(topic, partition, path);
  }

  /**
   * Moves the log to the directory `path`, while it is in use; does nothing when it is on its way
   * there. Throws KAFKA_STORAGE_ERROR, also when any directory is offline: there may be a copy in it.
   */
  move(log: PartitionLog, path: string): void {
    const former = this.mover.of(log);
    if (former?.target.path === path) return;
    this.mover.cancel(log);
    if (log.logDirectory.path === path) return;
    const managed = this.#directories.find((one) => one.path === path);
    const offline = this.#directories.find(({ directory }) => directory.failure !== null);
    if (managed === undefined || offline !== undefined) {
      const text = `${log.path} can't be moved to ${path}: ${offline?.path ?? path} is not in use`;
      throw new ProtocolError(ErrorCode.KAFKA_STORAGE_ERROR, text);
    }
    this.mover.add(this.#futures.make(log, managed));
  }

  #directoryOf(log: PartitionLog): ManagedDirectory {
    return this.#directories.find(({ directory }) => directory === log.logDirectory)!;
  }

  #replaced(former: PartitionLog, log: PartitionLog, target: ManagedDirectory): void {
    const source = this.#directoryOf(former);
    source.logs.delete(partitionDirectory(log.topic, log.partition));
    this.#serve(target, log);
    this.#options.onMoved?.(former, log);
    source.checkpoint(false);
    target.checkpoint(false);
    this.cleaner.wake();
  }

  #claimed(log: PartitionLog, topicId: string): PartitionLog {
    if (log.topicId === topicId) return log;
    if (log.topicId !== null) {
      throw new ProtocolError(
        ErrorCode.INCONSISTENT_TOPIC_ID,
        `${log.path} belongs to topic id ${log.topicId}, expected ${topicId}`,
      );
    }
    log.logDirectory.assertOnline();
    try {
      writeTopicId(this.#options.disk, log.path, topicId);
    } catch (error) {
      throw log.logDirectory.failed(`can't name the topic of ${log.path}`, error);
    }
    log.setTopicId(topicId);
    return log;
  }

  /** Takes the log out of service at once; its files go after `file.delete.delay.ms`. */
  delete(topic: string, partition: number): void {
    const log = this.get(topic, partition);
    if (log === undefined) return;
    const key = partitionDirectory(topic, partition);
    const managed = this.#directories.find(({ logs }) => logs.get(key) === log)!;
    log.logDirectory.assertOnline();
    // First, or a start could take a copy that is left for a log that has lost its other half.
    this.#giveUpMove(log);
    const { disk, random } = this.#options;
    const dead = `${managed.path}/${deletedDirectory(topic, partition, uniqueName(random))}`;
    try {
      disk.rename(log.path, dead);
      managed.directory.entriesDirty = true;
    } catch (error) {
      throw log.logDirectory.failed(`can't delete ${log.path}`, error);
    }
    log.abandon();
    this.#logs.delete(key);
    managed.logs.delete(key);
    this.#removeLater([dead], log.config.fileDeleteDelayMs);
    managed.checkpoint(false);
  }

  #giveUpMove(log: PartitionLog): void {
    try {
      this.mover.cancel(log);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // Its directory has failed; the next start finds that the topic is gone.
      this.#options.logger.warn(error.message);
    }
  }

  /** Gives every log of `topic` its configuration anew. */
  updateConfig(topic: string, config: LogConfig): void {
    for (const log of this.#logs.values()) if (log.topic === topic) log.updateConfig(config);
  }

  /** Applies retention to every log; returns how many segments were deleted. */
  deleteOldSegments(): number {
    const now = this.#retentionClock.now();
    const expiration = this.#options.producerIdExpirationMs?.() ?? PRODUCER_EXPIRATION_MS;
    let deleted = 0;
    const copies = [...this.mover.moves()].map(({ future }) => future);
    for (const log of [...this.#logs.values(), ...copies]) {
      if (log.logDirectory.failure !== null) continue;
      try {
        deleted += log.deleteOldSegments(now);
        log.removeExpiredProducers(now, expiration);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        this.#options.logger.warn(`retention of ${log.path}: ${error.message}`);
      }
    }
    return deleted;
  }

  /** Writes down recovery points, log starts and high watermarks that changed. */
  checkpoint(): void {
    for (const managed of this.#directories) managed.checkpoint(false);
  }

  #onDirty(): void {
    if (this.#state !== 'running') return;
    this.cleaner.wake();
    if (this.#checkpointTimer !== null) return;
    const delayMs = Math.min(this.#options.checkpointMs ?? CHECKPOINT_MS, CHECKPOINT_MS);
    this.#checkpointTimer = this.#options.clock.after(delayMs, () => {
      this.#checkpointTimer = null;
      this.checkpoint();
    });
  }

  #armRetention(): void {
    const delayMs = this.#options.retentionCheckMs ?? RETENTION_CHECK_MS;
    this.#retentionTimer = this.#options.clock.after(delayMs, () => {
      this.#armRetention();
      this.deleteOldSegments();
    });
  }

  #removeLater(paths: readonly string[], delayMs: number): void {
    const timer = this.#options.clock.after(delayMs, () => {
      this.#removals.delete(timer);
      for (const path of paths) this.#remove(path);
    });
    this.#removals.add(timer);
  }

  #remove(path: string): void {
    const { disk, logger } = this.#options;
    try {
      if (path.endsWith(DELETED_DIRECTORY_SUFFIX)) disk.removeDirectory(path);
      else disk.remove(path);
    } catch (error) {
      // The next start removes what is left.
      logger.warn(`can't remove ${path}: ${reasonOf(error)}`);
    }
  }

  #onOffline(path: string): void {
    const managed = this.#directories.find((d) => d.path === path);
    if (managed !== undefined) this.mover.directoryFailed(managed);
    this.#options.onDirectoryOffline?.(
      path,
      managed === undefined ? [] : [...managed.logs.values()],
    );
  }

  /**
   * Flushes and closes everything and leaves the marker of a clean shutdown, with the epoch under
   * which the broker is registered. Idempotent.
   */
  async stop(brokerEpoch = -1): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    this.#checkpointTimer?.cancel();
    this.#retentionTimer?.cancel();
    for (const timer of this.#removals) timer.cancel();
    await this.mover.stop();
    await this.cleaner.stop();
    this.#environment.readAhead.close();
    for (const managed of this.#directories) await this.#close(managed, brokerEpoch);
  }

  async #close(managed: ManagedDirectory, brokerEpoch: number): Promise<void> {
    const logs = [...managed.logs.values(), ...managed.futures.values()];
    let failed = false;
    for (let first = 0; first < logs.length; first += CLOSING_MAX) {
      const closing = logs.slice(first, first + CLOSING_MAX).map((log) => log.close());
      for (const result of await Promise.allSettled(closing)) {
        if (result.status === 'fulfilled') continue;
        failed = true;
        const message = `${managed.path}: not closed cleanly: ${reasonOf(result.reason)}`;
        this.#options.logger.error(message);
      }
    }
    for (const log of logs) log.abandon();
    if (failed || managed.directory.failure !== null) return;
    managed.checkpoint(true);
    try {
      managed.writeCleanMarker(brokerEpoch);
    } catch (error) {
      managed.directory.failed(`can't write the shutdown marker of ${managed.path}`, error);
    }
  }

  /** Lets go of everything as a killed process would, without writing a byte. For tests. */
  abandon(): void {
    this.#state = 'stopped';
    this.#checkpointTimer?.cancel();
    this.#retentionTimer?.cancel();
    for (const timer of this.#removals) timer.cancel();
    void this.cleaner.stop();
    void this.mover.stop();
    this.#environment.readAhead.close();
    for (const { logs, futures } of this.#directories) {
      for (const log of [...logs.values(), ...futures.values()]) log.abandon();
    }
  }
}
