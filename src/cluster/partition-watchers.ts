/**
 * Who waits for a partition to change (delayed fetches), by what they wait for, and about how many
 * bytes become visible to each kind: a fetch that waits for so many counts them up.
 *
 * The bytes are an estimate: known is what was appended, and where the high watermark and the last
 * stable offset are in between. After a start or a truncation it begins anew.
 */
import type { Partition } from './partition.ts';

/** Something that may be able to go on once a partition has changed (a delayed fetch). */
export interface PartitionWatcher {
  /**
   * Records of about `bytes` have become visible to it, by what it waits for; 0: something else has
   * changed, look again.
   */
  changed(partition: Partition, bytes: number): void;
  /** To a follower: records that it has are committed. */
  committed?(partition: Partition): void;
}

/**
 * What a watcher waits for: what is appended (a follower), what is committed, or what belongs to no
 * open transaction either.
 */
export type WatchFor = 'appended' | 'committed' | 'stable';

export class PartitionWatchers {
  readonly #partition: Partition;
  readonly #of: Readonly<Record<WatchFor, Set<PartitionWatcher>>> = {
    committed: new Set(),
    stable: new Set(),
    appended: new Set(),
  };
  /** Bytes appended and not yet visible to clients. */
  #hiddenBytes = 0;
  /** Bytes committed that wait for the end of transactions, and where those begin. */
  #unstableBytes = 0;
  #stableOffset = -1;

  constructor(partition: Partition) {
    this.#partition = partition;
  }

  /** Calls `watcher` at every change until `remove`. */
  add(watcher: PartitionWatcher, what: WatchFor): void {
    this.#of[what].add(watcher);
  }
  remove(watcher: PartitionWatcher, what: WatchFor): void {
    this.#of[what].delete(watcher);
  }

  /** So many bytes are in the log that nobody was told of. */
  hidden(bytes: number): void {
    this.#hiddenBytes += bytes;
  }
  /** The log was cut off, or begins elsewhere. */
  cut(): void {
    this.#hiddenBytes = 0;
    this.#unstableBytes = 0;
    this.#stableOffset = -1;
    this.changed();
  }

  /** Something else than records has changed: all look again. */
  changed(): void {
    this.#tell('committed', 0);
    this.#tell('stable', 0);
    this.#tell('appended', 0);
  }
  /** To followers: so many bytes were appended, or with 0, they are to look again. */
  appended(bytes: number): void {
    this.#tell('appended', bytes);
  }

  /** More is committed than at `before`. */
  highWatermarkMoved(before: number): void {
    const { highWatermark, logEndOffset } = this.#partition.log;
    const hidden = logEndOffset - before;
    const visible =
      highWatermark >= logEndOffset || hidden <= 0
        ? this.#hiddenBytes
        : Math.round((this.#hiddenBytes * (highWatermark - before)) / hidden);
    this.#hiddenBytes -= visible;
    this.#tell('committed', Math.max(visible, 1));
    this.#becameVisible(visible, highWatermark);
    for (const watcher of this.#of.appended) watcher.committed?.(this.#partition);
  }

  /** The same of readers that wait for the outcome of transactions. */
  #becameVisible(visible: number, highWatermark: number): void {
    const stable = this.#partition.log.lastStableOffset;
    const before = this.#stableOffset;
    this.#unstableBytes += visible;
    this.#stableOffset = stable;
    if (stable <= before) return;
    const unstable = highWatermark - before;
    const bytes =
      stable >= highWatermark
        ? this.#unstableBytes
        : Math.round((this.#unstableBytes * (stable - before)) / unstable);
    this.#unstableBytes -= bytes;
    this.#tell('stable', Math.max(bytes, 1));
  }

  #tell(what: WatchFor, bytes: number): void {
    for (const watcher of this.#of[what]) watcher.changed(this.#partition, bytes);
  }
}
