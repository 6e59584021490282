/**
 * Where fetching of one partition is: its next offset, and whom not to ask for a while.
 *
 * The generation grows whenever the position is set from outside; what was fetched in an earlier one
 * is of no use any more.
 */
import type { TopicPartition } from './list-offsets.ts';
import { partitionKey } from './list-offsets.ts';

export type FetchOffset = number | 'earliest' | 'latest';

export class FetchPosition implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  /** Next offset to fetch; null: being looked up, as `reset` says. */
  position: number | null = null;
  reset: 'earliest' | 'latest' = 'latest';
  paused = false;
  /** Term of the leader from which the batch before the position came; -1: unknown. */
  epoch = -1;
  generation = 0;
  /** Monotonic milliseconds before which the broker `failedBroker` is not asked again. */
  retryAt = 0;
  failedBroker = -1;
  failures = 0;
  highWatermark = -1;
  /** Id under which the topic was read last; null: nothing was, or the broker gives none. */
  topicId: string | null = null;

  constructor({ topic, partition }: TopicPartition) {
    this.topic = topic;
    this.partition = partition;
    this.key = partitionKey({ topic, partition });
  }

  /** Sets it from outside; `epoch` of the record before, where it is known. */
  move(offset: FetchOffset, epoch = -1): void {
    this.generation++;
    this.epoch = typeof offset === 'number' ? epoch : -1;
    this.retryAt = 0;
    if (typeof offset === 'number') this.position = offset;
    else {
      this.position = null;
      this.reset = offset;
    }
  }

  /** The broker has refused it, or can't be reached. */
  failedAt(broker: number): void {
    this.failures++;
    this.failedBroker = broker;
  }
}
