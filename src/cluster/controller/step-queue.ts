/**
 * The controller's changes, one after another: each is decided by what all before it have done,
 * written as one step of the metadata log, and over when that is committed. What fails, fails alone.
 */
import type { Clock } from '../../base/clock.ts';
import { reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { MetadataStore } from '../metadata-store.ts';
import { Draft } from './draft.ts';
import type { ControllerStats } from './stats.ts';
import type { Term } from './term.ts';

export interface StepQueueOptions {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: ControllerStats;
  /** Throws NOT_CONTROLLER. */
  readonly active: () => Term;
}

export class StepQueue {
  readonly #options: StepQueueOptions;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: StepQueueOptions) {
    this.#options = options;
  }

  /**
   * `decide` puts into the draft what is to be; resolves to what that returns when the step is
   * committed. Rejects with what `decide` throws, and with NOT_CONTROLLER.
   */
  step<T>(decide: (term: Term, draft: Draft) => T, validateOnly = false): Promise<T> {
    const done = this.#last.then(() => this.#carryOut(decide, validateOnly));
    // The caller sees how it went; the next change does not depend on it.
    this.#last = done.catch(() => {});
    return done;
  }

  async #carryOut<T>(decide: (term: Term, draft: Draft) => T, validateOnly: boolean): Promise<T> {
    const { store, clock, active } = this.#options;
    const term = active();
    const draft = new Draft(store.image);
    const beganMs = clock.monotonic();
    const result = decide(term, draft);
    const records = validateOnly ? [] : draft.records();
    if (records.length === 0) return result;
    draft.committedAt = await store.append(records);
    draft.onCommitted?.();
    this.#count(draft, records.length, clock.monotonic() - beganMs);
    return result;
  }

  #count(draft: Draft, records: number, ms: number): void {
    const { stats } = this.#options;
    stats.steps += 1;
    stats.records += records;
    stats.elections += draft.elections;
    stats.uncleanElections += draft.uncleanElections;
    if (draft.elections > 0) stats.onElection(ms);
  }

  /** Nobody waits for it; that it has failed is told unless another controller has taken over. */
  background(what: string, run: () => Promise<unknown>): void {
    run().catch((error: unknown) => {
      if (error instanceof ProtocolError && error.code === ErrorCode.NOT_CONTROLLER) return;
      if (!(error instanceof ProtocolError)) throw error;
      this.#options.logger.error(what, { 'error.message': reasonOf(error) });
    });
  }
}
