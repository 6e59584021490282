/**
 * What the leader of a group does for all: shares the partitions out among the members, and looks
 * after new ones, which only another assignment covers.
 */
import type { TopicPartition } from './list-offsets.ts';
import type { MetadataCache } from './metadata-cache.ts';
import { assignRange, decodeSubscription, encodeAssignment } from './range-assignor.ts';

/** A member as JoinGroup tells of it. */
export interface JoinedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly metadata: Buffer;
}

export class GroupSharing {
  readonly #metadata: MetadataCache;
  /** Partitions of the topics when they were shared out; null: by somebody else. */
  #counts: ReadonlyMap<string, number> | null = null;

  constructor(metadata: MetadataCache) {
    this.#metadata = metadata;
  }

  /** Somebody else shares out from now on. */
  forget(): void {
    this.#counts = null;
  }

  /** Each member's part. Rejects when the partitions are not known. */
  async share(
    members: readonly JoinedMember[],
  ): Promise<{ memberId: string; assignment: Buffer }[]> {
    const subscribers = members.map(({ memberId, groupInstanceId, metadata: bytes }) => ({
      memberId,
      groupInstanceId,
      topics: decodeSubscription(bytes),
    }));
    const topics = this.#watch(subscribers);
    await this.#metadata.refresh();
    const counts = new Map([...topics].map((topic) => [topic, this.#countOf(topic)]));
    this.#counts = counts;
    const shares = assignRange(subscribers, (topic) => counts.get(topic) ?? 0);
    return [...shares].map(([memberId, share]) => ({
      memberId,
      assignment: encodeAssignment(share),
    }));
  }

  /**
   * A leader that came back to a group which goes on as it was (KIP-814): nobody shares out now, but
   * new partitions are for this leader to notice, also those that came while it was away. All that
   * it knows of the shares is its own; where others hold what is behind that, the work is shared out
   * once more than it had to be.
   */
  async resume(members: readonly JoinedMember[], own: readonly TopicPartition[]): Promise<void> {
    const topics = this.#watch(
      members.map(({ metadata }) => ({ topics: decodeSubscription(metadata) })),
    );
    await this.#metadata.refresh();
    const counts = new Map([...topics].map((topic) => [topic, 0]));
    for (const { topic, partition } of own) {
      counts.set(topic, Math.max(counts.get(topic) ?? 0, partition + 1));
    }
    this.#counts = counts;
  }

  /** Their topics, which are kept known from now on. */
  #watch(subscribers: readonly { readonly topics: readonly string[] }[]): Set<string> {
    const topics = new Set(subscribers.flatMap((s) => s.topics));
    for (const topic of topics) this.#metadata.watch(topic);
    return topics;
  }

  /** There are partitions that nobody was given. */
  get hasGrown(): boolean {
    if (this.#counts === null) return false;
    return [...this.#counts].some(([topic, count]) => this.#countOf(topic) > count);
  }

  #countOf(topic: string): number {
    return this.#metadata.topic(topic)?.partitions.length ?? 0;
  }
}
