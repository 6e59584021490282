/**
 * Batches of clients that one write will append: as many of those that came together as may lie in
 * one segment. They are checked, and nothing of them is in the log or in what it knows yet, so that
 * a write that fails has nothing to be taken back.
 */
import {
  attributes,
  baseSequence,
  isTransactional,
  lastOffsetDelta,
  maxTimestamp,
  producerEpoch,
  producerId,
} from '../protocol/record-batch.ts';
import { sequenceAfter } from './producer-state-entry.ts';
import { SEGMENT_OFFSETS_MAX } from './sparse-index.ts';

export interface RunLimits {
  readonly segmentBytes: number;
  /** That the records of one segment may span, milliseconds. */
  readonly segmentMs: number;
}

export class AppendRun {
  readonly batches: Buffer[] = [];
  /** Of each batch, where its caller has it. */
  readonly places: number[] = [];
  /** The memory of some batch is used again once the append has returned. */
  isReused = false;
  readonly #limits: RunLimits;
  #bytes = 0;
  #offsets = 0;
  #oldest = Number.POSITIVE_INFINITY;

  constructor(limits: RunLimits) {
    this.#limits = limits;
  }

  /** Whether the batch may be one of the run; if not, the run must be in the log first. */
  takes(batch: Buffer): boolean {
    if (this.batches.length === 0) return true;
    const { segmentBytes, segmentMs } = this.#limits;
    const hasRoom =
      this.#bytes + batch.length <= segmentBytes &&
      this.#offsets + lastOffsetDelta(batch, 0) < SEGMENT_OFFSETS_MAX &&
      maxTimestamp(batch, 0) - this.#oldest <= segmentMs;
    return hasRoom && (this.#lastOfProducer(batch) === undefined || this.precedes(batch));
  }

  /**
   * Whether the batch follows the last one that the run has of its producer. Then it can be no
   * repetition, and its sequence is the one to come: the log, which knows neither, need not be asked.
   */
  precedes(batch: Buffer): boolean {
    const last = this.#lastOfProducer(batch);
    if (last === undefined || producerEpoch(batch, 0) !== producerEpoch(last, 0)) return false;
    if (isTransactional(attributes(batch, 0)) !== isTransactional(attributes(last, 0)))
      return false;
    const next = sequenceAfter(baseSequence(last, 0), lastOffsetDelta(last, 0) + 1);
    return baseSequence(batch, 0) === next;
  }

  #lastOfProducer(batch: Buffer): Buffer | undefined {
    const id = producerId(batch, 0);
    return id < 0 ? undefined : this.batches.findLast((one) => producerId(one, 0) === id);
  }

  add(batch: Buffer, place: number, isReused: boolean): void {
    this.batches.push(batch);
    this.places.push(place);
    this.isReused ||= isReused;
    this.#bytes += batch.length;
    this.#offsets += lastOffsetDelta(batch, 0) + 1;
    this.#oldest = Math.min(this.#oldest, maxTimestamp(batch, 0));
  }

  clear(): void {
    this.batches.length = 0;
    this.places.length = 0;
    this.isReused = false;
    this.#bytes = 0;
    this.#offsets = 0;
    this.#oldest = Number.POSITIVE_INFINITY;
  }
}
