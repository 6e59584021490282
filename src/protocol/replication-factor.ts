/** How many replicas a partition is to have in sync, and whether it has them, as Kafka counts them. */

export interface Replicas {
  /** All, also those that are being added or removed. */
  readonly replicas: readonly number[];
  readonly adding: readonly number[];
  readonly isr: readonly number[];
}

/**
 * Replicas that are being added do not lack yet. See `OngoingReassignmentState.replicationFactor` of
 * Kafka's brokers and `TopicCommand.getReplicationFactor` of its tools.
 */
const replicationFactor = ({ replicas, adding }: Omit<Replicas, 'isr'>): number =>
  replicas.length - adding.length;

/** Of a topic: that of its first partition, as Kafka's tools have it; 0 while it has none. */
export const factorOf = ([first]: readonly Omit<Replicas, 'isr'>[]): number =>
  first === undefined ? 0 : replicationFactor(first);

/**
 * As Kafka does it by numbers alone: one that was added and is in sync already stands in for one
 * that is lost.
 */
export const isUnderReplicated = (partition: Replicas): boolean =>
  partition.isr.length < replicationFactor(partition);
