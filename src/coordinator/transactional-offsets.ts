/**
 * Offsets of the groups of one partition that were committed within transactions which are still
 * open. They count when the transaction's marker says so, and until then whoever wants stable
 * offsets has to wait (KIP-447).
 *
 * Like everything of a shard it is what the log says: filled by records, emptied by markers.
 */
import type { CommittedOffset } from './group-offsets.ts';

export interface TransactionalOffset {
  readonly groupId: string;
  readonly topic: string;
  readonly partition: number;
  readonly committed: CommittedOffset;
}

/** One of them, with whose transaction it is in. */
export interface OpenOffset {
  readonly producerId: number;
  readonly offset: TransactionalOffset;
}

const keyOf = ({ topic, partition }: Pick<TransactionalOffset, 'topic' | 'partition'>): string =>
  `${partition} ${topic}`;

export class TransactionalOffsets {
  readonly #byProducer = new Map<number, TransactionalOffset[]>();
  /** By group, the number of open transactions of each `partition topic`. */
  readonly #open = new Map<string, Map<string, number>>();

  add(producerId: number, offset: TransactionalOffset): void {
    const offsets = this.#byProducer.get(producerId) ?? [];
    offsets.push(offset);
    this.#byProducer.set(producerId, offsets);
    const open = this.#open.get(offset.groupId) ?? new Map<string, number>();
    this.#open.set(offset.groupId, open);
    open.set(keyOf(offset), (open.get(keyOf(offset)) ?? 0) + 1);
  }

  /** The producer's transaction has ended: its offsets, in the order in which they came. */
  end(producerId: number): readonly TransactionalOffset[] {
    const offsets = this.#byProducer.get(producerId) ?? [];
    this.#byProducer.delete(producerId);
    for (const offset of offsets) this.#close(offset);
    return offsets;
  }

  #close(offset: TransactionalOffset): void {
    const open = this.#open.get(offset.groupId);
    const count = open?.get(keyOf(offset)) ?? 0;
    if (count > 1) open?.set(keyOf(offset), count - 1);
    else open?.delete(keyOf(offset));
    if (open?.size === 0) this.#open.delete(offset.groupId);
  }

  /** They do not count, however the transaction ends: the log did not take them, or they were deleted. */
  takeBack(taken: readonly OpenOffset[]): void {
    for (const { producerId, offset } of taken) {
      const offsets = this.#byProducer.get(producerId);
      const at = offsets?.indexOf(offset) ?? -1;
      if (offsets === undefined || at < 0) continue;
      offsets.splice(at, 1);
      if (offsets.length === 0) this.#byProducer.delete(producerId);
      this.#close(offset);
    }
  }

  /** The group has any. */
  has(groupId: string): boolean {
    return this.#open.has(groupId);
  }
  isOpen(groupId: string, topic: string, partition: number): boolean {
    return this.#open.get(groupId)?.has(keyOf({ topic, partition })) === true;
  }
  /** Topics and partitions of the group with any. */
  *openOf(groupId: string): Generator<[topic: string, partition: number]> {
    for (const key of this.#open.get(groupId)?.keys() ?? []) {
      const at = key.indexOf(' ');
      yield [key.slice(at + 1), Number(key.slice(0, at))];
    }
  }

  /** Of partitions of the topic. */
  *ofTopic(topic: string): Generator<OpenOffset> {
    for (const [producerId, offsets] of this.#byProducer) {
      for (const offset of offsets) if (offset.topic === topic) yield { producerId, offset };
    }
  }
  /** Of the group. */
  *ofGroup(groupId: string): Generator<OpenOffset> {
    if (!this.has(groupId)) return;
    for (const [producerId, offsets] of this.#byProducer) {
      for (const offset of offsets) if (offset.groupId === groupId) yield { producerId, offset };
    }
  }

  /** Of these partitions of the group. */
  ofPartitions(groupId: string, among: readonly (readonly [string, number])[]): OpenOffset[] {
    const keys = new Set(among.map(([topic, partition]) => keyOf({ topic, partition })));
    return [...this.ofGroup(groupId)].filter(({ offset }) => keys.has(keyOf(offset)));
  }

  /** The log says that the offset was deleted: what was to come of it is, too. */
  cancel(groupId: string, topic: string, partition: number): void {
    if (!this.isOpen(groupId, topic, partition)) return;
    for (const [producerId, offsets] of this.#byProducer) {
      const isIt = (o: TransactionalOffset): boolean =>
        o.groupId === groupId && o.topic === topic && o.partition === partition;
      for (const offset of offsets.filter(isIt)) this.#close(offset);
      const kept = offsets.filter((offset) => !isIt(offset));
      if (kept.length === 0) this.#byProducer.delete(producerId);
      else this.#byProducer.set(producerId, kept);
    }
  }
}
