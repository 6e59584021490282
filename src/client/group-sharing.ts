/**
 * What the leader of a group does for all: shares the partitions out among the members, and looks
 * after new ones, which only another assignment covers.
 */
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
    const metadata = this.#metadata;
    const subscribers = members.map(({ memberId, groupInstanceId, metadata: bytes }) => ({
      memberId,
      groupInstanceId,
      topics: decodeSubscription(bytes),
    }));
    const topics = new Set(subscribers.flatMap((s) => s.topics));
    for (const topic of topics) metadata.watch(topic);
    await metadata.refresh();
    const counts = new Map([...topics].map((topic) => [topic, this.#countOf(topic)]));
    this.#counts = counts;
    const shares = assignRange(subscribers, (topic) => counts.get(topic) ?? 0);
    return [...shares].map(([memberId, share]) => ({
      memberId,
      assignment: encodeAssignment(share),
    }));
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
