/** The cluster's topics, as far as the coordinator has to know them; the broker provides it. */
export interface TopicDirectory {
  topicId(name: string): string | undefined;
  topicName(topicId: string): string | undefined;
  hasPartition(name: string, partition: number): boolean;
  /** 0: there is no topic of that name. */
  partitionCount(name: string): number;
  names(): Iterable<string>;
  /** Racks of the replicas, by partition; of brokers that tell theirs. */
  racks(name: string): readonly (readonly string[])[];
  /** Of the metadata as they are known here; those of later metadata are greater, on any broker. */
  readonly version: number;
}
