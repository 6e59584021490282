import type { Disk } from '../base/disk.ts';
import { formatCheckpoint, parseCheckpoint, wholeNumber } from './checkpoint-file.ts';
import { replaceFileLazily } from './log-files.ts';

/**
 * `recovery-point-offset-checkpoint`, `log-start-offset-checkpoint` and
 * `replication-offset-checkpoint` of a log directory: one offset a partition,
 * `topic partition offset` a line. Replaced whole, so a killed process leaves the old one or the new.
 */
export class OffsetCheckpointFile {
  readonly path: string;
  readonly #disk: Disk;
  #last: Buffer | null = null;
  #durable = false;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.path = path;
  }

  /**
   * Offsets by `topic-partition`; null when the file is damaged; empty when there is none, or nothing
   * in it: Kafka makes an empty one before it has offsets.
   */
  read(): Map<string, number> | null {
    const bytes = this.#disk.readFile(this.path);
    if (bytes === null || bytes.length === 0) return new Map();
    const entries = parseCheckpoint(bytes, 3);
    if (entries === null) return null;
    const offsets = new Map<string, number>();
    for (const [topic, partition, offset] of entries) {
      if (wholeNumber(partition!) < 0 || wholeNumber(offset!) < 0) return null;
      offsets.set(`${topic}-${partition}`, wholeNumber(offset!));
    }
    this.#last = bytes;
    return offsets;
  }

  /** Writes when something changed since the last time. `durable`: survives power loss on return. */
  write(
    offsets: Iterable<{ topic: string; partition: number; offset: number }>,
    durable: boolean,
  ): void {
    const lines: string[] = [];
    for (const { topic, partition, offset } of offsets) {
      lines.push(`${topic} ${partition} ${offset}`);
    }
    const bytes = formatCheckpoint(lines);
    if (this.#last?.equals(bytes) && (this.#durable || !durable)) return;
    if (durable) this.#disk.replaceFile(this.path, bytes);
    else replaceFileLazily(this.#disk, this.path, bytes);
    this.#last = bytes;
    this.#durable = durable;
  }
}
