/**
 * Many timeouts at the cost of one: entries hang in slots by their time, and the clock is asked for
 * the next slot that holds any. Adding and cancelling cost a few pointer moves, so an operation that
 * nearly always completes in time (a long poll) pays nearly nothing. With no entries, no timer runs.
 *
 * An entry fires up to one tick late, never early.
 */
import type { Clock, Timer } from './clock.ts';

export class WheelEntry {
  readonly action: () => void;
  /** Tick at which it fires; -1: not in a wheel. */
  tick = -1;
  before: WheelEntry | null = null;
  after: WheelEntry | null = null;

  constructor(action: () => void) {
    this.action = action;
  }
}

export interface WheelOptions {
  /** Resolution, milliseconds. */
  readonly tickMs?: number;
  /** Times `tickMs`: delays beyond that go round several times. */
  readonly slots?: number;
}

export class TimerWheel {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #slots: (WheelEntry | null)[];
  #size = 0;
  /** Last tick whose entries have fired. */
  #doneTick: number;
  #timer: Timer | null = null;
  #timerTick = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, options: WheelOptions = {}) {
    this.#clock = clock;
    this.#tickMs = options.tickMs ?? 10;
    this.#slots = Array.from({ length: options.slots ?? 1024 }, () => null);
    this.#doneTick = this.#tickNow();
  }

  /** Entries that wait. */
  get size(): number {
    return this.#size;
  }

  #tickNow(): number {
    return Math.floor(this.#clock.monotonic() / this.#tickMs);
  }

  /** Calls `action` once, `delayMs` from now or a tick later. */
  add(delayMs: number, action: () => void): WheelEntry {
    const entry = new WheelEntry(action);
    const due = (this.#clock.monotonic() + Math.max(delayMs, 0)) / this.#tickMs;
    // With nothing waiting, the ticks in between need not be gone through.
    if (this.#size === 0) this.#doneTick = this.#tickNow();
    entry.tick = Math.max(Math.ceil(due), this.#doneTick + 1);
    const slot = entry.tick % this.#slots.length;
    const head = this.#slots[slot] ?? null;
    entry.after = head;
    if (head !== null) head.before = entry;
    this.#slots[slot] = entry;
    this.#size += 1;
    if (entry.tick < this.#timerTick) this.#arm(entry.tick);
    return entry;
  }

  /** Idempotent; an entry that has fired is cancelled already. */
  cancel(entry: WheelEntry): void {
    if (entry.tick < 0) return;
    this.#unlink(entry);
    // The timer, if it was armed for this entry, fires once in vain.
  }

  /** Forgets all entries without calling them. */
  clear(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#timerTick = Number.POSITIVE_INFINITY;
    for (let slot = 0; slot < this.#slots.length; slot++) {
      for (let entry = this.#slots[slot] ?? null; entry !== null; ) {
        const next = entry.after;
        this.#unlink(entry);
        entry = next;
      }
    }
  }

  #unlink(entry: WheelEntry): void {
    const { before, after } = entry;
    if (before === null) this.#slots[entry.tick % this.#slots.length] = after;
    else before.after = after;
    if (after !== null) after.before = before;
    entry.before = null;
    entry.after = null;
    entry.tick = -1;
    this.#size -= 1;
  }

  #arm(tick: number): void {
    this.#timer?.cancel();
    this.#timerTick = tick;
    const delayMs = tick * this.#tickMs - this.#clock.monotonic();
    this.#timer = this.#clock.after(Math.max(delayMs, 0), () => this.#turn());
  }

  #turn(): void {
    this.#timer = null;
    this.#timerTick = Number.POSITIVE_INFINITY;
    const now = this.#tickNow();
    const first = Math.max(this.#doneTick + 1, now - this.#slots.length + 1);
    this.#doneTick = now;
    const due: WheelEntry[] = [];
    for (let tick = first; tick <= now && this.#size > 0; tick++) {
      let entry = this.#slots[tick % this.#slots.length] ?? null;
      while (entry !== null) {
        const next = entry.after;
        if (entry.tick <= now) {
          this.#unlink(entry);
          due.push(entry);
        }
        entry = next;
      }
    }
    if (this.#size > 0) this.#arm(this.#nextTick(now));
    for (const entry of due) entry.action();
  }

  /** Tick of the next slot that holds anything, its entries may be for a later round. */
  #nextTick(now: number): number {
    for (let i = 1; i <= this.#slots.length; i++) {
      if ((this.#slots[(now + i) % this.#slots.length] ?? null) !== null) return now + i;
    }
    return now + this.#slots.length;
  }
}
