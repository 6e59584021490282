/**
 * Fetch sessions (KIP-227): what a client fetches is remembered, so that its further requests name
 * only what changed, and answers only what is new.
 *
 * A session is named by an id and advances by an epoch a request; one that is not known, or not in
 * step, is refused, and the client begins again with a full request. Bounded: when the cache is
 * full, a session that was silent for two minutes makes room, else the newcomer gets none.
 */
import { below, type Random } from '../base/random.ts';
import { ErrorCode } from '../protocol/error-codes.ts';

export const NO_SESSION = 0;
export const INITIAL_EPOCH = 0;
export const FINAL_EPOCH = -1;

/** Silence after which a session may be dropped for a new one. */
const EVICTABLE_AFTER_MS = 120_000;

/** Partitions of all sessions together: a request that would make more gets none, or loses its own. */
export const PARTITIONS_MAX = 200_000;

/** What a session knows of a partition: what is asked, and what was answered last. */
export interface SessionPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  fetchOffset: number;
  currentLeaderEpoch: number;
  lastFetchedEpoch: number;
  partitionMaxBytes: number;
  /** Of a follower: what is on its device, and where its log starts; -1: not told. */
  flushedOffset: number;
  followerStart: number;
  /** -1: never answered, or with an error last. */
  highWatermark: number;
  logStartOffset: number;
}

export class FetchSession {
  readonly id: number;
  /** Whether its requests name topics by id (v13 and later); it never changes. */
  readonly byId: boolean;
  /** The epoch that the next request must have. */
  epoch = 1;
  lastUsedMs: number;
  readonly partitions = new Map<string, SessionPartition>();

  constructor(id: number, byId: boolean, nowMs: number) {
    this.id = id;
    this.byId = byId;
    this.lastUsedMs = nowMs;
  }
}

export const sessionKey = (topic: string, topicId: string, partition: number, byId: boolean) =>
  `${byId ? topicId : topic}/${partition}`;

/** After 2^31-1 comes 1: 0 begins a session. */
const nextEpoch = (epoch: number): number => (epoch === 0x7fff_ffff ? 1 : epoch + 1);

export class FetchSessionCache {
  readonly #sessions = new Map<number, FetchSession>();
  readonly #slotsMax: number;
  readonly #random: Random;
  #partitions = 0;
  evictions = 0;

  constructor(slotsMax: number, random: Random) {
    this.#slotsMax = slotsMax;
    this.#random = random;
  }

  get size(): number {
    return this.#sessions.size;
  }
  get partitionCount(): number {
    return this.#partitions;
  }

  /** The session of an incremental request, one epoch further on; or the error to answer. */
  resume(id: number, epoch: number, byId: boolean, nowMs: number): FetchSession | number {
    const session = this.#sessions.get(id);
    if (session === undefined) return ErrorCode.FETCH_SESSION_ID_NOT_FOUND;
    if (session.byId !== byId) return ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR;
    if (session.epoch !== epoch) return ErrorCode.INVALID_FETCH_SESSION_EPOCH;
    session.epoch = nextEpoch(epoch);
    session.lastUsedMs = nowMs;
    // The least recently used stands first.
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    return session;
  }

  /** A session for partitions that a full request named; null: there is no room. */
  create(
    partitions: readonly SessionPartition[],
    byId: boolean,
    nowMs: number,
  ): FetchSession | null {
    if (partitions.length === 0 || this.#partitions + partitions.length > PARTITIONS_MAX) {
      return null;
    }
    if (this.#sessions.size >= this.#slotsMax && !this.#evict(nowMs)) return null;
    const session = new FetchSession(this.#freshId(), byId, nowMs);
    for (const p of partitions) {
      session.partitions.set(sessionKey(p.topic, p.topicId, p.partition, byId), p);
    }
    this.#sessions.set(session.id, session);
    this.#partitions += session.partitions.size;
    return session;
  }

  /** Changes what the session holds. False: that has become too much, and the session is gone. */
  update(session: FetchSession, change: () => void): boolean {
    const before = session.partitions.size;
    change();
    this.#partitions += session.partitions.size - before;
    if (this.#partitions <= PARTITIONS_MAX || session.partitions.size <= before) return true;
    this.close(session.id);
    return false;
  }

  close(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    this.#partitions -= session.partitions.size;
  }

  #evict(nowMs: number): boolean {
    for (const session of this.#sessions.values()) {
      if (nowMs - session.lastUsedMs < EVICTABLE_AFTER_MS) return false;
      this.close(session.id);
      this.evictions += 1;
      return true;
    }
    return false;
  }

  #freshId(): number {
    for (;;) {
      const id = 1 + below(this.#random, 0x7fff_fffe);
      if (!this.#sessions.has(id)) return id;
    }
  }
}
