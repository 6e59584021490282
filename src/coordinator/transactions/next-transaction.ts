/**
 * Partitions that are to join the transaction behind the one whose markers are being written: a
 * producer goes on as soon as its commit is answered. What is asked for waits here, for a short
 * while, so that the end of the one transaction and the beginning of the next go into the log as one
 * batch and cost one wait for it.
 *
 * Nothing here survives a crash, and nothing of it was promised: whoever asked asks again.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import { Transaction, type TransactionFields } from './transaction.ts';
import type { Decision } from './transaction-decisions.ts';
import { JOINING_MAX } from './transaction-settings.ts';

/** What a request makes of the transaction as it is then. */
export type Decide = (transaction: Transaction) => Decision;

interface Joining {
  readonly decide: Decide;
  readonly timer: Timer;
  readonly over: () => void;
}

/** What the transaction is to be, and who waits for that. */
export interface Joined {
  readonly fields: TransactionFields;
  /** The fields are in the log, or will not be: everybody may ask. */
  readonly over: () => void;
}

export class NextTransaction {
  readonly #clock: Clock;
  readonly #joining = new Map<string, Set<Joining>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Resolves when the transaction before has ended and `decide` has had its say, or after `maxMs`;
   * null: too many wait for it already.
   */
  join(id: string, decide: Decide, maxMs: number): Promise<void> | null {
    const joining = this.#joining.get(id) ?? new Set();
    if (joining.size >= JOINING_MAX) return null;
    this.#joining.set(id, joining);
    return new Promise((resolve) => {
      const timer = this.#clock.after(maxMs, () => {
        joining.delete(one);
        if (joining.size === 0 && this.#joining.get(id) === joining) this.#joining.delete(id);
        resolve();
      });
      const one = { decide, timer, over: resolve };
      joining.add(one);
    });
  }

  /** Of the transaction with these fields, which has ended: all who wait become part of the next. */
  begin(id: string, ended: TransactionFields): Joined {
    const transaction = new Transaction(id, ended);
    const joining = this.#take(id);
    for (const { decide } of joining) {
      const decision = decide(transaction);
      if (decision.kind === 'change') transaction.fields = decision.fields;
    }
    return { fields: transaction.fields, over: () => settle(joining) };
  }

  /** Nobody is coordinated here any more. */
  close(): void {
    for (const id of [...this.#joining.keys()]) settle(this.#take(id));
  }

  #take(id: string): Iterable<Joining> {
    const joining = this.#joining.get(id) ?? [];
    this.#joining.delete(id);
    for (const { timer } of joining) timer.cancel();
    return joining;
  }
}

function settle(joining: Iterable<Joining>): void {
  for (const { over } of joining) over();
}
