import type { TopicImage } from './metadata-image.ts';

/** What a step of records has changed, for those who act on it. */
export class MetadataDelta {
  /** Indexes by topic id; of topics that exist. */
  readonly partitions = new Map<string, Set<number>>();
  readonly removedTopics: TopicImage[] = [];
  /** Ids of topics that are new. */
  readonly createdTopics = new Set<string>();
  /** Topics whose settings changed, by name. */
  readonly topicSettings = new Set<string>();
  /** Brokers whose settings changed; '' for all of them. */
  readonly brokerSettings = new Set<string>();
  /** Groups, and subscriptions to metrics of clients, whose settings changed. */
  readonly groupSettings = new Set<string>();
  readonly clientMetrics = new Set<string>();
  readonly brokers = new Set<number>();

  partition(topicId: string, index: number): void {
    let indexes = this.partitions.get(topicId);
    if (indexes === undefined) this.partitions.set(topicId, (indexes = new Set()));
    indexes.add(index);
  }
}
