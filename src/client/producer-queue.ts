/**
 * Batches of one partition: the one that is being filled, those that wait, those on their way.
 *
 * Order is kept. A batch that must be sent again goes back to its place, and until it gets through
 * nothing behind it is sent (`recovering`): later ones that were on their way may get through, but it
 * may be in the log, and no more than the last five batches are remembered there. With idempotence a
 * batch keeps its sequence numbers over all attempts, so that the broker drops what it has already;
 * only when the broker says that there is a gap, and nothing earlier is unresolved, the epoch is
 * raised and numbering starts anew: what waits is then known not to be in the log.
 */
import type { BatchProducer } from '../protocol/record-batch-builder.ts';
import type { ProducerBatch } from './producer-batch.ts';
import type { TopicQueues } from './producer-topic.ts';

/** Batches that a broker remembers for each producer and partition. */
export const IN_FLIGHT_BATCHES_MAX = 5;
const EPOCH_MAX = 0x7fff;
const SEQUENCE_MAX = 0x7fff_ffff;

export class PartitionQueue {
  readonly topic: TopicQueues;
  /** -1: not assigned yet, the topic's partitions are unknown. */
  readonly index: number;
  /** The batch that is being filled. */
  open: ProducerBatch | null = null;
  /** Whether the open batch has lingered long enough. */
  due = false;
  readonly waiting: ProducerBatch[] = [];
  readonly inFlight: ProducerBatch[] = [];
  /** Broker that the batches in flight went to. */
  broker = -1;
  /**
   * One batch at a time until the first one gets through. True at first, too: a broker that does not
   * know the producer takes any first sequence number, so a second batch must not overtake a failed
   * first.
   */
  recovering = true;
  failures = 0;
  /** Monotonic milliseconds before which nothing is sent. */
  retryAt = 0;
  /** Size of the batch before, a guess at the next one's. */
  lastSize = 0;
  #producerId = -1;
  #epoch = 0;
  #sequence = 0;
  #bump = false;

  constructor(topic: TopicQueues, index: number) {
    this.topic = topic;
    this.index = index;
  }

  get hasWork(): boolean {
    return this.waiting.length > 0 || (this.open !== null && this.due);
  }

  /** Ends the open batch; it is sent as it is. */
  close(): void {
    if (this.open === null) return;
    this.lastSize = this.open.size;
    this.waiting.push(this.open);
    this.open = null;
    this.due = false;
  }

  /** Puts a batch back where it was. */
  requeue(batch: ProducerBatch): void {
    let at = this.waiting.length;
    while (at > 0 && batch.isBefore(this.waiting[at - 1]!)) at--;
    this.waiting.splice(at, 0, batch);
    this.recovering = true;
  }

  /** The batch is in the log. */
  gotThrough(batch: ProducerBatch): void {
    if (this.hasEarlier(batch)) return;
    this.recovering = false;
    this.failures = 0;
  }

  /** Whether a batch before this one has no outcome yet. */
  hasEarlier(batch: ProducerBatch): boolean {
    return (
      this.inFlight.some((other) => other.isBefore(batch)) ||
      this.waiting[0]?.isBefore(batch) === true
    );
  }

  /** The broker saw a gap in the sequence: number anew under a higher epoch. */
  bumpEpoch(): void {
    this.#bump = true;
  }

  /**
   * The identity for a batch that is about to be sent. Returns null when a new producer id is
   * needed first.
   */
  identify(batch: ProducerBatch, producerId: number, initialEpoch: number): BatchProducer | null {
    if (this.#producerId !== producerId) {
      this.#producerId = producerId;
      this.#epoch = initialEpoch;
      this.#sequence = 0;
      this.#bump = false;
    }
    if (this.#bump && this.inFlight.length === 0) {
      if (this.#epoch === EPOCH_MAX) return null;
      this.#epoch++;
      this.#sequence = 0;
      this.#bump = false;
    }
    const given = batch.producer;
    if (given !== undefined && given.id === producerId && given.epoch === this.#epoch) return given;
    const baseSequence = this.#sequence;
    const next = baseSequence + batch.count;
    // Sequence numbers wrap to 0 behind 2^31-1.
    this.#sequence = next > SEQUENCE_MAX ? next - SEQUENCE_MAX - 1 : next;
    return { id: producerId, epoch: this.#epoch, baseSequence };
  }
}
