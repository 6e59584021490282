/** In which log directory a new partition is made: where it was wished for, or where the fewest are. */
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { partitionDirectory } from './log-files.ts';
import type { ManagedDirectory } from './managed-directory.ts';

/** Wishes that are remembered, in memory only; beyond it the oldest one is forgotten. */
const WISHES_MAX = 10_000;

export class Placement {
  readonly #wishes = new Map<string, string>();

  /** When the partition is made, it is to be in the directory `path`. */
  prefer(topic: string, partition: number, path: string): void {
    const key = partitionDirectory(topic, partition);
    this.#wishes.delete(key);
    for (const oldest of this.#wishes.keys()) {
      if (this.#wishes.size < WISHES_MAX) break;
      this.#wishes.delete(oldest);
    }
    this.#wishes.set(key, path);
  }

  /** Its directory, of those that work; the wish is spent. Throws KAFKA_STORAGE_ERROR. */
  placeFor(
    topic: string,
    partition: number,
    directories: readonly ManagedDirectory[],
  ): ManagedDirectory {
    const key = partitionDirectory(topic, partition);
    const wish = this.#wishes.get(key);
    this.#wishes.delete(key);
    const held = ({ logs, futures }: ManagedDirectory): number => logs.size + futures.size;
    const found =
      directories.find(({ path }) => path === wish) ??
      directories.toSorted((a, b) => held(a) - held(b))[0];
    if (found !== undefined) return found;
    throw new ProtocolError(ErrorCode.KAFKA_STORAGE_ERROR, 'every log directory is offline');
  }
}
