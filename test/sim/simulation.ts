/**
 * Simulated time and the order of everything that happens in it.
 *
 * One queue of events, by time and then by the order in which they were asked for. Between two
 * events the microtask queue runs dry, so that what an event leads to happens before the next one,
 * and the same seed gives the same run. Time is counted in whole microseconds.
 *
 * An event belongs to a process, or to nobody (the network, the fault schedule). A stopped process
 * gets its events when it goes on; a dead one never does.
 */
import type { Random } from '../../src/base/random.ts';
import { Trace } from './trace.ts';

export interface SimEvent {
  readonly at: number;
  readonly order: number;
  readonly owner: SimProcess | null;
  readonly label: string;
  /** Null: cancelled. */
  action: (() => void) | null;
}

/** One life of a program: from its start to its end, whatever ends it. */
export class SimProcess {
  readonly name: string;
  readonly nodeId: number;
  isAlive = true;
  isPaused = false;
  /** Events that came while it was stopped, in order. */
  readonly deferred: SimEvent[] = [];
  /** Called once when it dies. */
  readonly onDeath: (() => void)[] = [];

  constructor(name: string, nodeId: number) {
    this.name = name;
    this.nodeId = nodeId;
  }
}

/** Microseconds in a millisecond. */
const US = 1000;
/** Events between two turns of the event loop, which cost more than a small event does. */
const EVENTS_A_TURN = 32;

export class Simulation {
  readonly trace = new Trace();
  readonly random: Random;
  readonly #heap: SimEvent[] = [];
  #nowUs = 0;
  #order = 0;
  #events = 0;
  /** Process whose event runs; null: nobody's. */
  current: SimProcess | null = null;
  /** What an event has thrown: the run ends with it, unless somebody takes it. */
  onThrow: (error: unknown, owner: SimProcess | null) => void = (error) => {
    throw error;
  };

  constructor(random: Random) {
    this.random = random;
  }

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.#nowUs / US;
  }
  get nowUs(): number {
    return this.#nowUs;
  }
  /** Events that ran. */
  get events(): number {
    return this.#events;
  }

  after(owner: SimProcess | null, delayMs: number, label: string, action: () => void): SimEvent {
    const delayUs = Number.isFinite(delayMs) ? Math.max(0, Math.ceil(delayMs * US)) : 1e15;
    const event = { at: this.#nowUs + delayUs, order: this.#order++, owner, label, action };
    this.#push(event);
    return event;
  }

  /** Stops a process (SIGSTOP); it knows nothing of the time that passes. */
  pause(process: SimProcess): void {
    process.isPaused = true;
  }
  /** Lets it go on: what came meanwhile comes now, in order. */
  resume(process: SimProcess): void {
    if (!process.isPaused) return;
    process.isPaused = false;
    for (const { label, action, owner } of process.deferred.splice(0)) {
      if (action !== null) this.after(owner, 0, label, action);
    }
  }
  kill(process: SimProcess): void {
    if (!process.isAlive) return;
    process.isAlive = false;
    process.deferred.length = 0;
    for (const tell of process.onDeath.splice(0)) tell();
  }

  /** Runs what is due within `ms` from now, or until `done`. */
  run(ms: number, done: () => boolean = () => false): Promise<void> {
    const end = this.#nowUs + ms * US;
    return new Promise((resolve, reject) => {
      let left = EVENTS_A_TURN;
      const step = (): void => {
        try {
          if (done() || !this.#runNext(end)) return resolve();
        } catch (error) {
          return reject(error as Error);
        }
        left -= 1;
        if (left > 0) return queueMicrotask(onceDry);
        left = EVENTS_A_TURN;
        setImmediate(step);
      };
      // A tick that is asked for by a microtask comes when no microtask is left.
      const onceDry = (): void => process.nextTick(step);
      setImmediate(step);
    });
  }

  /** False: nothing is due until `end`. */
  #runNext(end: number): boolean {
    for (;;) {
      const event = this.#heap[0];
      if (event === undefined || event.at > end) {
        this.#nowUs = end;
        return false;
      }
      this.#pop();
      const { action, owner, label } = event;
      if (action === null || owner?.isAlive === false) continue;
      this.#nowUs = event.at;
      if (owner?.isPaused === true) {
        owner.deferred.push(event);
        continue;
      }
      event.action = null;
      this.#events += 1;
      this.trace.event(this.#nowUs, owner?.nodeId ?? -1, label);
      this.current = owner;
      try {
        action();
      } catch (error) {
        this.onThrow(error, owner);
      }
      return true;
    }
  }

  #push(event: SimEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const size = heap.length;
    if (size === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

const isBefore = (a: SimEvent, b: SimEvent): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);
