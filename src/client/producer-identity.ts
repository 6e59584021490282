import { reasonOf } from '../base/errors.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { backoffMs } from './backoff.ts';
import { calls } from './call.ts';
import type { Client } from './client.ts';

/** A producer id and the epoch that it starts with. */
export interface Identity {
  readonly id: number;
  readonly epoch: number;
}

/** How long a broker may take before another one is asked, milliseconds. */
const ANSWER_MS_MAX = 5_000;

/** Gets the identity of an idempotent producer from the cluster, once, and anew when it is used up. */
export class ProducerIdentity {
  readonly #client: Client;
  readonly #got: () => void;
  readonly #failed: (error: Error, retryAt: number) => void;
  #current: Identity | null = null;
  #asking = false;
  #failures = 0;

  /** `failed` is told when to call `request` again. */
  constructor(client: Client, got: () => void, failed: (error: Error, retryAt: number) => void) {
    this.#client = client;
    this.#got = got;
    this.#failed = failed;
  }

  get current(): Identity | null {
    return this.#current;
  }
  forget(): void {
    this.#current = null;
  }

  /** Asks in the background, unless it does already. */
  request(): void {
    if (this.#asking) return;
    this.#asking = true;
    this.#ask().then(
      (identity) => {
        this.#asking = false;
        this.#failures = 0;
        this.#current = identity;
        this.#got();
      },
      (error: unknown) => {
        this.#asking = false;
        this.#failures++;
        const { clock, random, retryBackoff } = this.#client;
        const retryAt = clock.monotonic() + backoffMs(retryBackoff, this.#failures, random);
        this.#failed(error instanceof Error ? error : new Error(reasonOf(error)), retryAt);
      },
    );
  }

  async #ask(): Promise<Identity> {
    const response = await this.#client.request(
      'next',
      calls.initProducerId,
      {
        transactionalId: null,
        transactionTimeoutMs: 0x7fff_ffff,
        producerId: -1,
        producerEpoch: -1,
      },
      { timeoutMs: Math.min(this.#client.requestTimeoutMs, ANSWER_MS_MAX) },
    );
    if (response.errorCode !== ErrorCode.NONE) throw new ProtocolError(response.errorCode);
    return { id: response.producerId, epoch: response.producerEpoch };
  }
}
