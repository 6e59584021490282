/**
 * Where partitions begin and end that this broker has no log of. Lag is told by the coordinator
 * of a group, and the group may read what other brokers hold alone. Their leaders are asked when
 * somebody scrapes, and not else; what none of them tells in time is unknown until the next scrape.
 */
import { OperatingError } from '../base/errors.ts';
import { calls } from '../client/call.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import { type MetadataImage, NO_LEADER } from './metadata-image.ts';
import type { Partitions } from './partitions.ts';
import type { Peers } from './peers.ts';

/** Time for the leaders to answer; a scrape waits for it. */
const ASK_MS_MAX = 1_000;
/** Partitions that leaders are asked about for one scrape. */
const PARTITIONS_MAX = 5_000;
/** What a consumer may ask, and sees. */
const NO_REPLICA = -1;
const LATEST = -1;
const EARLIEST = -2;

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

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`;

/** By topic, the partitions that one leader is asked about. */
type Asked = Map<string, Set<number>>;

export class RemoteOffsets {
  readonly #options: RemoteOffsetsOptions;
  #known: ReadonlyMap<string, OffsetRange> = new Map();

  constructor(options: RemoteOffsetsOptions) {
    this.#options = options;
  }

  /** As of the last refresh. */
  of(topic: string, partition: number): OffsetRange | undefined {
    return this.#known.get(keyOf(topic, partition));
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
      let asked = wanted.get(leader);
      if (asked === undefined) wanted.set(leader, (asked = new Map()));
      let indexes = asked.get(topic);
      if (indexes === undefined) asked.set(topic, (indexes = new Set()));
      if (indexes.has(partition)) continue;
      if (room-- === 0) break;
      indexes.add(partition);
    }
    return wanted;
  }

  async #ask(leader: number, asked: Asked, timestamp: number): Promise<Map<string, number>> {
    const request = {
      replicaId: NO_REPLICA,
      isolationLevel: 0,
      topics: [...asked].map(([name, indexes]) => ({
        name,
        partitions: [...indexes].map((partitionIndex) => ({
          partitionIndex,
          currentLeaderEpoch: -1,
          timestamp,
          maxNumOffsets: 1,
        })),
      })),
      timeoutMs: ASK_MS_MAX,
    };
    const { peers } = this.#options;
    const answer = await peers.send(leader, 'offsets', calls.listOffsets, request, ASK_MS_MAX);
    const found = new Map<string, number>();
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, errorCode, offset } of partitions) {
        if (errorCode === ErrorCode.NONE) found.set(keyOf(name, partitionIndex), offset);
      }
    }
    return found;
  }
}
