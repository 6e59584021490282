/**
 * Which replica a consumer should rather fetch from (KIP-392): with `replica.selector.class` set,
 * the one in its own rack that is furthest along. Never one out of sync: it might stay behind what
 * the consumer has read, and the consumer would come back, and be sent there again.
 */
import type { Partition } from '../cluster/partition.ts';
import type { RequestContext } from './handler.ts';

/** A broker id; -1: here is as good as elsewhere, or nowhere else. `rackId` '': not told. */
export function preferredReplica(
  partition: Partition,
  rackId: string,
  fetchOffset: number,
  { broker }: RequestContext,
): number {
  const { leadership } = partition;
  if (rackId === '' || !broker.partitions.rackAware || leadership === null) return -1;
  if (rackId === broker.rack) return -1;
  let best = -1;
  let bestEnd = -1;
  for (const { id, logEndOffset, logStartOffset } of leadership.followers) {
    const image = broker.store.image.brokers.get(id);
    if (image === undefined || image.fenced || image.rack !== rackId) continue;
    if (!leadership.isr.includes(id)) continue;
    if (logEndOffset < fetchOffset || logStartOffset > fetchOffset) continue;
    if (logEndOffset <= bestEnd) continue;
    best = id;
    bestEnd = logEndOffset;
  }
  return best;
}
