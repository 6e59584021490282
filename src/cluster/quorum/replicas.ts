/** What the leader knows of those who fetch from it: how far each has come, and when it was heard of. */
import type { Voter } from '../metadata-image.ts';
import { includes, isSame, majorityOf } from './voters.ts';

/** Observers that are remembered; the one that was silent for the longest time makes room. */
const REPLICAS_MAX = 1_000;

export interface Replica extends Voter {
  /** All before is on its device; -1: it was not heard of in this epoch. */
  endOffset: number;
  /** The high watermark that it knows. */
  highWatermark: number;
  /** By the monotonic clock. */
  heardAtMs: number;
  /** By the wall clock, -1: never. */
  lastFetchTimestamp: number;
  /** When it last had all that there was at that time. */
  caughtUpAtMs: number;
  lastCaughtUpTimestamp: number;
  /** End of the log when it last fetched: what it must reach to have caught up. */
  endThen: number;
}

export class Replicas {
  readonly #self: Voter;
  readonly #replicas = new Map<string, Replica>();

  /** All voters count as heard of `nowMs`, the beginning of the epoch. */
  constructor(self: Voter, voters: readonly Voter[], nowMs: number) {
    this.#self = self;
    for (const voter of voters) {
      if (!isSame(voter, self)) this.get(voter).heardAtMs = nowMs;
    }
  }

  get all(): Iterable<Replica> {
    return this.#replicas.values();
  }

  find(replica: Voter): Replica | undefined {
    return this.#replicas.get(keyOf(replica));
  }

  /** By the monotonic clock; -Infinity: never. */
  heardAt(replica: Voter): number {
    return this.find(replica)?.heardAtMs ?? Number.NEGATIVE_INFINITY;
  }

  get({ id, directoryId }: Voter): Replica {
    const key = keyOf({ id, directoryId });
    let replica = this.#replicas.get(key);
    if (replica === undefined) {
      this.#makeRoom();
      replica = {
        id,
        directoryId,
        endOffset: -1,
        highWatermark: -1,
        heardAtMs: Number.NEGATIVE_INFINITY,
        lastFetchTimestamp: -1,
        caughtUpAtMs: Number.NEGATIVE_INFINITY,
        lastCaughtUpTimestamp: -1,
        endThen: -1,
      };
      this.#replicas.set(key, replica);
    }
    return replica;
  }

  #makeRoom(): void {
    if (this.#replicas.size < REPLICAS_MAX) return;
    let silent: Replica | null = null;
    for (const replica of this.#replicas.values()) {
      if (silent === null || replica.heardAtMs < silent.heardAtMs) silent = replica;
    }
    if (silent !== null) this.#replicas.delete(keyOf(silent));
  }

  /** It has asked for what follows `offset`, and all before is on its device. */
  fetched(replica: Replica, offset: number, logEnd: number, nowMs: number, wallMs: number): void {
    if (offset >= logEnd) {
      replica.caughtUpAtMs = nowMs;
      replica.lastCaughtUpTimestamp = wallMs;
    } else if (offset >= replica.endThen && replica.endThen >= 0) {
      // It has what there was when it fetched before.
      replica.caughtUpAtMs = Math.max(replica.caughtUpAtMs, replica.heardAtMs);
      replica.lastCaughtUpTimestamp = Math.max(
        replica.lastCaughtUpTimestamp,
        replica.lastFetchTimestamp,
      );
    }
    replica.endOffset = offset;
    replica.endThen = logEnd;
    replica.heardAtMs = nowMs;
    replica.lastFetchTimestamp = wallMs;
  }

  /** What lies before it is on the devices of a majority of the voters. -1: not known. */
  majorityOffset(voters: readonly Voter[], ownFlushed: number): number {
    const offsets = voters.map((voter) =>
      isSame(voter, this.#self) ? ownFlushed : (this.find(voter)?.endOffset ?? -1),
    );
    offsets.sort((a, b) => b - a);
    return offsets[majorityOf(voters.length) - 1] ?? -1;
  }

  /** A majority of the voters, this one included, was heard of since `sinceMs`. */
  hasMajority(voters: readonly Voter[], sinceMs: number): boolean {
    const heard = voters.filter(
      (voter) => isSame(voter, this.#self) || this.heardAt(voter) >= sinceMs,
    );
    return heard.length >= majorityOf(voters.length);
  }

  /** Those who do not vote and were heard of since `sinceMs`. */
  observers(voters: readonly Voter[], sinceMs: number): Replica[] {
    return [...this.#replicas.values()].filter(
      (replica) => !includes(voters, replica) && replica.heardAtMs >= sinceMs,
    );
  }
}

const keyOf = ({ id, directoryId }: Voter): string => `${id}/${directoryId}`;
