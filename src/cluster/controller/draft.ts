/**
 * One step of the metadata log in the making: the records that are already decided, and partitions
 * as they will be after it, so that later parts of the same step see what earlier ones have done.
 */
import {
  type MetadataImage,
  NO_LEADER,
  type PartitionImage,
  partitionValue,
  type TopicImage,
} from '../metadata-image.ts';
import type { MetadataRecord } from '../metadata-records.ts';
import { isUncleanElection } from './partition-change.ts';

export class Draft {
  readonly image: MetadataImage;
  readonly #records: MetadataRecord[] = [];
  readonly #partitions = new Map<string, PartitionImage>();
  /** Partitions that get a new leader by this step, and how many of them one that may lack records. */
  elections = 0;
  uncleanElections = 0;
  /** Offset of the last record of the step, once it is committed; -1 before. */
  committedAt = -1;
  /** Called when the step is committed. */
  onCommitted: (() => void) | null = null;

  constructor(image: MetadataImage) {
    this.image = image;
  }

  add(record: MetadataRecord): void {
    this.#records.push(record);
  }

  partition(topic: TopicImage, index: number): PartitionImage | undefined {
    return this.#partitions.get(`${topic.id}/${index}`) ?? topic.partitions[index];
  }

  /** The partition as it is to be. */
  change(before: PartitionImage, after: PartitionImage): void {
    this.#partitions.set(`${after.topicId}/${after.index}`, after);
    if (after.leader === before.leader || after.leader === NO_LEADER) return;
    this.elections += 1;
    if (isUncleanElection(before, after)) this.uncleanElections += 1;
  }

  get changedPartitions(): number {
    return this.#partitions.size;
  }

  records(): MetadataRecord[] {
    const changes = [...this.#partitions.values()].map(
      (partition): MetadataRecord => ({
        type: 'PartitionChange',
        value: partitionValue(partition),
      }),
    );
    return [...this.#records, ...changes];
  }
}
