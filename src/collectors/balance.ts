import { assert } from '../base/assert.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';

/**
 * The books of one collector: `received = stored + rejected{reason} + dropped{reason} + in flight`
 * at all times, and nothing is in flight when the collector is idle.
 *
 * - received: records that came in, good or bad.
 * - stored: records whose batch the log has taken (at acks=0: whose bytes went to its socket).
 * - rejected: records that will not be stored, and whose sender knows or has to be told.
 * - dropped: records that were lost on our side.
 *
 * Reasons are a closed list, so that the metric's label set is bounded.
 */
export const rejectReasons = [
  'malformed',
  'not_an_object',
  'too_deep',
  'too_large',
  'overload',
  'log_unavailable',
] as const;
export type RejectReason = (typeof rejectReasons)[number];

export const dropReasons = ['buffer_full', 'connection', 'shutdown', 'too_large'] as const;
export type DropReason = (typeof dropReasons)[number];

/** The log will never take that record: its topic takes none of that size. */
export const isTooLarge = (error: Error | null): boolean =>
  error instanceof ProtocolError &&
  (error.code === ErrorCode.MESSAGE_TOO_LARGE || error.code === ErrorCode.RECORD_LIST_TOO_LARGE);

/** Why records of which nobody can be told are lost. */
export const dropReasonOf = (error: Error, isStopping: boolean): DropReason =>
  isStopping ? 'shutdown' : isTooLarge(error) ? 'too_large' : 'connection';

export class Balance {
  received = 0;
  /** Bytes of source text behind `received`. */
  receivedBytes = 0;
  stored = 0;
  readonly rejected = new Map<RejectReason, number>();
  readonly dropped = new Map<DropReason, number>();
  #rejectedTotal = 0;
  #droppedTotal = 0;

  reject(reason: RejectReason, count = 1): void {
    this.rejected.set(reason, (this.rejected.get(reason) ?? 0) + count);
    this.#rejectedTotal += count;
  }

  drop(reason: DropReason, count = 1): void {
    if (count === 0) return;
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + count);
    this.#droppedTotal += count;
  }

  get rejectedTotal(): number {
    return this.#rejectedTotal;
  }

  get droppedTotal(): number {
    return this.#droppedTotal;
  }

  get inFlight(): number {
    return this.received - this.stored - this.#rejectedTotal - this.#droppedTotal;
  }

  check(): void {
    assert(
      this.inFlight >= 0,
      `more records resolved than received: ${this.received} received, ${this.stored} stored, ` +
        `${this.#rejectedTotal} rejected, ${this.#droppedTotal} dropped`,
    );
  }
}
