/** Offsets that groups have committed, as an outsider asks for them. */
import type { WireClient } from '../../unit/broker/fixture.ts';
import { isPassing, until } from '../../unit/broker/transactional-client.ts';
import { accepted } from './usage.ts';

/** Of partition 0 of a topic, by group; null: none. Each must come with the metadata of its commit. */
export async function offsetsOf(
  client: WireClient,
  groups: readonly string[],
  topic: string,
): Promise<Map<string, string | null>> {
  const body = {
    groups: groups.map((groupId) => ({
      groupId,
      topics: [{ name: topic, partitionIndexes: [0] }],
    })),
    requireStable: true,
  };
  const answer = await until(
    () => client.request('OffsetFetch', 8, body),
    (r) => !r.groups.some((g: any) => isPassing(g.errorCode) || isUnstable(g)),
  );
  const found = new Map<string, string | null>();
  for (const { groupId, errorCode, topics } of answer.groups) {
    accepted(`the question for the offsets of ${groupId}`, errorCode);
    const { committedOffset } = topics[0].partitions[0];
    found.set(groupId, committedOffset < 0 ? null : String(committedOffset));
  }
  return found;
}

const UNSTABLE_OFFSET_COMMIT = 88;
const isUnstable = (group: any): boolean =>
  group.topics.some((t: any) => t.partitions[0].errorCode === UNSTABLE_OFFSET_COMMIT);
