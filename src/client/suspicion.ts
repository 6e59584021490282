/**
 * Of a broker that does not answer a request: it may have been replaced as the leader. That is looked
 * up now and then; where it is so the request is given up, for no answer to it would count.
 */
import type { Timer } from '../base/clock.ts';
import type { Client } from './client.ts';

export interface Suspect {
  /** Somebody still waits for the answer. */
  readonly isWaitedFor: () => boolean;
  /** By what the metadata say now, another one leads. */
  readonly isReplaced: () => boolean;
  readonly giveUp: () => void;
}

export class Suspicion {
  readonly #client: Client;
  readonly #suspect: Suspect;
  #timer: Timer;

  constructor(client: Client, suspect: Suspect) {
    this.#client = client;
    this.#suspect = suspect;
    this.#timer = this.#later();
  }

  /** It has answered. */
  cancel(): void {
    this.#timer.cancel();
  }

  #later(): Timer {
    const { clock, metadata, suspectAfterMs } = this.#client;
    return clock.after(suspectAfterMs, () => {
      // What a refresh fails with is no news of the leader.
      metadata.refresh().then(
        () => this.#look(),
        () => this.#look(),
      );
    });
  }

  #look(): void {
    const { isWaitedFor, isReplaced, giveUp } = this.#suspect;
    if (!isWaitedFor()) return;
    if (isReplaced()) giveUp();
    else this.#timer = this.#later();
  }
}
