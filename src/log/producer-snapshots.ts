import type { Disk } from '../base/disk.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { isPassing } from './log-directory.ts';
import { offsetName, offsetOfName, replaceFileLazily, SNAPSHOT_SUFFIX } from './log-files.ts';
import type { LogProbe } from './probe.ts';
import { decodeSnapshot, encodeSnapshot } from './producer-snapshot.ts';
import type { ProducerStateEntry } from './producer-state-entry.ts';

/** Where a log keeps them, and what it tells of them. */
export interface SnapshotOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly logger: Logger;
  readonly probe: LogProbe;
}

/**
 * The `.snapshot` files of one log: the state of its producers, each named by the offset up to which
 * it covers the log. A snapshot is a cache: a lost or damaged one costs reading more of the log.
 */
export class ProducerSnapshots {
  readonly #options: SnapshotOptions;
  #offsets: number[] = [];

  constructor(options: SnapshotOptions) {
    this.#options = options;
  }

  get offsets(): readonly number[] {
    return this.#offsets;
  }

  /** Finds those that lie in the directory. */
  list(names: readonly string[]): void {
    const offsets = names.map((name) => offsetOfName(name, SNAPSHOT_SUFFIX));
    this.#offsets = offsets.filter((offset) => offset >= 0).sort((a, b) => a - b);
  }

  /** The newest whole one in (`from`, `upTo`]; damaged ones that are met are removed. */
  newest(from: number, upTo: number): { offset: number; entries: ProducerStateEntry[] } | null {
    const { disk, logger } = this.#options;
    for (const offset of this.#offsets.toReversed()) {
      if (offset > upTo) continue;
      if (offset <= from) break;
      const bytes = disk.readFile(this.#path(offset));
      const entries = bytes === null ? null : decodeSnapshot(bytes);
      if (entries !== null) return { offset, entries };
      logger.warn(`${this.#path(offset)} is damaged, reading the log instead`);
      this.#remove(offset);
    }
    return null;
  }

  /** Writes one down. Want of room costs only time later. */
  take(offset: number, entries: Iterable<ProducerStateEntry>): void {
    if (this.#offsets.includes(offset)) return;
    const { disk, logger, probe } = this.#options;
    try {
      replaceFileLazily(disk, this.#path(offset), encodeSnapshot(entries));
    } catch (error) {
      if (!isPassing(error)) throw error;
      probe.cacheWriteFailures++;
      logger.warn(`can't write ${this.#path(offset)}: ${reasonOf(error)}`);
      return;
    }
    this.#offsets.push(offset);
    this.#offsets.sort((a, b) => a - b);
  }

  /** Removes all but those of a segment's base and the newest. */
  removeStray(segmentBases: ReadonlySet<number>): void {
    const newest = this.#offsets.at(-1);
    this.#removeIf((offset) => offset !== newest && !segmentBases.has(offset));
  }
  removeBefore(offset: number): void {
    this.#removeIf((old) => old < offset);
  }
  /** Those of offsets that the log does not have. */
  removeAfter(offset: number): void {
    this.#removeIf((newer) => newer > offset);
  }
  removeAll(): void {
    this.#removeIf(() => true);
  }

  #removeIf(isUnwanted: (offset: number) => boolean): void {
    for (const offset of this.#offsets.filter(isUnwanted)) this.#remove(offset);
  }
  #remove(offset: number): void {
    this.#options.disk.remove(this.#path(offset));
    this.#offsets = this.#offsets.filter((o) => o !== offset);
  }
  #path(offset: number): string {
    return `${this.#options.directory}/${offsetName(offset, SNAPSHOT_SUFFIX)}`;
  }
}
