/**
 * The partitions that a task reads at present, each with its window of offsets, and paused while too
 * much of it is unresolved. What belongs to a window that was replaced or given away still gets
 * settled, but counts for nothing any more.
 */
import type { Logger } from '../base/logger.ts';
import { OffsetWindow } from './offset-window.ts';
import type { AssignedPartition, Source, SourceBatches } from './source.ts';

/** Ranges of one partition that may be open; with small batches this is reached before the bytes. */
const PARTITION_RANGES_MAX = 16_384;
/** Part of its bounds at which a paused partition goes on. */
const RESUME_PART = 0.5;

/** A partition for as long as it is held: one that is given anew is another one. */
export interface HeldPartition {
  offsets: OffsetWindow;
  isPaused: boolean;
  /** It is given away: what is here of it is finished, and no more is read. */
  isLeaving: boolean;
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`;

export class Assignment {
  readonly #source: Source;
  readonly #logger: Logger;
  readonly #bytesMax: number;
  readonly #partitions = new Map<string, HeldPartition>();
  /** Times a partition was paused. */
  pauses = 0;

  /** `bytesMax`: bytes of one partition, as fetched, that may be unresolved. */
  constructor(source: Source, logger: Logger, bytesMax: number) {
    this.#source = source;
    this.#logger = logger;
    this.#bytesMax = bytesMax;
  }

  *offsets(): Iterable<OffsetWindow> {
    for (const { offsets } of this.#partitions.values()) yield offsets;
  }
  get paused(): number {
    let count = 0;
    for (const partition of this.#partitions.values()) if (partition.isPaused) count++;
    return count;
  }

  add(partitions: readonly AssignedPartition[]): void {
    for (const { topic, topicId, partition, offset, metadata } of partitions) {
      const offsets = new OffsetWindow(topic, topicId, partition, offset, metadata);
      this.#partitions.set(keyOf(topic, partition), {
        offsets,
        isPaused: false,
        isLeaving: false,
      });
    }
  }

  /** Those of the partitions that are assigned. */
  windowsOf(partitions: readonly { topic: string; partition: number }[]): OffsetWindow[] {
    return partitions
      .map(({ topic, partition }) => this.#partitions.get(keyOf(topic, partition))?.offsets)
      .filter((offsets) => offsets !== undefined);
  }

  /** No more is read of these. */
  leave(windows: readonly OffsetWindow[]): void {
    for (const { topic, partition } of windows) {
      const held = this.#partitions.get(keyOf(topic, partition));
      if (held === undefined) continue;
      held.isLeaving = true;
      this.#source.pause(topic, partition);
    }
  }

  remove(windows: readonly OffsetWindow[]): void {
    for (const offsets of windows) {
      offsets.isClosed = true;
      this.#partitions.delete(keyOf(offsets.topic, offsets.partition));
    }
  }

  /** As it is held now; null when it is not ours. */
  held({ topic, partition }: { topic: string; partition: number }): HeldPartition | null {
    return this.#partitions.get(keyOf(topic, partition)) ?? null;
  }

  /**
   * The window that fetched batches belong to; null when their partition is not ours any more, or was
   * given anew since they came, as `held`: reading it begins at the committed offset, and they would
   * be taken for the first of it. A topic that was deleted and made anew, or cut off at its end, starts
   * a new window, whose beginning is to be committed: what was committed before means nothing for it,
   * and would be begun at.
   */
  windowFor(batches: SourceBatches, held: HeldPartition | null): OffsetWindow | null {
    const { topic, topicId, fetchOffset } = batches;
    if (held === null || this.held(batches) !== held) return null;
    const { offsets } = held;
    if (topicId === offsets.topicId && fetchOffset >= offsets.nextOffset) {
      offsets.skipTo(fetchOffset);
      return offsets;
    }
    this.#logger.warn('reading starts anew: the topic is another one, or was cut off', {
      'kafka.topic': topic,
      'kafka.partition': batches.partition,
      'kafka.offset': fetchOffset,
    });
    offsets.isClosed = true;
    const { partition } = batches;
    held.offsets = new OffsetWindow(topic, topicId, partition, fetchOffset, offsets.since, -1);
    this.throttle(held.offsets);
    return held.offsets;
  }

  /** Pauses the partition when too much of it is under way, and resumes it at half of that. */
  throttle(offsets: OffsetWindow): void {
    const partition = this.#partitions.get(keyOf(offsets.topic, offsets.partition));
    if (partition?.offsets !== offsets || partition.isLeaving) return;
    const part = Math.max(
      offsets.unresolvedBytes / this.#bytesMax,
      offsets.size / PARTITION_RANGES_MAX,
    );
    if (!partition.isPaused && part >= 1) {
      partition.isPaused = true;
      this.pauses++;
      this.#source.pause(offsets.topic, offsets.partition);
    } else if (partition.isPaused && part < RESUME_PART) {
      partition.isPaused = false;
      this.#source.resume(offsets.topic, offsets.partition);
    }
  }
}
