/**
 * Where partitions begin and end that this broker has no log of. Lag is told by the coordinator
 * of a group, and the group may read what other brokers hold alone. Their leaders are asked when
 * somebody scrapes, and not else; what none of them tells in time is unknown until the next scrape.
 */
import { OperatingError } from '../base/errors.ts';
import { type MetadataImage, NO_LEADER } from './metadata-image.ts';
import type { Partitions } from './partitions.ts';
import { type AskedOffset, EARLIEST, LATEST, offsetKey, peerOffsets } from './peer-offsets.ts';
import type { Peers } from './peers.ts';

/** Time for the leaders to answer; a scrape waits for it. */
const ASK_MS_MAX = 1_000;
/** Partitions that leaders are asked about for one scrape. */
const PARTITIONS_MAX = 5_000;
const NO_REPLICA = -1;
const ANY_EPOCH = -1;

export interface OffsetRange {
  readonly start: number;
  /** The high watermark. */
  readonly end: number;
}

export interface RemoteOffsetsOptions {
  readonly nodeId: number;
  readonly image: MetadataImage;
  readonly partitions: Partitions;
  readonly peers: Peers;
  /** Partitions that groups here have committed offsets of, each as often as it likes. */
  readonly wanted: () => Iterable<{ readonly topic: string; readonly partition: number }>;
}

/** What one leader is asked about, by `offsetKey`: several groups may read the same. */
type Asked = Map<string, AskedOffset>;

export class RemoteOffsets {
  readonly #options: RemoteOffsetsOptions;
  #known: ReadonlyMap<string, OffsetRange> = new Map();

  constructor(options: RemoteOffsetsOptions) {
    this.#options = options;
  }

  /** As of the last refresh. */
  of(topic: string, partition: number): OffsetRange | undefined {
    return this.#known.get(offsetKey(topic, partition));
  }

  /** Asks about all that is wanted. */
  async refresh(): Promise<void> {
    const known = new Map<string, OffsetRange>();
    await Promise.all(
      [...this.#wanted()].map(async ([leader, asked]) => {
        try {
          const [starts, ends] = await Promise.all([
            this.#ask(leader, asked, EARLIEST),
            this.#ask(leader, asked, LATEST),
          ]);
          for (const [key, end] of ends) {
            const start = starts.get(key);
            if (start !== undefined) known.set(key, { start, end });
          }
        } catch (error) {
          // It is down or busy; other metrics tell of that.
          if (!(error instanceof OperatingError)) throw error;
        }
      }),
    );
    this.#known = known;
  }

  #wanted(): Map<number, Asked> {
    const { nodeId, image, partitions } = this.#options;
    const wanted = new Map<number, Asked>();
    let room = PARTITIONS_MAX;
    for (const { topic, partition } of this.#options.wanted()) {
      if (partitions.get(topic, partition)?.isOffline === false) continue;
      const leader = image.topic(topic)?.partitions[partition]?.leader ?? NO_LEADER;
      if (leader === NO_LEADER || leader === nodeId) continue;
      const asked = wanted.get(leader) ?? new Map<string, AskedOffset>();
      wanted.set(leader, asked);
      const key = offsetKey(topic, partition);
      if (asked.has(key)) continue;
      if (room-- === 0) break;
      asked.set(key, { topic, partition, leaderEpoch: ANY_EPOCH });
    }
    return wanted;
  }

  #ask(leader: number, asked: Asked, timestamp: number): Promise<ReadonlyMap<string, number>> {
    const question = { leader, channel: 'offsets', replicaId: NO_REPLICA, timestamp } as const;
    return peerOffsets(this.#options.peers, { ...question, timeoutMs: ASK_MS_MAX }, asked.values());
  }
}
