/** Sets of partitions by topic id, as assignments are kept; they are replaced, never changed. */

export type TopicPartitions = ReadonlyMap<string, ReadonlySet<number>>;
/** Partitions with the epoch in which the member was given each of them. */
export type HeldPartitions = ReadonlyMap<string, ReadonlyMap<number, number>>;

export const NO_PARTITIONS: TopicPartitions = new Map();
export const NOTHING_HELD: HeldPartitions = new Map();

type Container = { readonly size: number; has(partition: number): boolean };
type ByTopic = ReadonlyMap<string, Container & { keys(): Iterable<number> }>;

export const has = (
  partitions: ReadonlyMap<string, Container>,
  topicId: string,
  partition: number,
): boolean => partitions.get(topicId)?.has(partition) ?? false;

/** The same partitions; epochs do not matter. */
export function isSame(a: ByTopic, b: ByTopic): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [topicId, partitions] of a) {
    const others = b.get(topicId);
    if (others?.size !== partitions.size) return false;
    for (const partition of partitions.keys()) if (!others.has(partition)) return false;
  }
  return true;
}

/** The same partitions, given in the same epochs. */
export function isSameHeld(a: HeldPartitions, b: HeldPartitions): boolean {
  if (a === b) return true;
  if (!isSame(a, b)) return false;
  for (const [topicId, epochs] of a) {
    for (const [partition, epoch] of epochs) {
      if (b.get(topicId)?.get(partition) !== epoch) return false;
    }
  }
  return true;
}

/** As lists, partitions in their order. */
export const listed = (partitions: ByTopic): { topicId: string; partitions: number[] }[] =>
  [...partitions].map(([topicId, set]) => ({
    topicId,
    partitions: [...set.keys()].sort((a, b) => a - b),
  }));

/** All of them as given in `epoch`. */
export const heldSince = (partitions: TopicPartitions, epoch: number): HeldPartitions =>
  new Map(
    [...partitions].map(([topicId, set]) => [topicId, new Map([...set].map((p) => [p, epoch]))]),
  );
