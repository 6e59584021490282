/** The topics of the log in a few numbers, asked through the Kafka protocol and kept for a moment. */
import type { Clock } from '../base/clock.ts';
import { Admin } from '../client/admin.ts';
import type { Client } from '../client/client.ts';
import { ClusterAdmin } from '../client/cluster-admin.ts';
import type { ListedOffset } from '../client/list-offsets.ts';
import { factorOf, isUnderReplicated } from '../protocol/replication-factor.ts';

export interface TopicSummary {
  readonly name: string;
  readonly partitions: number;
  /** Sum over the partitions of end offset minus start offset. */
  readonly records: number;
  readonly replicationFactor: number;
  /** Partitions that have fewer replicas in sync than they are to have. */
  readonly underReplicated: number;
}

/** Topics that a warning names; the others are counted. */
const NAMED_MAX = 5;

/** A warning of topics that go with one disk, where several brokers could keep them. */
export function unreplicated(topics: readonly TopicSummary[], brokers: number): string[] {
  const single = topics.filter(({ replicationFactor }) => replicationFactor === 1);
  if (brokers < 2 || single.length === 0) return [];
  const names = single.slice(0, NAMED_MAX).map(({ name }) => name);
  const more = single.length - names.length;
  const list = more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
  return single.length === 1
    ? [`a topic has one replica only, and ends with its broker's disk: ${list}`]
    : [`${single.length} topics have one replica only, and end with their broker's disk: ${list}`];
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
  #isAsking = false;
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(source: TopicSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  topics(): Promise<readonly TopicSummary[]> {
    const now = this.#clock.monotonic();
    const isFresh = this.#isAsking || now - this.#askedAtMs < FRESH_MS;
    if (this.#answer === null || !isFresh) {
      this.#askedAtMs = now;
      this.#isAsking = true;
      this.#answer = this.#source.topics().finally(() => {
        this.#isAsking = false;
      });
    }
    return this.#answer;
  }
}

/** Asks the cluster behind `client`. */
export function logTopics(client: Client): TopicSource {
  const admin = new Admin(client);
  const cluster = new ClusterAdmin(client);
  return {
    async topics() {
      const topics = await cluster.assigned(await admin.listTopics());
      const partitions = topics.flatMap((topic) =>
        topic.partitions
          // Nobody knows the offsets of a partition without a leader.
          .filter(({ leader }) => leader >= 0)
          .map(({ index }) => ({ topic: topic.name, partition: index })),
      );
      const [ends, starts] = await Promise.all([
        admin.listOffsets(partitions, 'latest'),
        admin.listOffsets(partitions, 'earliest'),
      ]);
      const records = new Map<string, number>();
      const add = (offsets: readonly ListedOffset[], sign: 1 | -1): void => {
        for (const { topic, offset } of offsets) {
          if (offset >= 0) records.set(topic, (records.get(topic) ?? 0) + sign * offset);
        }
      };
      add(ends, 1);
      add(starts, -1);
      return topics.map((topic) => ({
        name: topic.name,
        partitions: topic.partitions.length,
        records: Math.max(0, records.get(topic.name) ?? 0),
        replicationFactor: factorOf(topic.partitions),
        underReplicated: topic.partitions.filter(isUnderReplicated).length,
      }));
    },
  };
}
