/**
 * Windows on their way to a destination: one is being filled, a bounded number is under way, and
 * each of them is tried until nothing is left in it.
 *
 * A window leaves when it is full or has lingered, and a lane is free. How many lanes there are
 * follows what the destination bears; while it is unwell one request at a time finds out whether it
 * is better (`retry.ts`).
 */
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { ConnectorState, Destination, Settlement, Window, WriteResult } from './connector.ts';
import { AdaptiveLimit, BackoffGate } from './retry.ts';

export interface ShippingOptions {
  readonly connector: string;
  readonly lingerMs: number;
  /** Most windows under way at once; one more may be filling. */
  readonly inFlightMax: number;
  readonly retryBackoffMs: number;
}

interface Seams {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const BACKOFF_CAP_MS = 30_000;
/** What waits for a person is tried again this seldom. */
const STUCK_RETRY_MS = 30_000;
const IDLE_SHRINK_MS = 10_000;

export class Shipping<W extends Window> {
  readonly #options: ShippingOptions;
  readonly #destination: Destination<W>;
  readonly #settlement: Settlement;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #limit: AdaptiveLimit;
  readonly #gate: BackoffGate;
  readonly #onLane: () => void;
  readonly #abort = new AbortController();
  /** Windows that nobody uses; with those in use never more than `inFlightMax` + 1. */
  readonly #spare: W[] = [];
  #windows = 0;
  #filling: W | null = null;
  /** The filling window is full, or has waited for the linger time. */
  #isDue = false;
  #lingerTimer: Timer | null = null;
  #shrinkTimer: Timer | null = null;
  #inFlight = 0;
  #state: ConnectorState = 'RUNNING';
  #fault = '';
  #isOpen = false;
  #isSlowed = false;
  /** Attempts that left records over. */
  retries = 0;
  writes = 0;
  writeMsTotal = 0;
  writeMsMax = 0;

  /** `onLane` is called whenever a window is free again. */
  constructor(
    options: ShippingOptions,
    destination: Destination<W>,
    settlement: Settlement,
    seams: Seams,
    onLane: () => void,
  ) {
    this.#options = options;
    this.#destination = destination;
    this.#settlement = settlement;
    this.#clock = seams.clock;
    this.#logger = seams.logger;
    this.#limit = new AdaptiveLimit(options.inFlightMax);
    const backoff = { baseMs: options.retryBackoffMs, capMs: BACKOFF_CAP_MS };
    this.#gate = new BackoffGate(seams.clock, seams.random, backoff);
    this.#onLane = onLane;
  }

  /** RUNNING or FAILED; FAILED waits for a person, and tries again by itself. */
  get state(): ConnectorState {
    return this.#state;
  }
  /** Why the destination takes no records, '' when it does. */
  get fault(): string {
    return this.#fault;
  }
  /** The fault is that the destination asks for less. */
  get isSlowed(): boolean {
    return this.#isSlowed;
  }
  /** The destination was reached and prepared. */
  get isOpen(): boolean {
    return this.#isOpen;
  }
  get inFlight(): number {
    return this.#inFlight;
  }
  get inFlightLimit(): number {
    return this.#limit.current;
  }
  /** Aborted by `abort`. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Prepares the destination, as often as it takes. Resolves early when it is aborted. */
  async open(): Promise<void> {
    const { signal } = this;
    for (;;) {
      await this.#gate.enter(signal);
      if (signal.aborted) return this.#gate.leave();
      const result = await this.#destination.open(signal);
      this.#judge(result);
      if (result.verdict !== 'settled') continue;
      this.#isOpen = true;
      return;
    }
  }

  /** The window that takes the next record; null when all are in use. */
  windowToFill(): W | null {
    if (this.#filling !== null) return this.#filling;
    let window = this.#spare.pop();
    if (window === undefined) {
      if (this.#windows > this.#options.inFlightMax) return null;
      window = this.#destination.createWindow();
      this.#windows++;
    }
    this.#filling = window;
    this.#isDue = false;
    return window;
  }

  /** The filling window takes no more. True: it has left, and another one may be filled. */
  full(): boolean {
    this.#isDue = true;
    this.#dispatch();
    return this.#filling === null;
  }

  /** No more records for now: the filling window waits for the linger time at most. */
  linger(): void {
    if (this.#lingerTimer !== null || this.#filling === null || this.#filling.count === 0) return;
    this.#lingerTimer = this.#clock.after(this.#options.lingerMs, () => {
      this.#lingerTimer = null;
      this.#isDue = true;
      this.#dispatch();
    });
  }

  /** The filling window leaves now, whatever is under way. */
  flush(): void {
    this.#dispatch(true);
  }

  /** Gives up what is under way: its records stay unresolved. */
  abort(): void {
    this.#abort.abort();
    this.#lingerTimer?.cancel();
    this.#shrinkTimer?.cancel();
  }

  #dispatch(anyway = false): void {
    const window = this.#filling;
    if (window === null || window.count === 0) return;
    if (!anyway && (!this.#isDue || this.#inFlight >= this.#limit.current)) return;
    this.#filling = null;
    this.#lingerTimer?.cancel();
    this.#lingerTimer = null;
    this.#shrinkTimer?.cancel();
    this.#shrinkTimer = null;
    void this.#ship(window);
  }

  /** Hands a window over, as often as it takes. Rejects for nothing but a bug. */
  async #ship(window: W): Promise<void> {
    const { signal } = this;
    this.#inFlight++;
    for (let attempt = 1; window.count > 0; attempt++) {
      await this.#gate.enter(signal);
      if (signal.aborted) break;
      const started = this.#clock.monotonic();
      const result = await this.#destination.write(window, attempt, this.#settlement, signal);
      this.#wrote(this.#clock.monotonic() - started);
      this.#judge(result);
    }
    if (window.count > 0) this.#gate.leave();
    this.#inFlight--;
    if (window.count === 0) this.#spare.push(window);
    else this.#windows--; // Given up.
    this.#dispatch();
    if (this.#inFlight === 0) this.#shrinkLater();
    this.#onLane();
  }

  #wrote(ms: number): void {
    this.writes++;
    this.writeMsTotal += ms;
    this.writeMsMax = Math.max(this.writeMsMax, ms);
  }

  /** Draws the consequences of an attempt: delays, lanes, state. */
  #judge(result: WriteResult): void {
    const { verdict, reason, retryAfterMs } = result;
    if (verdict === 'settled') {
      this.#limit.success();
      this.#gate.success();
      this.#setState('RUNNING', '');
      return;
    }
    if (this.#abort.signal.aborted) return this.#gate.leave();
    this.retries++;
    this.#isSlowed = verdict === 'slower';
    if (verdict === 'slower') this.#limit.pushBack();
    const atLeastMs = verdict === 'stuck' ? STUCK_RETRY_MS : retryAfterMs;
    this.#gate.failure({ atLeastMs, progress: result.settled > 0 });
    this.#setState(verdict === 'stuck' ? 'FAILED' : 'RUNNING', reason);
  }

  #setState(state: ConnectorState, fault: string): void {
    const wasWell = this.#state === 'RUNNING' && this.#fault === '';
    const isWell = state === 'RUNNING' && fault === '';
    if (wasWell !== isWell || state !== this.#state) {
      const fields = { 'weir.connector': this.#options.connector };
      if (isWell) this.#logger.info('the destination takes records', fields);
      else {
        const message = 'the destination takes no records; it is tried again';
        this.#logger.warn(message, { ...fields, 'error.message': fault });
      }
    }
    this.#state = state;
    this.#fault = fault;
  }

  /** Buffers of a rush are given back when nothing is under way for a while. */
  #shrinkLater(): void {
    this.#shrinkTimer?.cancel();
    this.#shrinkTimer = this.#clock.after(IDLE_SHRINK_MS, () => {
      this.#shrinkTimer = null;
      if (this.#inFlight > 0) return;
      // One stays for the next trickle, small.
      this.#windows -= this.#spare.splice(1).length;
      this.#spare[0]?.shrink();
    });
  }
}
