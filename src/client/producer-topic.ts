/** Where a producer puts the records of one topic: keys by Java's hash, the others in runs. */
import { below, type Random } from '../base/random.ts';
import { partitionForKey } from '../protocol/murmur2.ts';
import type { TopicInfo } from './metadata-cache.ts';
import { PartitionQueue } from './producer-queue.ts';

export class TopicQueues {
  readonly name: string;
  /** Records whose partition can't be known yet. */
  readonly unassigned: PartitionQueue;
  /** By partition index; those named by the caller may come before the metadata. */
  readonly queues: (PartitionQueue | undefined)[] = [];
  readonly #random: Random;
  readonly #stickyBytes: number;
  #count = 0;
  #available: readonly number[] = [];
  #sticky = 0;
  #sinceSwitch = 0;

  constructor(name: string, random: Random, stickyBytes: number) {
    this.name = name;
    this.#random = random;
    this.#stickyBytes = stickyBytes;
    this.unassigned = new PartitionQueue(this, -1);
  }

  /** Partitions that the topic has; 0: unknown. */
  get count(): number {
    return this.#count;
  }

  /** Takes over new partitions and leaders. */
  update(topic: TopicInfo): void {
    this.#count = Math.max(this.#count, topic.partitions.length);
    for (let i = 0; i < this.#count; i++) this.queue(i);
    const led = topic.partitions.filter((partition) => partition.leader >= 0);
    this.#available = led.map((partition) => partition.index);
    if (!this.#available.includes(this.#sticky)) this.#switch();
  }

  /** The queue of a named partition. */
  queue(index: number): PartitionQueue {
    return (this.queues[index] ??= new PartitionQueue(this, index));
  }

  /**
   * The queue for a record of `size` bytes. Without a key a partition is kept until a batch's worth
   * of bytes went to it (KIP-794): full batches, and even shares over time.
   */
  choose(key: Uint8Array | null, size: number): PartitionQueue {
    if (this.#count === 0) return this.unassigned;
    if (key !== null) return this.queue(partitionForKey(key, this.#count));
    if (this.#sinceSwitch >= this.#stickyBytes) this.#switch();
    this.#sinceSwitch += size;
    return this.queues[this.#sticky]!;
  }

  #switch(): void {
    this.#sinceSwitch = 0;
    const choices = this.#available;
    this.#sticky =
      choices.length > 0
        ? choices[below(this.#random, choices.length)]!
        : below(this.#random, Math.max(1, this.#count));
  }
}
