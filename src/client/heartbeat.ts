/**
 * Heartbeats of a group's member: one after another, with a pause between them, until `stop`. Where
 * none is answered for a whole session, the coordinator has given the member's place away by then.
 */
import type { Clock, Timer } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { ErrorCode } from '../protocol/error-codes.ts';

export interface HeartbeatTimes {
  readonly intervalMs: number;
  readonly sessionMs: number;
}

export interface HeartbeatOwner {
  /** Sends one; resolves to the answer's error code. */
  send(): Promise<number>;
  /** The coordinator asks for something, or says that there is no such member. */
  refused(errorCode: number): void;
  expired(): void;
}

/** Answers that show that the coordinator has the member still. */
const ALIVE: ReadonlySet<number> = new Set([ErrorCode.NONE, ErrorCode.REBALANCE_IN_PROGRESS]);

export class Heartbeat {
  readonly #times: HeartbeatTimes;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #owner: HeartbeatOwner;
  #timer: Timer | null = null;
  #isStopped = true;
  /** Grows with every start: an answer of an earlier one begins no second row of heartbeats. */
  #run = 0;
  #heardAt = 0;

  constructor(
    times: HeartbeatTimes,
    seams: { readonly clock: Clock; readonly logger: Logger },
    owner: HeartbeatOwner,
  ) {
    this.#times = times;
    this.#clock = seams.clock;
    this.#logger = seams.logger;
    this.#owner = owner;
  }

  /** The coordinator was heard of just now. */
  start(): void {
    this.#run++;
    this.#isStopped = false;
    this.#heardAt = this.#clock.monotonic();
    this.#schedule(this.#run);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #schedule(run: number): void {
    if (this.#isStopped || run !== this.#run) return;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(this.#times.intervalMs, () => {
      void this.#beat(run).finally(() => this.#schedule(run));
    });
  }

  async #beat(run: number): Promise<void> {
    try {
      const code = await this.#owner.send();
      if (run !== this.#run) return;
      if (ALIVE.has(code)) this.#heardAt = this.#clock.monotonic();
      if (code !== ErrorCode.NONE) this.#owner.refused(code);
    } catch (error) {
      this.#logger.debug('heartbeat failed', { 'error.message': reasonOf(error) });
    }
    if (run !== this.#run) return;
    if (this.#clock.monotonic() - this.#heardAt > this.#times.sessionMs) this.#owner.expired();
  }
}
