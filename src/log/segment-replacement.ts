/**
 * Has what compaction has made of some segments of one log take their place, while the log is in use:
 * see `segment-swap.ts` for the steps, and what a crash leaves behind between them.
 *
 * Whatever happens to the log while the device is waited for comes first: then nothing is replaced.
 */
import type { LogParts } from './log-parts.ts';
import type { LogTruncation } from './log-truncation.ts';

export class SegmentReplacement {
  readonly #parts: LogParts;
  readonly #truncation: LogTruncation;

  constructor(parts: LogParts, truncation: LogTruncation) {
    this.#parts = parts;
    this.#truncation = truncation;
  }

  /** See `PartitionLog.hasSegments`. */
  hasSegments(bases: readonly number[], cuts: number): boolean {
    const { guard, segments } = this.#parts;
    const index = segments.list.floor(bases[0]!);
    return (
      !guard.isClosed &&
      cuts === this.#truncation.cuts &&
      bases.every((base, i) => segments.list.at(index + i)?.baseOffset === base)
    );
  }

  /** See `PartitionLog.replaceSegments`. */
  async replace(
    sources: readonly number[],
    cuts: number,
    isWanted: () => boolean,
  ): Promise<boolean> {
    const { guard, segments, mark, offsets } = this.#parts;
    const isPossible = (): boolean => isWanted() && this.#areReplaceable(sources, cuts);
    if (!isPossible()) return false;
    await mark.expectGaps(offsets.start);
    if (!guard.isUsable || !isPossible()) return false;
    guard.onDisk('replace segments of', () => segments.announce(sources[0]!));
    await this.#untilAnnounced();
    // A start goes on with it, where the log was closed; or it was taken back.
    if (!guard.isUsable || !segments.isReplacing) return false;
    return guard.onDisk('replace segments of', () => {
      if (!isPossible()) {
        segments.takeBack();
        return false;
      }
      this.#replace(sources);
      return true;
    });
  }

  /** Nothing is appended to them, the log has not changed, and nobody copies it. */
  #areReplaceable(sources: readonly number[], cuts: number): boolean {
    const { list } = this.#parts.segments;
    const areClosed = list.floor(sources[0]!) + sources.length < list.length;
    return areClosed && this.#truncation.onCut === null && this.hasSegments(sources, cuts);
  }

  async #untilAnnounced(): Promise<void> {
    const { environment, guard, path } = this.#parts;
    try {
      await environment.disk.syncDirectoryLater(path);
    } catch (error) {
      guard.failedHalfway('replace segments of', error);
    }
  }

  #replace(sources: readonly number[]): void {
    const { segments, producers, reader, tail, flusher } = this.#parts;
    const { list } = segments;
    segments.replace(list.floor(sources[0]!), sources.length);
    tail.clear();
    reader.forgetPlaces();
    producers.snapshots.removeStray(new Set([...list].map((one) => one.baseOffset)));
    flusher.entriesDirty = true;
  }
}
