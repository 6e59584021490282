import type { Clock } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import { FatalError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { BufferPool } from './buffer-pool.ts';
import { type CleaningEngine, SlicedEngine } from './cleaning-engine.ts';
import { DeadFiles } from './dead-files.ts';
import { setAside } from './dead-folder.ts';
import { DirectoryLoader } from './directory-loader.ts';
import { type FoldersOptions, FutureFolders } from './future-folders.ts';
import type { FutureLog } from './future-log.ts';
import { LogChores } from './log-chores.ts';
import { type CleanerSettings, defaultCleanerSettings, LogCleaner } from './log-cleaner.ts';
import type { LogConfig } from './log-config.ts';
import { LogDirectories } from './log-directories.ts';
import type { LogEnvironment } from './log-environment.ts';
import { deletedDirectory, partitionDirectory, uniqueName } from './log-files.ts';
import { LogMover } from './log-mover.ts';
import { LogOpener } from './log-opener.ts';
import { type ManagedDirectory, NOTHING_SAVED } from './managed-directory.ts';
import type { PartitionLog } from './partition-log.ts';
import { writeTopicId } from './partition-metadata.ts';
import { Placement } from './placement.ts';
import { LogProbe } from './probe.ts';
import { ReadAhead } from './read-ahead.ts';
import { type KnownTopics, RivalFolders } from './rival-folders.ts';
import { OPEN_SEGMENTS_MAX, SegmentCache } from './segment-cache.ts';
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
  readonly cleaningEngine?: CleaningEngine | undefined;
  /** Every replica of the log has what lies before; absent: there are no others. */
  readonly replicatedTo?: (log: PartitionLog) => number;
  /** `replica.alter.log.dirs.io.max.bytes.per.second`, as it is now; absent: no limit. */
  readonly moveBytesPerSecond?: () => number;
  /** Called in the tick in which `log`, in another directory, has taken the place of `former`. */
  readonly onMoved?: (former: PartitionLog, log: PartitionLog) => void;
  /** Called when damage is met in a log that none was known of: other replicas may have what it lacks. */
  readonly onDamaged?: () => void;
  /** Called in the tick in which a directory fails; its logs refuse everything from then on. */
  readonly onDirectoryOffline?: (path: string, logs: readonly PartitionLog[]) => void;
}

/**
 * All logs of a broker, over its log directories: makes and deletes them, has them moved, and puts
 * together who does the rest. Each state has one owner:
 *
 * - `LogDirectories`: the directories, and which log is in which of them;
 * - `LogMover`: the moves under way, and with `FutureFolders` the folders of their copies;
 * - `LogCleaner`: which logs can't be compacted, and what is being cleaned;
 * - `LogChores`: the clock of retention and of the checkpoints;
 * - `DeadFiles`: what is to be removed, and when;
 * - `RivalFolders`: partitions found in two directories, until the metadata tell which counts;
 * - `Placement`: where new partitions were wished for.
 */
export class LogManager {
  readonly probe: LogProbe;
  readonly cleaner: LogCleaner;
  readonly mover: LogMover;
  readonly #options: LogManagerOptions;
  readonly #environment: LogEnvironment;
  readonly #directories = new LogDirectories();
  readonly #placement = new Placement();
  readonly #opener: LogOpener;
  readonly #futures: FutureFolders;
  readonly #rivals: RivalFolders;
  readonly #loader: DirectoryLoader;
  readonly #chores: LogChores;
  readonly #dead: DeadFiles;
  #isStopped = false;

  constructor(options: LogManagerOptions) {
    this.#options = options;
    const { disk, clock, random, logger, clusterId, brokerId, configFor } = options;
    const directories = this.#directories;
    this.probe = options.probe ?? new LogProbe();
    this.#dead = new DeadFiles({ disk, clock, logger });
    this.#environment = this.#makeEnvironment();
    this.#opener = new LogOpener({ environment: this.#environment, configFor });
    this.cleaner = new LogCleaner({
      ...{ clock, logger },
      engine: options.cleaningEngine ?? new SlicedEngine({ disk, clock, random, logger }),
      logs: () => directories.logs(),
      settings: options.cleanerSettings ?? (() => defaultCleanerSettings),
      replicatedTo: options.replicatedTo ?? (() => Number.POSITIVE_INFINITY),
    });
    this.mover = new LogMover({
      ...{ disk, clock, logger },
      bytesPerSecond: options.moveBytesPerSecond ?? (() => Number.POSITIVE_INFINITY),
      owner: {
        directoryOf: (log) => directories.of(log),
        reopenFuture: (move) => this.#futures.reopen(move),
        makeFuture: (log, target) => this.#futures.make(log, target),
        openMoved: (former, target) => this.#futures.openMoved(former, target),
        replaced: (former, log, target) => this.#replaced(former, log, target),
        bury: (path, delayMs) => this.#dead.removeLater([path], delayMs),
      },
    });
    const { mover } = this;
    const opener = this.#opener;
    const folders: FoldersOptions = {
      ...{ disk, random, logger, mover, directories, opener },
      bury: (path) => this.#dead.removeLater([path], 0),
    };
    this.#futures = new FutureFolders(folders);
    this.#rivals = new RivalFolders(folders);
    this.#loader = new DirectoryLoader({
      ...{ disk, random, logger, clusterId, brokerId, directories, opener },
      probe: this.probe,
      futures: this.#futures,
      rivals: this.#rivals,
      onOffline: (path) => this.#onOffline(path),
    });
    const { retentionCheckMs, checkpointMs, producerIdExpirationMs } = options;
    this.#chores = new LogChores({
      ...{ clock, logger, directories, mover },
      ...{ retentionCheckMs, checkpointMs, producerIdExpirationMs },
    });
  }

  #makeEnvironment(): LogEnvironment {
    const { disk, clock, random, logger, tailCacheBytes, verifyReads } = this.#options;
    const { probe } = this;
    const buffers = new BufferPool();
    return {
      ...{ disk, clock, random, logger, probe, buffers },
      tailCache: new TailCache(probe, tailCacheBytes ?? TAIL_CACHE_BYTES_MAX),
      segmentCache: new SegmentCache(
        probe,
        Math.min(OPEN_SEGMENTS_MAX, disk.idleFilesMax ?? OPEN_SEGMENTS_MAX),
      ),
      readAhead: new ReadAhead({ buffers, probe, clock }),
      verifyReads: verifyReads ?? true,
      removeLater: (paths, delayMs) => this.#dead.removeLater(paths, delayMs),
      onDirty: () => this.#onDirty(),
      onCompacted: () => this.cleaner.need(),
      onDamaged: () => this.#options.onDamaged?.(),
    };
  }

  /**
   * Opens every partition there is, one directory after the other; then the moves, which need to
   * know of all directories whether they work; then the chores begin. Rejects with FatalError when
   * no directory can be used.
   */
  start(): Promise<void> {
    return new Promise((resolve) => {
      for (const path of this.#options.dirs) this.#loader.load(path);
      if (this.#directories.online.length === 0) {
        const reasons = [...this.#directories].map(({ directory }) => directory.failure?.message);
        throw new FatalError(`no usable log directory: ${reasons.join('; ')}`);
      }
      this.#futures.resume(this.#directories.offline === undefined);
      this.#chores.start();
      resolve();
    });
  }

  /**
   * The epoch under which the broker was registered when it stopped, if every directory was stopped
   * cleanly then; else -1: something that was not on the device may be lost.
   */
  get previousBrokerEpoch(): number {
    return this.#loader.previousBrokerEpoch;
  }

  get(topic: string, partition: number): PartitionLog | undefined {
    return this.#directories.get(topic, partition);
  }
  all(): Iterable<PartitionLog> {
    return this.#directories.logs();
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
    return [...this.#directories].map((managed) => ({
      path: managed.path,
      directoryId: managed.directoryId,
      failure: managed.directory.failure,
      logs: managed.logs.values(),
      futures: moves.filter(({ target }) => target === managed),
    }));
  }

  /** The metadata are known: of partitions that were found in two directories one log counts. */
  settle(topics: KnownTopics): void {
    this.#rivals.settle(topics);
  }

  /**
   * The partition's log; when there is none, it is made where it was wished for, or where the fewest
   * logs are. One that is not new may lie in a directory that is offline, and is not made then; what
   * lies there of one that is new does not count any more.
   * Throws ProtocolError: INCONSISTENT_TOPIC_ID when another topic's data is there,
   * KAFKA_STORAGE_ERROR. FatalError when the partition was found in two directories.
   */
  create(topic: string, topicId: string, partition: number, isNew = true): PartitionLog {
    const existing = this.get(topic, partition);
    if (existing !== undefined && this.#rivals.has(topic, partition)) {
      throw new FatalError(`${existing.path} is in another log directory, too`);
    }
    const isLost = isNew && existing?.logDirectory.failure !== null;
    if (existing !== undefined && !isLost) return this.#claimed(existing, topicId);
    if (existing !== undefined) {
      existing.abandon();
      this.#directories.withdraw(existing);
    }
    const name = partitionDirectory(topic, partition);
    if (!isNew) this.#directories.assertWhole(name);
    const managed = this.#placement.placeFor(topic, partition, this.#directories.online);
    const { disk } = this.#options;
    const path = `${managed.path}/${name}`;
    try {
      disk.assertDescriptors?.();
      managed.forget(name);
      disk.makeDirectory(path);
      managed.directory.entriesDirty = true;
      writeTopicId(disk, path, topicId);
      const left = { clean: false, offsets: NOTHING_SAVED };
      const log = this.#opener.open(managed, name, { topic, partition, topicId }, left);
      this.#directories.serve(managed, log);
      return log;
    } catch (error) {
      throw managed.directory.failed(`can't make ${path}`, error);
    }
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
    const managed = this.#directories.at(path);
    const { offline } = this.#directories;
    if (managed === undefined || offline !== undefined) {
      const text = `${log.path} can't be moved to ${path}: ${offline?.path ?? path} is not in use`;
      throw new ProtocolError(ErrorCode.KAFKA_STORAGE_ERROR, text);
    }
    this.mover.add(this.#futures.make(log, managed));
  }

  #replaced(former: PartitionLog, log: PartitionLog, target: ManagedDirectory): void {
    this.#directories.replace(former, log, target);
    this.#options.onMoved?.(former, log);
    this.#onDirty();
  }

  /** Takes the log out of service at once; its files go after `file.delete.delay.ms`. */
  delete(topic: string, partition: number): void {
    const log = this.get(topic, partition);
    if (log === undefined) return;
    const managed = this.#directories.of(log);
    log.logDirectory.assertOnline();
    // First, or a start could take a copy that is left for a log that has lost its other half.
    this.#giveUpMove(log);
    const { disk, random } = this.#options;
    const dead = `${managed.path}/${deletedDirectory(topic, partition, uniqueName(random))}`;
    let isLeft: boolean;
    try {
      isLeft = setAside(disk, log.path, dead);
      managed.directory.entriesDirty = true;
    } catch (error) {
      throw log.logDirectory.failed(`can't delete ${log.path}`, error);
    }
    log.abandon();
    this.#directories.withdraw(log);
    if (isLeft) this.#dead.removeLater([dead], log.config.fileDeleteDelayMs);
    this.#chores.changed();
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

  /** Applies retention to every log; returns how many segments were deleted. */
  deleteOldSegments(): number {
    return this.#chores.deleteOldSegments();
  }

  /** Writes down recovery points, log starts and high watermarks that changed. */
  checkpoint(): Promise<void> {
    return this.#chores.checkpoint();
  }

  #onDirty(): void {
    // A start and a stop have no use for either.
    if (!this.#chores.isRunning) return;
    this.cleaner.wake();
    this.#chores.changed();
  }

  #onOffline(path: string): void {
    const managed = this.#directories.at(path);
    if (managed !== undefined) this.mover.directoryFailed(managed);
    const logs = managed === undefined ? [] : [...managed.logs.values()];
    this.#options.onDirectoryOffline?.(path, logs);
  }

  /**
   * Ends what writes of its own accord (chores, moves, cleaning), in this order, then flushes and
   * closes every log and leaves the marker of a clean shutdown, with the epoch under which the broker
   * is registered. Idempotent.
   */
  async stop(brokerEpoch = -1): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#chores.stop();
    await this.#dead.stop();
    await this.mover.stop();
    await this.cleaner.stop();
    this.#environment.readAhead.close();
    for (const managed of this.#directories) await managed.close(brokerEpoch);
  }

  /** Lets go of everything as a killed process would, without writing a byte. For tests. */
  abandon(): void {
    this.#isStopped = true;
    this.#chores.stop();
    void this.#dead.stop();
    void this.cleaner.stop();
    void this.mover.stop();
    this.#environment.readAhead.close();
    for (const managed of this.#directories) managed.abandon();
  }
}
