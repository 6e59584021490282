/** The topics of the log in a few numbers, asked through the Kafka protocol and kept for a moment. */
import type { Clock } from '../base/clock.ts';
import { Admin } from '../client/admin.ts';
import type { Client } from '../client/client.ts';
import { ClusterAdmin } from '../client/cluster-admin.ts';
import { partitionKey } from '../client/list-offsets.ts';
import { factorOf, isUnderReplicated } from '../protocol/replication-factor.ts';

export interface TopicSummary {
  readonly name: string;
  readonly partitions: number;
  /** Sum over the partitions of end offset minus start offset, as far as that is known. */
  readonly records: number;
  /** Partitions whose records are not counted: none leads them, or who does, did not tell in time. */
  readonly unknown: number;
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
/** Who has not answered by then is shown as unknown. */
const ANSWER_MS_MAX = 1_000;

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
      const topics = await admin.listTopics();
      const [assigned, { earliest, latest }] = await Promise.all([
        cluster.assigned(topics, ANSWER_MS_MAX),
        admin.knownOffsets(topics, ANSWER_MS_MAX),
      ]);
      return assigned.map(({ name, partitions }) => {
        let [records, unknown] = [0, 0];
        for (const { index: partition } of partitions) {
          const key = partitionKey({ topic: name, partition });
          const [start, end] = [earliest.get(key), latest.get(key)];
          if (start === undefined || end === undefined) unknown += 1;
          else records += Math.max(0, end - start);
        }
        return {
          name,
          partitions: partitions.length,
          records,
          unknown,
          replicationFactor: factorOf(partitions),
          underReplicated: partitions.filter(isUnderReplicated).length,
        };
      });
    },
  };
}
