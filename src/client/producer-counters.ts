import { OperatingError } from '../base/errors.ts';
import { errorName, ProtocolError } from '../protocol/error-codes.ts';

/**
 * What became of the records that a producer took. At any time
 * `records = delivered + failed + inFlight`.
 */
export class ProducerCounters {
  /** Records taken by `append`. */
  records = 0;
  /** Key, value and header bytes of them, with a fixed part for framing. */
  bytes = 0;
  /** Calls of `append` that were refused because the buffer memory was full. */
  refused = 0;
  /** Acknowledged records; with acks=0 those that the system took over for sending. */
  delivered = 0;
  /** Records given up, all reasons. */
  failed = 0;
  /** Records given up, by Kafka's error name or our own code (`delivery-timeout`, `disconnected`). */
  readonly dropped = new Map<string, number>();
  /** Batches handed to connections, repeats included, and the bytes of them, compressed. */
  batches = 0;
  batchBytes = 0;
  /** Batches sent again. */
  retries = 0;
  /**
   * With acks=0: delivered records whose connection broke before the broker had shown that it read
   * them. Some of them may be lost.
   */
  uncertain = 0;
  bufferedBytes = 0;

  /** Records without an outcome yet. */
  get inFlight(): number {
    return this.records - this.delivered - this.failed;
  }

  drop(error: Error, count: number): void {
    const reason = reasonCode(error);
    this.failed += count;
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + count);
  }
}

function reasonCode(error: Error): string {
  if (error instanceof ProtocolError) return errorName(error.code);
  return error instanceof OperatingError ? error.code : error.name;
}
