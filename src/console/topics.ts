/** The topics of the log in a few numbers, asked through the Kafka protocol and kept for a moment. */
import type { Clock } from '../base/clock.ts';
import { calls } from '../client/call.ts';
import type { Client } from '../client/client.ts';

export interface TopicSummary {
  readonly name: string;
  readonly partitions: number;
  /** Sum over the partitions of end offset minus start offset. */
  readonly records: number;
}

/** What is asked of `client/admin.ts`. */
export interface TopicSource {
  topics(): Promise<readonly TopicSummary[]>;
}

const FRESH_MS = 1_000;

/** One question at a time and at most one a second, however many ask. */
export class CachedTopics implements TopicSource {
  readonly #source: TopicSource;
  readonly #clock: Clock;
  #answer: Promise<readonly TopicSummary[]> | null = null;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(source: TopicSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  topics(): Promise<readonly TopicSummary[]> {
    const now = this.#clock.monotonic();
    if (this.#answer === null || now - this.#askedAtMs >= FRESH_MS) {
      this.#askedAtMs = now;
      this.#answer = this.#source.topics();
    }
    return this.#answer;
  }
}

/** Asks the cluster behind `client`. */
export function logTopics(client: Client): TopicSource {
  return {
    async topics() {
      const { topics } = await client.request('any', calls.metadata, {
        topics: null,
        allowAutoTopicCreation: false,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      });
      return topics.map(({ name, partitions }) => ({
        name: name ?? '',
        partitions: partitions.length,
        records: 0,
      }));
    },
  };
}
