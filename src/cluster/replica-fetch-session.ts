/**
 * The follower's side of a fetch session (KIP-227): what the leader was told of each partition, so
 * that a request names only what has changed since.
 *
 * Any failure, the connection's included, ends the session: the next request begins another one
 * and names everything.
 */
import type { fetchRequest } from '../protocol/messages/01-fetch.ts';
import type { Infer } from '../protocol/schema.ts';

type Request = Infer<typeof fetchRequest>;
export type AskedPartition = Request['topics'][number]['partitions'][number];

/** One partition that is to be fetched. */
export interface Wanted {
  /** Names the partition. */
  readonly key: string;
  readonly topicId: string;
  readonly asked: AskedPartition;
}

const NO_SESSION = 0;
const FIRST_EPOCH = 0;
const EPOCH_MAX = 0x7fff_ffff;

export class ReplicaFetchSession {
  #id = NO_SESSION;
  #epoch = FIRST_EPOCH;
  readonly #told = new Map<string, Wanted>();

  /** The topics, forgotten ones and numbers of the next request. Call it once a request. */
  next(
    wanted: readonly Wanted[],
  ): Pick<Request, 'sessionId' | 'sessionEpoch' | 'topics' | 'forgottenTopicsData'> {
    const isFull = this.#epoch === FIRST_EPOCH;
    if (isFull) this.#told.clear();
    const changed = wanted.filter((one) => this.#isNews(one));
    for (const one of changed) this.#told.set(one.key, one);
    // All that is wanted is told by now.
    const forgottenTopicsData = this.#told.size > wanted.length ? this.#forget(wanted) : [];
    return {
      sessionId: this.#id,
      sessionEpoch: this.#epoch,
      topics: byTopic(changed),
      forgottenTopicsData,
    };
  }

  /** The leader has answered, with the number of the session. */
  answered(sessionId: number): void {
    if (sessionId === NO_SESSION) return this.reset();
    this.#id = sessionId;
    this.#epoch = this.#epoch === EPOCH_MAX ? 1 : this.#epoch + 1;
  }

  /** It begins anew; the leader is asked to close the former one. */
  reset(): void {
    this.#epoch = FIRST_EPOCH;
    this.#told.clear();
  }
  /** The leader does not know it any more. */
  forget(): void {
    this.reset();
    this.#id = NO_SESSION;
  }

  #isNews({ key, asked }: Wanted): boolean {
    const told = this.#told.get(key)?.asked;
    if (told === asked) return false;
    return (
      told === undefined ||
      told.fetchOffset !== asked.fetchOffset ||
      told.currentLeaderEpoch !== asked.currentLeaderEpoch ||
      told.lastFetchedEpoch !== asked.lastFetchedEpoch ||
      told.flushedOffset !== asked.flushedOffset ||
      told.logStartOffset !== asked.logStartOffset ||
      told.partitionMaxBytes !== asked.partitionMaxBytes
    );
  }

  #forget(wanted: readonly Wanted[]): Request['forgottenTopicsData'] {
    const keep = new Set(wanted.map(({ key }) => key));
    const forgotten = new Map<string, number[]>();
    for (const [key, { topicId, asked }] of this.#told) {
      if (keep.has(key)) continue;
      this.#told.delete(key);
      const partitions = forgotten.get(topicId);
      if (partitions === undefined) forgotten.set(topicId, [asked.partition]);
      else partitions.push(asked.partition);
    }
    return [...forgotten].map(([topicId, partitions]) => ({ topic: '', topicId, partitions }));
  }
}

function byTopic(wanted: readonly Wanted[]): Request['topics'] {
  const topics = new Map<string, AskedPartition[]>();
  for (const { topicId, asked } of wanted) {
    const partitions = topics.get(topicId);
    if (partitions === undefined) topics.set(topicId, [asked]);
    else partitions.push(asked);
  }
  return [...topics].map(([topicId, partitions]) => ({ topic: '', topicId, partitions }));
}
