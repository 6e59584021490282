/**
 * Folders of a partition that were found at a start beside another one of it, in another directory,
 * with records in both. A directory that was offline comes back with what it had: of a topic that was
 * deleted and made anew meanwhile, or of a replica that was taken from this broker and given back.
 *
 * Which one counts is known once the metadata are. Of two topics of that name it is the one that has it
 * now; of two replicas of one topic the one whose log is further, by term and end: whoever is in sync
 * has everything committed, and so has what is further than that. The other one is set aside, as a
 * stray (Kafka's name for it), for a person to look at; or goes, where it is known that its topic was
 * deleted.
 */
import { ProtocolError } from '../protocol/error-codes.ts';
import { setAside } from './dead-folder.ts';
import type { FoldersOptions } from './future-folders.ts';
import { deletedDirectory, partitionDirectory, strayDirectory, uniqueName } from './log-files.ts';
import type { LeftBehind, LogIdentity } from './log-opener.ts';
import type { ManagedDirectory } from './managed-directory.ts';
import type { PartitionLog } from './partition-log.ts';

/** What the metadata say of topics. */
export interface KnownTopics {
  /** Id of the topic that has the name now. */
  readonly idOf: (name: string) => string | undefined;
  readonly wasRemoved: (topicId: string) => boolean;
}

interface Rival extends LogIdentity {
  readonly managed: ManagedDirectory;
  readonly left: LeftBehind;
}

export class RivalFolders {
  readonly #options: FoldersOptions;
  readonly #found = new Map<string, Rival[]>();

  constructor(options: FoldersOptions) {
    this.#options = options;
  }

  /** At a start: the folder of a partition that another directory has one of already. */
  found(rival: Rival): void {
    const name = partitionDirectory(rival.topic, rival.partition);
    this.#found.set(name, [...(this.#found.get(name) ?? []), rival]);
  }

  /** Whether it is open still which log of the partition counts. */
  has(topic: string, partition: number): boolean {
    return this.#found.has(partitionDirectory(topic, partition));
  }

  /** Finds out which counts, before any of them is used. */
  settle(topics: KnownTopics): void {
    for (const rival of [...this.#found.values()].flat()) {
      const { directory } = rival.managed;
      // The next start finds it again.
      if (directory.failure !== null) continue;
      try {
        this.#settle(rival, topics);
      } catch (error) {
        const shown = directory.failed(`can't open ${pathOf(rival)}`, error);
        if (!(shown instanceof ProtocolError)) throw shown;
        this.#options.logger.warn(shown.message);
      }
    }
    this.#found.clear();
  }

  #settle(rival: Rival, topics: KnownTopics): void {
    const { directories, opener, mover } = this.#options;
    const { managed, topic, partition, topicId, left } = rival;
    const current = directories.get(topic, partition);
    const wanted = topics.idOf(topic);
    if (topicId !== wanted) return this.#putAway(managed, rival, topics);
    const log = opener.open(managed, partitionDirectory(topic, partition), rival, left);
    if (current !== undefined) {
      if (current.topicId === wanted && !isFurther(log, current)) {
        log.abandon();
        return this.#putAway(managed, rival, topics);
      }
      mover.cancel(current);
      this.#putAway(directories.of(current), current, topics);
      directories.withdraw(current);
      current.abandon();
    }
    directories.serve(managed, log);
  }

  #putAway(managed: ManagedDirectory, of: LogIdentity, { wasRemoved }: KnownTopics): void {
    const { disk, random, logger, bury } = this.#options;
    const { topic, partition, topicId } = of;
    const isDead = topicId !== null && wasRemoved(topicId);
    const path = `${managed.path}/${partitionDirectory(topic, partition)}`;
    const nameOf = isDead ? deletedDirectory : strayDirectory;
    const aside = `${managed.path}/${nameOf(topic, partition, uniqueName(random))}`;
    if (isDead) {
      if (setAside(disk, path, aside)) bury(aside);
    } else disk.rename(path, aside);
    disk.syncDirectory(managed.path);
    const fate = isDead ? 'is removed' : `is set aside as ${aside}`;
    logger.warn(`${path} is not the log of the partition any more: it ${fate}`);
  }
}

const pathOf = ({ managed, topic, partition }: Rival): string =>
  `${managed.path}/${partitionDirectory(topic, partition)}`;

const isFurther = (a: PartitionLog, b: PartitionLog): boolean =>
  a.latestEpoch === b.latestEpoch ? a.logEndOffset > b.logEndOffset : a.latestEpoch > b.latestEpoch;
