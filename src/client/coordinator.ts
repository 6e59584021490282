/** The broker that coordinates one group: found when needed, looked for again when it has moved. */
import { sleep, type Timer } from '../base/clock.ts';
import { OperatingError } from '../base/errors.ts';
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import { backoffMs } from './backoff.ts';
import { type Call, calls } from './call.ts';
import type { Client, Lane } from './client.ts';

const MOVED: ReadonlySet<number> = new Set([
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.NOT_COORDINATOR,
]);

/** How long a broker may take to say where a group is before another one is asked, milliseconds. */
const ANSWER_MS_MAX = 5_000;

export class Coordinator {
  readonly groupId: string;
  readonly #client: Client;
  #broker: number | null = null;

  constructor(client: Client, groupId: string) {
    this.#client = client;
    this.groupId = groupId;
  }

  /** Forgets where it is. */
  forget(): void {
    this.#broker = null;
  }

  /**
   * Sends a request to the coordinator. While it moves, loads or is away it is looked for and asked
   * again, for at most `retryMs` and while `isWanted`; `errorOf` reads the answer's error code. Other
   * errors are for the caller. Rejects with ProtocolError of the last such code, or as `Client.request` does.
   */
  async request<Q, R>(
    call: Call<Q, R>,
    body: Q,
    errorOf: (response: R) => number,
    options: {
      readonly lane?: Lane;
      readonly timeoutMs?: number;
      readonly version?: number;
      readonly retryMs?: number;
      readonly isWanted?: () => boolean;
    } = {},
  ): Promise<R> {
    const { clock, random, retryBackoff, requestTimeoutMs } = this.#client;
    const deadline = clock.monotonic() + (options.retryMs ?? requestTimeoutMs);
    for (let attempt = 1; ; attempt++) {
      let failure: Error;
      try {
        const broker = await this.#find(attempt === 1 ? 'any' : 'next');
        const response = await this.#ask(broker, call, body, options);
        const code = errorOf(response);
        if (!MOVED.has(code)) return response;
        failure = new ProtocolError(code, `group '${this.groupId}': ${errorName(code)}`);
      } catch (error) {
        if (!isPassing(error)) throw error;
        failure = error as Error;
      }
      this.#broker = null;
      const isWanted = options.isWanted?.() ?? true;
      if (!isWanted || clock.monotonic() >= deadline) throw failure;
      await sleep(clock, backoffMs(retryBackoff, attempt, random));
    }
  }

  /**
   * While there is no answer it is looked up now and then whether the group has moved; where it has,
   * no answer would count, and the connection is given up.
   */
  async #ask<Q, R>(
    broker: number,
    call: Call<Q, R>,
    body: Q,
    options: { readonly lane?: Lane; readonly timeoutMs?: number; readonly version?: number },
  ): Promise<R> {
    const { clock, suspectAfterMs } = this.#client;
    const connection = await this.#client.connection(broker, options.lane);
    let timer: Timer | null = null;
    let isOver = false;
    const suspectLater = (): void => {
      timer = clock.after(suspectAfterMs, () => {
        this.#locate('next').then(
          (now) => {
            if (isOver) return;
            if (now === broker) suspectLater();
            else connection.close();
          },
          // Nobody knows better now.
          () => isOver || suspectLater(),
        );
      });
    };
    suspectLater();
    try {
      return await connection.request(call, body, options);
    } finally {
      isOver = true;
      (timer as Timer | null)?.cancel();
    }
  }

  async #find(whom: 'any' | 'next'): Promise<number> {
    return (this.#broker ??= await this.#locate(whom));
  }

  async #locate(whom: 'any' | 'next'): Promise<number> {
    const response = await this.#client.request(
      whom,
      calls.findCoordinator,
      { key: this.groupId, keyType: 0, coordinatorKeys: [this.groupId] },
      { timeoutMs: Math.min(this.#client.requestTimeoutMs, ANSWER_MS_MAX) },
    );
    // Before version 4 the answer is one coordinator, not a list.
    const found = response.coordinators.length > 0 ? response.coordinators[0]! : response;
    if (found.errorCode !== ErrorCode.NONE) {
      const why = found.errorMessage || errorName(found.errorCode);
      throw new ProtocolError(found.errorCode, `coordinator of '${this.groupId}': ${why}`);
    }
    return found.nodeId;
  }
}

function isPassing(error: unknown): boolean {
  if (error instanceof ProtocolError) return MOVED.has(error.code);
  return (
    error instanceof OperatingError &&
    ['disconnected', 'no-broker', 'unknown-broker', 'request-timeout'].includes(error.code)
  );
}
