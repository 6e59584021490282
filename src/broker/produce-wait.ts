/**
 * One produce request with acks=all that waits: for each of its partitions until what it appended
 * is committed, or can't be any more, or the time of the request is over. One promise a request.
 */
import type { CommitWaiter } from '../cluster/commit-queue.ts';
import type { Partition } from '../cluster/partition.ts';
import { ErrorCode } from '../protocol/error-codes.ts';

/** What was appended to one partition, and what became of it. */
export class PendingAppend implements CommitWaiter<Partition> {
  readonly partition: Partition;
  /** Behind its last record. */
  readonly end: number;
  /** ErrorCode; null: not known yet. */
  code: number | null = null;
  onSettled: () => void = () => {};

  constructor(partition: Partition, end: number) {
    this.partition = partition;
    this.end = end;
  }

  settled(_: Partition, code: number): void {
    if (this.code !== null) return;
    this.code = code;
    this.onSettled();
  }

  /** The time is over. */
  expire(): void {
    if (this.code !== null) return;
    this.code = ErrorCode.REQUEST_TIMED_OUT;
    this.partition.forgetWaiter(this);
  }
}

export interface Timeouts {
  add(delayMs: number, action: () => void): unknown;
  cancel(entry: any): void;
}

/** Begins to wait for all; returns how many have no code yet. */
export function begin(appends: readonly PendingAppend[], flushed: boolean): number {
  for (const append of appends) {
    const mustWait = append.partition.wait(append.end, flushed, append);
    if (!mustWait) append.code ??= ErrorCode.NONE;
  }
  // A disk that fails at the first try has answered already, for all that lies on it.
  let waiting = 0;
  for (const append of appends) if (append.code === null) waiting += 1;
  return waiting;
}

/** Resolves when each of them has its code. `waiting` of them have none yet. */
export function settled(
  appends: readonly PendingAppend[],
  waiting: number,
  timeoutMs: number,
  timers: Timeouts,
): Promise<void> {
  return new Promise((resolve) => {
    let left = waiting;
    const timer = timers.add(Math.max(timeoutMs, 0), () => {
      for (const append of appends) append.expire();
      resolve();
    });
    const onSettled = (): void => {
      left -= 1;
      if (left > 0) return;
      timers.cancel(timer);
      resolve();
    };
    for (const append of appends) append.onSettled = onSettled;
  });
}
