/** Batches that are remembered of a producer, to answer a repeated one. Kafka's number. */
export const BATCHES_TO_RETAIN = 5;

const SEQUENCE_MAX = 0x7fff_ffff;

/** `count` records on from a sequence number; 2^31-1 is followed by 0. */
export const sequenceAfter = (sequence: number, count: number): number => {
  const next = sequence + count;
  return next > SEQUENCE_MAX ? next - SEQUENCE_MAX - 1 : next;
};

export interface BatchMetadata {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly lastOffset: number;
  readonly offsetDelta: number;
  readonly timestamp: number;
}

/**
 * What one log knows of one idempotent producer: its epoch and its last batches in that epoch.
 */
export class ProducerStateEntry {
  readonly producerId: number;
  epoch = -1;
  coordinatorEpoch = -1;
  lastTimestamp = -1;
  /** First offset of the transaction under way, or -1. */
  currentTxnFirstOffset = -1;
  readonly #batches: BatchMetadata[] = [];

  constructor(producerId: number) {
    this.producerId = producerId;
  }

  get batches(): readonly BatchMetadata[] {
    return this.#batches;
  }
  get lastBatch(): BatchMetadata | undefined {
    return this.#batches[this.#batches.length - 1];
  }
  /** -1 when no batch is known in this epoch. */
  get lastSequence(): number {
    return this.lastBatch?.lastSequence ?? -1;
  }

  addBatch(
    epoch: number,
    lastSequence: number,
    lastOffset: number,
    offsetDelta: number,
    timestamp: number,
  ): void {
    this.setEpoch(epoch);
    if (this.#batches.length === BATCHES_TO_RETAIN) this.#batches.shift();
    const first = lastSequence - offsetDelta;
    const firstSequence = first < 0 ? first + SEQUENCE_MAX + 1 : first;
    this.#batches.push({ firstSequence, lastSequence, lastOffset, offsetDelta, timestamp });
    this.lastTimestamp = timestamp;
  }

  setEpoch(epoch: number): void {
    if (epoch === this.epoch) return;
    this.#batches.length = 0;
    this.epoch = epoch;
  }

  /** The remembered batch with exactly these sequence numbers. */
  findDuplicate(epoch: number, first: number, last: number): BatchMetadata | null {
    if (epoch !== this.epoch) return null;
    for (const batch of this.#batches) {
      if (batch.firstSequence === first && batch.lastSequence === last) return batch;
    }
    return null;
  }
}
