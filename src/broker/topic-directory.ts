/** The topics of the metadata image, as coordinators see them. */
import type { MetadataDelta } from '../cluster/metadata-delta.ts';
import type { MetadataImage } from '../cluster/metadata-image.ts';
import type { MetadataStore } from '../cluster/metadata-store.ts';
import type { TopicDirectory } from '../coordinator/topic-directory.ts';

export class TopicDirectoryOfImage implements TopicDirectory {
  readonly #store: MetadataStore;

  constructor(store: MetadataStore) {
    this.#store = store;
  }

  get version(): number {
    return this.#store.lastOffset;
  }
  topicId(name: string): string | undefined {
    return this.#store.image.topic(name)?.id;
  }
  topicName(id: string): string | undefined {
    return this.#store.image.topicById(id)?.name;
  }
  hasPartition(name: string, partition: number): boolean {
    return this.#store.image.topic(name)?.partitions[partition] !== undefined;
  }
  partitionCount(name: string): number {
    return this.#store.image.topic(name)?.partitions.length ?? 0;
  }
  names(): Iterable<string> {
    return this.#store.image.topics.keys();
  }
  racks(name: string): string[][] {
    const { image } = this.#store;
    const partitions = image.topic(name)?.partitions ?? [];
    return partitions.map(({ replicas }) => [
      ...new Set(replicas.flatMap((id) => image.brokers.get(id)?.rack ?? [])),
    ]);
  }
}

/** Names of the topics that a step of the metadata has made, changed or removed. */
export const changedTopics = (delta: MetadataDelta, image: MetadataImage): string[] => [
  ...[...delta.partitions.keys()].flatMap((id) => image.topicById(id)?.name ?? []),
  ...delta.removedTopics.map(({ name }) => name),
];
