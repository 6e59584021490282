/**
 * Gives each reader of a topic one range of its partitions, in the readers' order; where they do not
 * divide evenly, the first readers get one more. So topics with equally many partitions are divided
 * alike, and can be joined partition by partition.
 */
import type { AssignableMember, Assignor } from './assignor.ts';

/** Static members first, by their instance, which outlives their ids: so they keep their ranges. */
export function inOrder(members: readonly AssignableMember[]): AssignableMember[] {
  const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return [...members].sort((a, b) => {
    if (a.instanceId !== null && b.instanceId !== null) return compare(a.instanceId, b.instanceId);
    if (a.instanceId !== null || b.instanceId !== null) return a.instanceId !== null ? -1 : 1;
    return compare(a.id, b.id);
  });
}

export const rangeAssignor: Assignor = (members, partitionCount) => {
  const readers = new Map<string, string[]>();
  for (const { id, topicIds } of inOrder(members)) {
    for (const topicId of topicIds) {
      const known = readers.get(topicId);
      if (known === undefined) readers.set(topicId, [id]);
      else known.push(id);
    }
  }
  const result = new Map(members.map(({ id }) => [id, new Map<string, Set<number>>()]));
  for (const [topicId, ids] of readers) {
    const count = partitionCount(topicId);
    let next = 0;
    for (const [i, id] of ids.entries()) {
      const size = Math.floor(count / ids.length) + (i < count % ids.length ? 1 : 0);
      if (size === 0) break;
      const range = Array.from({ length: size }, (_, at) => next + at);
      result.get(id)?.set(topicId, new Set(range));
      next += size;
    }
  }
  return result;
};
