/** The cluster's topics, as far as the coordinator has to know them; the broker provides it. */
export interface TopicDirectory {
  topicId(name: string): string | undefined;
  topicName(topicId: string): string | undefined;
  hasPartition(name: string, partition: number): boolean;
}
