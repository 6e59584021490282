/** The broker that coordinates one group: found when needed, looked for again when it has moved. */
import { sleep } from '../base/clock.ts';
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
        const broker = await this.#find();
        const response = await this.#client.request(broker, call, body, options);
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

  async #find(): Promise<number> {
    if (this.#broker !== null) return this.#broker;
    const response = await this.#client.request('any', calls.findCoordinator, {
      key: this.groupId,
      keyType: 0,
      coordinatorKeys: [this.groupId],
    });
    // Before version 4 the answer is one coordinator, not a list.
    const found = response.coordinators.length > 0 ? response.coordinators[0]! : response;
    if (found.errorCode !== ErrorCode.NONE) {
      const why = found.errorMessage ?? errorName(found.errorCode);
      throw new ProtocolError(found.errorCode, `coordinator of '${this.groupId}': ${why}`);
    }
    this.#broker = found.nodeId;
    return found.nodeId;
  }
}

function isPassing(error: unknown): boolean {
  if (error instanceof ProtocolError) return MOVED.has(error.code);
  return (
    error instanceof OperatingError &&
    ['disconnected', 'no-broker', 'unknown-broker'].includes(error.code)
  );
}
