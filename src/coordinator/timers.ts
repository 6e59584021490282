/**
 * All timeouts of the coordinator, in one binary heap with a single timer of the clock behind it.
 *
 * A heartbeat moves its session's deadline further away, thousands of times a second: that only
 * writes the deadline. The heap finds out when it reaches the old one, and files the timeout anew.
 *
 * Invariants: `heap[i].slot === i`; a timeout in the heap has `filedAt <= deadline`; a stopped one is
 * not in the heap; while the heap is not empty, the clock's timer is set to its head or earlier.
 */
import type { Clock, Timer } from '../base/clock.ts';

export class Timeout {
  readonly action: () => void;
  /** Monotonic milliseconds; meaningless while not filed. */
  deadline = 0;
  /** The deadline that its place in the heap stands for. */
  filedAt = 0;
  /** Its place in the heap; -1: not filed. */
  slot = -1;

  constructor(action: () => void) {
    this.action = action;
  }

  get running(): boolean {
    return this.slot >= 0;
  }
}

export class Timers {
  readonly #clock: Clock;
  readonly #heap: Timeout[] = [];
  #armed: Timer | null = null;
  #armedFor = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Timeouts that are running. */
  get size(): number {
    return this.#heap.length;
  }

  /** Runs the timeout's action once, `delayMs` from now; restarts one that is running. */
  start(timeout: Timeout, delayMs: number): void {
    const deadline = this.#clock.monotonic() + delayMs;
    timeout.deadline = deadline;
    if (timeout.slot >= 0) {
      if (deadline >= timeout.filedAt) return;
      timeout.filedAt = deadline;
      this.#up(timeout, timeout.slot);
    } else {
      timeout.filedAt = deadline;
      this.#heap.push(timeout);
      this.#up(timeout, this.#heap.length - 1);
    }
    this.#arm();
  }

  /** Idempotent. */
  stop(timeout: Timeout | null): void {
    if (timeout !== null && timeout.slot >= 0) this.#take(timeout);
  }

  #arm(): void {
    const head = this.#heap[0];
    if (head === undefined || head.filedAt >= this.#armedFor) return;
    this.#armed?.cancel();
    this.#armedFor = head.filedAt;
    // Rounded up: a timer that fires a fraction early would only be set again.
    const delayMs = Math.ceil(Math.max(head.filedAt - this.#clock.monotonic(), 0));
    this.#armed = this.#clock.after(delayMs, () => this.#fire());
  }

  #fire(): void {
    this.#armed = null;
    this.#armedFor = Infinity;
    const now = this.#clock.monotonic();
    for (let head = this.#heap[0]; head !== undefined; head = this.#heap[0]) {
      if (head.filedAt > now) break;
      if (head.deadline > now) {
        head.filedAt = head.deadline;
        this.#down(head, 0);
      } else {
        this.#take(head);
        head.action();
      }
    }
    this.#arm();
  }

  #take(timeout: Timeout): void {
    const { slot } = timeout;
    timeout.slot = -1;
    const last = this.#heap.pop() as Timeout;
    if (last === timeout) return;
    this.#up(last, slot);
    this.#down(last, last.slot);
  }

  #place(timeout: Timeout, slot: number): void {
    this.#heap[slot] = timeout;
    timeout.slot = slot;
  }

  #up(timeout: Timeout, from: number): void {
    let slot = from;
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      const above = this.#heap[parent] as Timeout;
      if (above.filedAt <= timeout.filedAt) break;
      this.#place(above, slot);
      slot = parent;
    }
    this.#place(timeout, slot);
  }

  #down(timeout: Timeout, from: number): void {
    let slot = from;
    for (;;) {
      let child = slot * 2 + 1;
      let below = this.#heap[child];
      if (below === undefined) break;
      const right = this.#heap[child + 1];
      if (right !== undefined && right.filedAt < below.filedAt) {
        below = right;
        child++;
      }
      if (below.filedAt >= timeout.filedAt) break;
      this.#place(below, slot);
      slot = child;
    }
    this.#place(timeout, slot);
  }
}
