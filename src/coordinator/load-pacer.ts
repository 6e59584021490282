import type { Clock } from '../base/clock.ts';
import { LOAD_TURN_BYTES } from './group-settings.ts';

/**
 * Spreads the loading of partitions over turns of the event loop, so that requests do not wait for
 * large logs: about `LOAD_TURN_BYTES` are read in a turn, whoever reads them. Who has to wait goes
 * on in the order of coming, one a turn.
 */
export class LoadPacer {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #spent = 0;
  #isTurnSet = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when there is room in this turn, or in a later one. */
  admit(): Promise<void> | null {
    if (this.#spent < LOAD_TURN_BYTES && this.#waiting.length === 0) return null;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#setTurn();
    });
  }

  spend(bytes: number): void {
    this.#spent += bytes;
    this.#setTurn();
  }

  #setTurn(): void {
    if (this.#isTurnSet) return;
    this.#isTurnSet = true;
    this.#clock.after(0, () => {
      this.#isTurnSet = false;
      this.#spent = 0;
      this.#waiting.shift()?.();
      if (this.#waiting.length > 0) this.#setTurn();
    });
  }
}
