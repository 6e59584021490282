/**
 * Which partitions a broker has a part in, which have no leader, which are led by another than the
 * preferred one, and which are being reassigned; so that the loss of a broker is one pass over its
 * own partitions. The active controller keeps it in step with the image.
 */
import { type MetadataDelta } from '../metadata-delta.ts';
import { type MetadataImage, NO_LEADER, type PartitionImage } from '../metadata-image.ts';
import { isReassigning } from './reassignment.ts';

export class PartitionIndex {
  /** As they were last seen, by topic and index. */
  readonly #seen = new Map<string, PartitionImage[]>();
  readonly #members = new Map<number, Set<PartitionImage>>();
  readonly #leaders = new Map<number, number>();
  readonly leaderless = new Set<PartitionImage>();
  readonly imbalanced = new Set<PartitionImage>();
  readonly reassigning = new Set<PartitionImage>();
  #count = 0;

  constructor(image: MetadataImage) {
    for (const topic of image.topics.values()) {
      for (const partition of topic.partitions) this.#put(partition);
    }
  }

  get count(): number {
    return this.#count;
  }
  /** Partitions with the broker in ISR or ELR, and those without a leader that it led last. */
  of(brokerId: number): PartitionImage[] {
    return [...(this.#members.get(brokerId) ?? [])];
  }
  leaderships(brokerId: number): number {
    return this.#leaders.get(brokerId) ?? 0;
  }

  apply(delta: MetadataDelta, image: MetadataImage): void {
    for (const { id } of delta.removedTopics) {
      for (const partition of this.#seen.get(id) ?? []) this.#drop(partition);
      this.#seen.delete(id);
    }
    for (const [topicId, indexes] of delta.partitions) {
      const topic = image.topicById(topicId);
      for (const index of indexes) {
        const partition = topic?.partitions[index];
        if (partition !== undefined) this.#put(partition);
      }
    }
  }

  #put(partition: PartitionImage): void {
    let seen = this.#seen.get(partition.topicId);
    if (seen === undefined) this.#seen.set(partition.topicId, (seen = []));
    const before = seen[partition.index];
    if (before !== undefined) this.#drop(before);
    seen[partition.index] = partition;
    this.#count += 1;
    for (const id of membersOf(partition)) {
      let members = this.#members.get(id);
      if (members === undefined) this.#members.set(id, (members = new Set()));
      members.add(partition);
    }
    const { leader } = partition;
    if (leader === NO_LEADER) this.leaderless.add(partition);
    else this.#leaders.set(leader, this.leaderships(leader) + 1);
    if (leader !== partition.replicas[0]) this.imbalanced.add(partition);
    if (isReassigning(partition)) this.reassigning.add(partition);
  }

  #drop(partition: PartitionImage): void {
    this.#count -= 1;
    for (const id of membersOf(partition)) this.#members.get(id)?.delete(partition);
    const { leader } = partition;
    if (leader !== NO_LEADER) this.#leaders.set(leader, this.leaderships(leader) - 1);
    this.leaderless.delete(partition);
    this.imbalanced.delete(partition);
    this.reassigning.delete(partition);
  }
}

const membersOf = ({ isr, elr, lastKnownElr }: PartitionImage): number[] => [
  ...isr,
  ...elr,
  ...lastKnownElr,
];
