import { assert } from '../base/assert.ts';
import type { Disk } from '../base/disk.ts';
import { formatCheckpoint, parseCheckpoint, wholeNumber } from './checkpoint-file.ts';
import { LEADER_EPOCH_FILE, replaceFileLazily } from './log-files.ts';

export interface EpochEntry {
  readonly epoch: number;
  /** First offset that was written under the epoch. */
  readonly startOffset: number;
}

/**
 * Which leader epoch wrote which offsets: `leader-epoch-checkpoint`, `epoch startOffset` a line.
 *
 * Invariant: epochs strictly rise, and so do their start offsets. A change is written at once, so
 * a killed process finds it; it is made durable by the log's next flush, together with the batches
 * that carry the same epoch. When power loss damages the file, the loader rebuilds it from those.
 * While the disk takes nothing, the file may lack what no batch carries yet, and what a start has found
 * in batches, and have what was cut off; nothing is appended before that has changed, and nothing
 * flushed while batches carry what it lacks.
 */
export class LeaderEpochFileCache {
  readonly #disk: Disk;
  readonly #path: string;
  #entries: EpochEntry[] = [];
  /** What the file says; none of it counts where it is damaged. */
  #inFile: readonly EpochEntry[] = [];
  #durable = true;
  /** The file says something else: what was changed without being written. */
  #isBehind = false;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#path = `${directory}/${LEADER_EPOCH_FILE}`;
  }

  /** Reads the file; false when it is damaged. An absent one is an empty one. */
  load(): boolean {
    this.#entries = [];
    this.#inFile = [];
    const bytes = this.#disk.readFile(this.#path);
    if (bytes === null) return true;
    const lines = parseCheckpoint(bytes, 2);
    if (lines === null) return false;
    for (const [epoch, startOffset] of lines) {
      const entry = { epoch: wholeNumber(epoch!), startOffset: wholeNumber(startOffset!) };
      const last = this.#entries.at(-1);
      const rises =
        last === undefined || (entry.epoch > last.epoch && entry.startOffset > last.startOffset);
      if (entry.epoch < 0 || entry.startOffset < 0 || !rises) {
        this.#entries = [];
        return false;
      }
      this.#entries.push(entry);
    }
    this.#inFile = [...this.#entries];
    return true;
  }

  get entries(): readonly EpochEntry[] {
    return this.#entries;
  }
  /** -1 when none is known. */
  get latestEpoch(): number {
    return this.#entries.at(-1)?.epoch ?? -1;
  }
  get isDurable(): boolean {
    return this.#durable;
  }

  /** Notes that `epoch` begins at `startOffset`. Entries it contradicts go. */
  assign(epoch: number, startOffset: number): void {
    const last = this.#entries.at(-1);
    if (last !== undefined && epoch === last.epoch && startOffset >= last.startOffset) return;
    const before = this.#entries;
    this.#entries = this.#with(epoch, startOffset);
    try {
      this.#write();
    } catch (error) {
      this.#entries = before;
      throw error;
    }
  }

  /**
   * The same, for a term of which nothing is appended yet, or while a start finds them one by one.
   * Never fails; the file has it after `complete`.
   */
  begin(epoch: number, startOffset: number): void {
    this.restore(this.#with(epoch, startOffset));
  }

  #with(epoch: number, startOffset: number): EpochEntry[] {
    assert(epoch >= 0 && startOffset >= 0, `leader epoch ${epoch} at offset ${startOffset}`);
    const kept = this.#entries.filter((e) => e.epoch < epoch && e.startOffset < startOffset);
    return [...kept, { epoch, startOffset }];
  }

  /**
   * Whether `offset`, which is missing with all behind it up to `end`, may have been written in `epoch`. A
   * start that looks for terms sees one that began in there begin later, at `end` at the latest.
   */
  allows(epoch: number, offset: number, end: number): boolean {
    const at = this.#entries.findLastIndex(({ startOffset }) => startOffset <= offset);
    const known = this.#entries[at];
    const next = this.#entries[at + 1];
    if (known === undefined) return next === undefined || epoch <= next.epoch;
    if (known.epoch === epoch) return true;
    // The first one begins where the log does, which may be in the middle of another term.
    const isExact = known.startOffset === offset && at > 0;
    if (isExact || epoch < known.epoch) return false;
    return next !== undefined && next.startOffset <= end && epoch <= next.epoch;
  }

  /** `offset` was written in `epoch`, which is allowed; whether that is news. Never fails; the file has it after `complete`. */
  learn(epoch: number, offset: number): boolean {
    if (epoch <= this.epochForOffset(offset)) return false;
    const before = this.#entries.filter((e) => e.epoch < epoch && e.startOffset < offset);
    const behind = this.#entries.filter((e) => e.epoch > epoch);
    this.restore([...before, { epoch, startOffset: offset }, ...behind]);
    return true;
  }

  /**
   * Makes `entries` the content, as what others spoke of is not in the log. Never fails; the file has
   * it after `complete`.
   */
  restore(entries: readonly EpochEntry[]): void {
    if (entries === this.#entries) return;
    this.#entries = [...entries];
    this.#durable = false;
    this.#isBehind = true;
  }

  /** Makes the file right again if it is not. To be called before anything is appended. */
  complete(): void {
    if (this.#isBehind) this.#write();
  }

  /**
   * Whether the file, right or not, has all entries that batches before `endOffset` carry, perhaps
   * besides some that begin outside the log: who reads it and truncates it to the log has what is here.
   */
  covers(endOffset: number): boolean {
    if (!this.#isBehind) return true;
    return this.#entries.every(({ epoch, startOffset }, i) => {
      if (startOffset >= endOffset) return true;
      const known = this.#inFile.find((entry) => entry.epoch === epoch)?.startOffset ?? Infinity;
      return i === 0 ? known <= startOffset : known === startOffset;
    });
  }

  #write(): void {
    replaceFileLazily(this.#disk, this.#path, this.#format());
    this.#inFile = this.#entries;
    this.#durable = false;
    this.#isBehind = false;
  }

  /**
   * Forgets epochs that begin at or behind the log's end, which it has now. Never fails; the file has
   * it after `complete`.
   */
  truncateFromEnd(endOffset: number): void {
    const kept = this.#entries.filter((e) => e.startOffset < endOffset);
    if (kept.length < this.#entries.length) this.restore(kept);
  }

  /**
   * The epoch that holds `startOffset` begins there from now on; earlier ones go. Never fails; the
   * file has it after `complete`.
   */
  truncateFromStart(startOffset: number): void {
    const gone = this.#entries.filter((e) => e.startOffset <= startOffset);
    const holder = gone.at(-1);
    if (holder === undefined || (gone.length === 1 && holder.startOffset === startOffset)) return;
    this.restore([{ epoch: holder.epoch, startOffset }, ...this.#entries.slice(gone.length)]);
  }

  /** Forgets all of them. Never fails; the file has it after `complete`. */
  clear(): void {
    if (this.#entries.length > 0) this.restore([]);
  }

  #format(): Buffer {
    return formatCheckpoint(this.#entries.map((e) => `${e.epoch} ${e.startOffset}`));
  }

  /**
   * Waits until the file's content is on the device. Its name is so once the directory has been
   * synced as well, which the caller does.
   */
  async sync(): Promise<void> {
    if (this.#durable) return;
    // Its first epoch is one that nothing carries.
    if (this.#isBehind && !this.#disk.exists(this.#path)) return;
    const synced = this.#entries;
    const file = this.#disk.open(this.#path, 'read');
    try {
      await file.sync();
    } finally {
      file.close();
    }
    // A change while waiting has put another file in its place.
    if (synced === this.#entries && !this.#isBehind) this.#durable = true;
  }

  /**
   * The largest epoch ≤ `epoch` that is known, and where it ends; (-1, -1) when that can't be told.
   * As Kafka's OffsetForLeaderEpoch (KIP-101, KIP-279).
   */
  endOffsetFor(epoch: number, logEndOffset: number): { epoch: number; endOffset: number } {
    if (epoch >= 0 && epoch === this.latestEpoch) return { epoch, endOffset: logEndOffset };
    const higher = this.#entries.findIndex((e) => e.epoch > epoch);
    if (epoch === -1 || higher < 0) return { epoch: -1, endOffset: -1 };
    const endOffset = this.#entries[higher]!.startOffset;
    return { epoch: higher === 0 ? epoch : this.#entries[higher - 1]!.epoch, endOffset };
  }

  /** The epoch that wrote `offset`, and offsets from `start` up to `end`; null: none is known. */
  spanOf(offset: number): { readonly epoch: number; start: number; end: number } | null {
    const at = this.#entries.findLastIndex(({ startOffset }) => startOffset <= offset);
    if (at < 0) return null;
    const { epoch, startOffset: start } = this.#entries[at]!;
    return { epoch, start, end: this.#entries[at + 1]?.startOffset ?? Infinity };
  }

  /** The epoch that wrote `offset`, or -1. */
  epochForOffset(offset: number): number {
    let epoch = -1;
    for (const entry of this.#entries) {
      if (entry.startOffset > offset) break;
      epoch = entry.epoch;
    }
    return epoch;
  }
}
