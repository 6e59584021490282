/**
 * Opens a log directory at a start, and what lies in it, in this order:
 *
 * 1. the folder, made where there is none, and claimed by `meta.properties`;
 * 2. the marker of a clean shutdown, taken away before anything is written;
 * 3. the checkpoints, which tell each log from where on it is to be recovered;
 * 4. every log, recovered and served. Folders that are dead, or of a move, are noted and dealt
 *    with once all directories are open.
 *
 * A directory that can't be opened is offline in this run, and the others go on. One that is not
 * this broker's is a FatalError, and so are two with records of the same partition where nothing tells
 * whose they are: whoever has mounted them decides.
 */
import type { Disk } from '../base/disk.ts';
import { FatalError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { ProtocolError } from '../protocol/error-codes.ts';
import type { FutureFolders } from './future-folders.ts';
import type { LogDirectories } from './log-directories.ts';
import { LogDirectory } from './log-directory.ts';
import {
  LOG_SUFFIX,
  offsetOfName,
  parsePartitionDirectory,
  partitionDirectory,
} from './log-files.ts';
import type { LogOpener } from './log-opener.ts';
import { ManagedDirectory } from './managed-directory.ts';
import { claimLogDirectory } from './meta-properties.ts';
import type { PartitionLog } from './partition-log.ts';
import { readTopicId } from './partition-metadata.ts';
import type { LogProbe } from './probe.ts';
import type { RivalFolders } from './rival-folders.ts';

export interface DirectoryLoaderOptions {
  readonly disk: Disk;
  readonly random: Random;
  readonly logger: Logger;
  readonly probe: LogProbe;
  /** Whose directories they are. */
  readonly clusterId: string;
  readonly brokerId: number;
  readonly directories: LogDirectories;
  readonly futures: FutureFolders;
  readonly rivals: RivalFolders;
  readonly opener: LogOpener;
  /** Called in the tick in which the directory fails. */
  readonly onOffline: (path: string) => void;
}

export class DirectoryLoader {
  readonly #options: DirectoryLoaderOptions;
  readonly #epochsOfCleanStop: number[] = [];

  constructor(options: DirectoryLoaderOptions) {
    this.#options = options;
  }

  /**
   * The epoch under which the broker was registered when it stopped, if every directory was stopped
   * cleanly then; else -1: something that was not on the device may be lost.
   */
  get previousBrokerEpoch(): number {
    const [first = -1, ...others] = this.#epochsOfCleanStop;
    return others.every((epoch) => epoch === first) ? first : -1;
  }

  /** Adds the directory `path` to the others, offline if it can't be opened. */
  load(path: string): void {
    const { disk, logger, random, probe, clusterId, brokerId, directories } = this.#options;
    const onOffline = (): void => this.#options.onOffline(path);
    const directory = new LogDirectory({ path, probe, logger, onOffline });
    let managed: ManagedDirectory | null = null;
    try {
      disk.makeDirectory(path);
      const owner = { clusterId, nodeId: brokerId };
      const { directoryId } = claimLogDirectory(disk, random, path, owner);
      managed = new ManagedDirectory(disk, logger, directory, directoryId);
      directories.add(managed);
      this.#loadLogs(managed);
    } catch (error) {
      if (error instanceof FatalError) throw error;
      if (managed === null) directories.add(new ManagedDirectory(disk, logger, directory, ''));
      const shown = directory.failed(`can't open log directory ${path}`, error);
      if (!(shown instanceof ProtocolError)) throw shown;
      // Without room or descriptors to even open it, it is of no use in this run.
      directory.takeOffline(reasonOf(error), error);
      // Nobody knows how it was left.
      this.#epochsOfCleanStop.push(-1);
    }
  }

  #loadLogs(managed: ManagedDirectory): void {
    const { disk, logger, directories, futures, rivals, opener } = this.#options;
    const marker = managed.takeCleanMarker();
    const clean = marker !== null;
    this.#epochsOfCleanStop.push(marker?.brokerEpoch ?? -1);
    const left = { clean, offsets: managed.readOffsets() };
    for (const name of disk.list(managed.path)) {
      if (futures.found(managed, name, left)) continue;
      const parsed = parsePartitionDirectory(name);
      if (parsed === null) continue;
      const path = `${managed.path}/${name}`;
      const topicId = readTopicId(disk, path);
      const other = directories.get(parsed.topic, parsed.partition);
      if (other !== undefined && isRival(disk, path, topicId, other)) {
        rivals.found({ managed, left, ...parsed, topicId });
        continue;
      }
      if (other !== undefined && !this.#isRather(path, other)) continue;
      directories.serve(managed, opener.open(managed, name, { ...parsed, topicId }, left));
    }
    // Folders that were formatted and never used have nothing to recover.
    const isUsed = [...managed.logs.values()].some(({ logEndOffset }) => logEndOffset > 0);
    if (!clean && isUsed) {
      logger.info(`${managed.path} was not shut down cleanly: recovered ${managed.logs.size} logs`);
    }
  }

  /**
   * Whether the log in the folder `path` takes the place of `other`, of the same partition, which was
   * found in another directory. A directory that fails while a partition is made in it leaves a folder
   * without records, and the partition is made elsewhere: when the directory is back, that folder goes.
   * Throws FatalError where both have records.
   */
  #isRather(path: string, other: PartitionLog): boolean {
    const { disk, logger, directories } = this.#options;
    const isRather = hasRecords(disk, path);
    if (isRather && other.logEndOffset > 0) throw inTwoPlaces(path, other);
    const unmade = isRather ? other.path : path;
    logger.warn(`${unmade} was never finished, and is removed`);
    if (isRather) {
      directories.withdraw(other);
      other.abandon();
    }
    disk.removeDirectory(unmade);
    return isRather;
  }
}

/** Whether only the metadata can tell which of the two counts, which both say whose they are. */
const isRival = (disk: Disk, path: string, topicId: string | null, other: PartitionLog): boolean =>
  topicId !== null &&
  other.topicId !== null &&
  (topicId !== other.topicId || (other.logEndOffset > 0 && hasRecords(disk, path)));

const inTwoPlaces = (path: string, { topic, partition, path: other }: PartitionLog): FatalError =>
  new FatalError(
    `${partitionDirectory(topic, partition)} is in two log directories: ${path} and ${other}`,
  );

/** Or had some: a log that was emptied goes on at the offset that its segment is named by. */
const hasRecords = (disk: Disk, folder: string): boolean =>
  disk.list(folder).some((name) => {
    const baseOffset = offsetOfName(name, LOG_SUFFIX);
    if (baseOffset !== 0) return baseOffset > 0;
    const file = disk.open(`${folder}/${name}`, 'read');
    try {
      return file.size() > 0;
    } finally {
      file.close();
    }
  });
