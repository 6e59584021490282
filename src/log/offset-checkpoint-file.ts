import type { Disk } from '../base/disk.ts';
import { formatCheckpoint, parseCheckpoint, wholeNumber } from './checkpoint-file.ts';
import { TEMPORARY_SUFFIX } from './log-files.ts';

export interface OffsetCheckpointFileOptions {
  readonly disk: Disk;
  readonly path: string;
  /** Resolves when the device knows the names in the file's directory as they are at the call. */
  readonly syncNames: () => Promise<void>;
}

/** Behind the name of what is written without blocking: a blocking write in between has its own. */
const LATER_SUFFIX = '.later';

/**
 * `recovery-point-offset-checkpoint`, `log-start-offset-checkpoint`, `replication-offset-checkpoint`,
 * `cleaner-offset-checkpoint` and our own `removed-offset-checkpoint` of a log directory: one offset a partition,
 * `topic partition offset` a line. Replaced whole, so a killed process leaves the old one or the new.
 *
 * The offsets are here, and what changes one says so; it is in the file once it has been saved. A
 * blocking save may overtake one that waits for the device: that one leaves the file alone then.
 */
export class OffsetCheckpointFile {
  readonly path: string;
  readonly #options: OffsetCheckpointFileOptions;
  /** By `topic-partition`. */
  readonly #offsets = new Map<string, number>();
  /** Rises with every change: of what is here, of what has the file's name, and of what the device has. */
  #version = 0;
  #written = 0;
  #saved = 0;
  /** Forgotten, and perhaps in the file still. */
  readonly #stale = new Set<string>();
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #isAbandoned = false;

  constructor(options: OffsetCheckpointFileOptions) {
    this.#options = options;
    this.path = options.path;
  }

  /**
   * Offsets by `topic-partition`; null when the file is damaged; empty when there is none, or nothing
   * in it: Kafka makes an empty one before it has offsets.
   */
  read(): Map<string, number> | null {
    const bytes = this.#options.disk.readFile(this.path);
    if (bytes === null || bytes.length === 0) {
      // Kafka's tools want it to be there.
      this.#version++;
      return new Map();
    }
    const entries = parseCheckpoint(bytes, 3);
    if (entries === null) return null;
    const offsets = new Map<string, number>();
    for (const [topic, partition, offset] of entries) {
      if (wholeNumber(partition!) < 0 || wholeNumber(offset!) < 0) return null;
      offsets.set(`${topic}-${partition}`, wholeNumber(offset!));
    }
    for (const [key, offset] of offsets) this.#offsets.set(key, offset);
    return offsets;
  }

  /** What is known of `topic-partition`; null: nothing is. */
  get(key: string): number | null {
    return this.#offsets.get(key) ?? null;
  }

  /** The offset of `topic-partition` is this; null: it needs none. */
  set(key: string, offset: number | null): void {
    if (offset === null) {
      if (!this.#offsets.delete(key)) return;
      this.#stale.add(key);
    } else {
      if (this.#offsets.get(key) === offset) return;
      this.#offsets.set(key, offset);
      this.#stale.delete(key);
    }
    this.#version++;
  }

  /** Forgets all that `isKnown` does not know. */
  keep(isKnown: (key: string) => boolean): void {
    for (const key of this.#offsets.keys()) if (!isKnown(key)) this.set(key, null);
  }

  /** From here on a start finds nothing of `topic-partition`, which is to be another log's. Blocking. */
  forgetNow(key: string): void {
    this.set(key, null);
    if (this.#stale.has(key)) this.saveNow();
  }

  /** Resolves when the device has what is here now; callers share writes. */
  save(): Promise<void> {
    if (this.#saved === this.#version) return Promise.resolve();
    if (this.#running === null) {
      this.#running = this.#write().finally(() => {
        this.#running = null;
      });
      return this.#running;
    }
    this.#next ??= this.#after(this.#running);
    return this.#next;
  }

  async #after(running: Promise<void>): Promise<void> {
    // Whoever waits for that one hears of its failure; the next one judges for itself.
    await running.catch(() => {});
    this.#next = null;
    await this.save();
  }

  async #write(): Promise<void> {
    const { disk, syncNames } = this.#options;
    while (this.#saved < this.#version) {
      const version = this.#version;
      const temporary = this.path + LATER_SUFFIX + TEMPORARY_SUFFIX;
      const file = disk.open(temporary, 'create');
      try {
        if (file.size() > 0) file.truncate(0);
        file.write([this.#format()], 0);
        await file.sync();
      } finally {
        file.close();
      }
      if (this.#isAbandoned) return;
      if (this.#written > version) continue;
      disk.rename(temporary, this.path);
      this.#hasWritten(version);
      await syncNames();
      this.#saved = Math.max(this.#saved, version);
      // What has changed meanwhile is for whoever asks for it.
      return;
    }
  }

  #hasWritten(version: number): void {
    this.#written = version;
    if (version === this.#version) this.#stale.clear();
  }

  /** The same, blocking. */
  saveNow(): void {
    if (this.#saved === this.#version) return;
    this.#options.disk.replaceFile(this.path, this.#format());
    this.#hasWritten(this.#version);
    this.#saved = this.#version;
  }

  /** Nothing is written any more. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  #format(): Buffer {
    const lines: string[] = [];
    for (const [key, offset] of this.#offsets) {
      const dash = key.lastIndexOf('-');
      lines.push(`${key.slice(0, dash)} ${key.slice(dash + 1)} ${offset}`);
    }
    return formatCheckpoint(lines);
  }
}
