/**
 * The offsets that one group has committed.
 *
 * A commit is visible from the moment its record is in the log, not earlier, so nobody reads what a
 * crash could take back. Until then it is pending: pending offsets don't expire, and a deletion
 * covers them.
 *
 * Invariant: an entry has a committed value or a pending commit; one with neither is gone.
 */
import type { GroupProbe } from './group-probe.ts';

export interface CommittedOffset {
  readonly offset: number;
  /** -1: unknown. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  /** Wall clock, milliseconds. */
  readonly commitTimestamp: number;
  /** Wall clock; -1: the broker's retention applies. Set by clients of before KIP-211 only. */
  readonly expireTimestamp: number;
  /** ZERO_UUID: not known. */
  readonly topicId: string;
  /** Of its record among those of the shard: a transaction may end long after its records came. */
  readonly order: number;
}

interface Entry {
  committed: CommittedOffset | null;
  pending: number;
}

export interface OffsetEntry {
  readonly topic: string;
  readonly partition: number;
  readonly committed: CommittedOffset | null;
  readonly isPending: boolean;
}

export class GroupOffsets {
  readonly #topics = new Map<string, Map<number, Entry>>();
  readonly #probe: GroupProbe;
  #isCounted = true;

  constructor(probe: GroupProbe) {
    this.#probe = probe;
  }

  get isEmpty(): boolean {
    return this.#topics.size === 0;
  }

  get(topic: string, partition: number): CommittedOffset | null {
    return this.#topics.get(topic)?.get(partition)?.committed ?? null;
  }

  /** Committed and pending ones. */
  *entries(): Generator<OffsetEntry> {
    for (const [topic, partitions] of this.#topics) {
      for (const [partition, { committed, pending }] of partitions) {
        yield { topic, partition, committed, isPending: pending > 0 };
      }
    }
  }

  /** Announces a commit whose record is on its way into the log. */
  begin(topic: string, partition: number): void {
    this.#entry(topic, partition).pending++;
  }

  /** Ends what `begin` announced; null when the log did not take it. */
  finish(topic: string, partition: number, committed: CommittedOffset | null): void {
    const entry = this.#entry(topic, partition);
    entry.pending--;
    if (committed !== null) this.#set(entry, committed);
    this.#tidy(topic, partition, entry);
  }

  /** What a record in the log says. */
  put(topic: string, partition: number, committed: CommittedOffset): void {
    this.#set(this.#entry(topic, partition), committed);
  }

  /** What a tombstone in the log says. */
  remove(topic: string, partition: number): void {
    const entry = this.#topics.get(topic)?.get(partition);
    if (entry === undefined) return;
    this.#set(entry, null);
    this.#tidy(topic, partition, entry);
  }

  /** Whether the gauge of held offsets counts this group's; false once the group is let go of. */
  count(isCounted: boolean): void {
    if (isCounted === this.#isCounted) return;
    this.#isCounted = isCounted;
    for (const { committed } of this.entries()) {
      if (committed !== null) this.#probe.offsets += isCounted ? 1 : -1;
    }
  }

  #entry(topic: string, partition: number): Entry {
    let partitions = this.#topics.get(topic);
    if (partitions === undefined) this.#topics.set(topic, (partitions = new Map()));
    let entry = partitions.get(partition);
    if (entry === undefined) partitions.set(partition, (entry = { committed: null, pending: 0 }));
    return entry;
  }

  #set(entry: Entry, committed: CommittedOffset | null): void {
    if (this.#isCounted) {
      this.#probe.offsets += (committed === null ? 0 : 1) - (entry.committed === null ? 0 : 1);
    }
    entry.committed = committed;
  }

  #tidy(topic: string, partition: number, entry: Entry): void {
    if (entry.committed !== null || entry.pending > 0) return;
    const partitions = this.#topics.get(topic) as Map<number, Entry>;
    partitions.delete(partition);
    if (partitions.size === 0) this.#topics.delete(topic);
  }
}
