/**
 * The folders of replicas that are being moved: makes them, opens them, and finds out at a start what
 * the last run has left of them. What their names mean is told in `log-mover.ts`.
 */
import type { Disk } from '../base/disk.ts';
import { FatalError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { ProtocolError } from '../protocol/error-codes.ts';
import { FutureLog } from './future-log.ts';
import type { LogDirectories } from './log-directories.ts';
import {
  DELETED_DIRECTORY_SUFFIX,
  deletedDirectory,
  futureDirectory,
  parseFutureDirectory,
  partitionDirectory,
  uniqueName,
} from './log-files.ts';
import type { LogMover } from './log-mover.ts';
import type { LeftBehind, LogOpener } from './log-opener.ts';
import { type ManagedDirectory, NOTHING_SAVED, type SavedOffsets } from './managed-directory.ts';
import type { PartitionLog } from './partition-log.ts';
import { readTopicId, writeTopicId } from './partition-metadata.ts';

/** What those work with who deal with folders that a start finds. */
export interface FoldersOptions {
  readonly disk: Disk;
  readonly random: Random;
  readonly logger: Logger;
  readonly mover: LogMover;
  readonly directories: LogDirectories;
  readonly opener: LogOpener;
  /** The folder is dead, and goes. */
  readonly bury: (path: string) => void;
}

interface FoundFuture {
  readonly managed: ManagedDirectory;
  readonly name: string;
  readonly topic: string;
  readonly partition: number;
  readonly unique: string;
  readonly left: LeftBehind;
}

export class FutureFolders {
  readonly #options: FoldersOptions;
  #futures: FoundFuture[] = [];
  #dead: { readonly managed: ManagedDirectory; readonly name: string }[] = [];

  constructor(options: FoldersOptions) {
    this.#options = options;
  }

  /** At a start, with every name in a log directory: whether it is one that is dealt with here. */
  found(managed: ManagedDirectory, name: string, left: LeftBehind): boolean {
    if (name.endsWith(DELETED_DIRECTORY_SUFFIX)) {
      this.#dead.push({ managed, name });
      return true;
    }
    const future = parseFutureDirectory(name);
    if (future === null) return false;
    this.#futures.push({ ...future, managed, name, left });
    return true;
  }

  /** Once all logs are open: goes on with what was found. `isWhole`: no directory is offline. */
  resume(isWhole: boolean): void {
    const { logger, bury } = this.#options;
    for (const found of this.#futures) {
      const { managed, name } = found;
      try {
        if (managed.directory.failure === null) this.#resume(found, isWhole);
      } catch (error) {
        if (error instanceof FatalError) throw error;
        const shown = managed.directory.failed(`can't open ${managed.path}/${name}`, error);
        if (!(shown instanceof ProtocolError)) throw shown;
        logger.warn(shown.message);
      }
    }
    // What is in a directory that is offline may turn out to need them.
    if (isWhole) for (const { managed, name } of this.#dead) bury(`${managed.path}/${name}`);
    this.#futures = [];
    this.#dead = [];
  }

  #resume(found: FoundFuture, isWhole: boolean): void {
    const { managed, name, topic, partition, unique, left } = found;
    const { disk, mover, directories, opener } = this.#options;
    const topicId = readTopicId(disk, `${managed.path}/${name}`);
    const current = directories.get(topic, partition);
    if (current === undefined) return this.#takePlace(found, topicId, isWhole);
    const isOfTopic = topicId !== null && topicId === current.topicId;
    if (!isOfTopic || current.logDirectory === managed.directory || mover.of(current)) {
      return this.#discard(found, current);
    }
    const future = opener.open(managed, name, current, left);
    mover.resume(new FutureLog({ current, future, target: managed, unique }));
  }

  /** The log that it is a copy of is not there. */
  #takePlace(found: FoundFuture, topicId: string | null, isWhole: boolean): void {
    const { managed, name, topic, partition, unique, left } = found;
    const { disk, logger, directories, opener } = this.#options;
    const path = `${managed.path}/${name}`;
    const aside = deletedDirectory(topic, partition, unique);
    const isReplaced = this.#dead.some((dead) => dead.name === aside);
    // Else it may not be all; but where no other can be, it is all that there is.
    if (!isReplaced && (!isWhole || topicId === null)) {
      logger.warn(`${path} is kept and not served: the log that it is a copy of is missing`);
      return;
    }
    const place = partitionDirectory(topic, partition);
    disk.rename(path, `${managed.path}/${place}`);
    disk.syncDirectory(managed.path);
    const log = opener.open(managed, place, { topic, partition, topicId }, left);
    directories.serve(managed, log);
  }

  #discard({ managed, name, topic, partition, unique }: FoundFuture, current: PartitionLog): void {
    const { disk, logger, bury } = this.#options;
    const path = `${managed.path}/${name}`;
    logger.warn(`${path} is no copy of ${current.path} that is needed: it is removed`);
    const dead = `${managed.path}/${deletedDirectory(topic, partition, unique)}`;
    disk.rename(path, dead);
    bury(dead);
  }

  /** An empty copy of `log`. Throws KAFKA_STORAGE_ERROR. */
  make(log: PartitionLog, target: ManagedDirectory): FutureLog {
    const { disk, random, opener } = this.#options;
    const { topic, partition, topicId } = log;
    const unique = uniqueName(random);
    const name = futureDirectory(topic, partition, unique);
    const path = `${target.path}/${name}`;
    const start = new Map([[partitionDirectory(topic, partition), FutureLog.startOf(log)]]);
    try {
      target.forget(partitionDirectory(topic, partition));
      disk.makeDirectory(path);
      target.directory.entriesDirty = true;
      if (topicId !== null) writeTopicId(disk, path, topicId);
      const left = { clean: false, offsets: { ...NOTHING_SAVED, logStarts: start } };
      const future = opener.open(target, name, log, left);
      return new FutureLog({ current: log, future, target, unique });
    } catch (error) {
      const shown = target.directory.failed(`can't make ${path}`, error);
      // Each attempt makes one of its own; a start removes what can't be now.
      if (target.directory.failure === null) disk.removeDirectory(path);
      throw shown;
    }
  }

  /** The copy again, which was closed and has not taken the place of the current log. */
  reopen({ current, future, target, unique }: FutureLog): FutureLog {
    const name = futureDirectory(current.topic, current.partition, unique);
    const left = { clean: false, offsets: offsetsOf(future) };
    const again = this.#options.opener.open(target, name, current, left);
    return new FutureLog({ current, future: again, target, unique });
  }

  /** The copy in the place of `former`; it was closed in good order. */
  openMoved(former: PartitionLog, target: ManagedDirectory): PartitionLog {
    const name = partitionDirectory(former.topic, former.partition);
    const left = { clean: true, offsets: offsetsOf(former) };
    return this.#options.opener.open(target, name, former, left);
  }
}

/** What the checkpoints would say of the log. */
function offsetsOf(log: PartitionLog): SavedOffsets {
  const of = (offset: number): ReadonlyMap<string, number> =>
    new Map([[partitionDirectory(log.topic, log.partition), offset]]);
  return {
    recoveryPoints: of(log.flushedOffset),
    logStarts: of(log.logStartOffset),
    highWatermarks: of(log.highWatermark),
    cleaned: log.cleanedTo === null ? new Map() : of(log.cleanedTo),
    removed: of(log.removedTo),
  };
}
