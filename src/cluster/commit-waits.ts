/**
 * Who waits at the leader of a partition until records are committed: those to whom the page caches
 * of all replicas in sync are enough, and those who want their devices.
 *
 * For the latter this broker's log is synced, one sync at a time: whoever comes meanwhile is served
 * by the next one.
 */
import type { PartitionLog } from '../log/partition-log.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { CommitQueue, type CommitWaiter } from './commit-queue.ts';
import type { Partition } from './partition.ts';

export class CommitWaits {
  #log: PartitionLog;
  /** The log has been synced for those who wait. */
  readonly #onFlushed: () => void;
  readonly #appended: CommitQueue<Partition>;
  readonly #flushed: CommitQueue<Partition>;
  #isFlushing = false;
  #closed = false;

  constructor(partition: Partition, log: PartitionLog, onFlushed: () => void) {
    this.#log = log;
    this.#onFlushed = onFlushed;
    this.#appended = new CommitQueue(partition);
    this.#flushed = new CommitQueue(partition);
  }

  /** A sync under way of the former log makes this one safe. */
  logMoved(log: PartitionLog): void {
    this.#log = log;
  }

  get size(): number {
    return this.#appended.size + this.#flushed.size;
  }
  /** Up to where somebody waits for the devices; -1: nobody does. */
  get flushUpTo(): number {
    return this.#flushed.lastOffset < 0 ? -1 : this.#flushed.lastOffset + 1;
  }

  /** Tells `waiter` when what lies before `end` is committed, with `flushed` on all devices. */
  add(end: number, flushed: boolean, waiter: CommitWaiter<Partition>): void {
    (flushed ? this.#flushed : this.#appended).add(end - 1, waiter);
    if (flushed) this.#flush();
  }
  remove(waiter: CommitWaiter<Partition>): void {
    this.#appended.remove(waiter);
    this.#flushed.remove(waiter);
  }

  /** Answers with `code` those who wait for what lies before these offsets. */
  advance(appended: number, flushed: number, code: number): void {
    if (this.#appended.size > 0) this.#appended.advance(appended, code);
    if (this.#flushed.size > 0) this.#flushed.advance(flushed, code);
  }

  fail(code: number): void {
    this.#appended.fail(code);
    this.#flushed.fail(code);
  }
  close(code: number): void {
    this.#closed = true;
    this.fail(code);
  }

  #flush(): void {
    if (this.#isFlushing || this.#log.flushedOffset > this.#flushed.lastOffset) return;
    this.#isFlushing = true;
    this.#log.flush().then(
      () => {
        this.#isFlushing = false;
        if (this.#closed) return;
        this.#onFlushed();
        if (this.#flushed.size > 0) this.#flush();
      },
      (error: unknown) => {
        this.#isFlushing = false;
        const code = error instanceof ProtocolError ? error.code : ErrorCode.KAFKA_STORAGE_ERROR;
        this.#flushed.fail(code);
      },
    );
  }
}
