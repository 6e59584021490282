/** Requests of administrators that are repeated while brokers come and go. */
import { sleep } from '../base/clock.ts';
import { OperatingError } from '../base/errors.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import { backoffMs } from './backoff.ts';
import type { Client } from './client.ts';

/** Nothing was done yet when a broker answers one of these. */
const RETRIED: ReadonlySet<number> = new Set([
  ErrorCode.NOT_CONTROLLER,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.LEADER_NOT_AVAILABLE,
]);

/** The broker is gone, or the connection to it. */
export const isLost = (error: unknown): boolean =>
  error instanceof OperatingError &&
  ['disconnected', 'no-broker', 'unknown-broker'].includes(error.code);

/**
 * Sends again while an answer holds such a code or the broker is lost, for at most the client's
 * request timeout; `send` is told how many times it was called. A broker that was lost before it
 * answered may have done what it was asked: then the repetition tells that, by
 * TOPIC_ALREADY_EXISTS for example, as with Kafka.
 */
export async function retried<R>(
  client: Client,
  send: (attempt: number) => Promise<R>,
  codes: (response: R) => readonly number[],
): Promise<R> {
  const { clock, random, retryBackoff, requestTimeoutMs, metadata } = client;
  const deadline = clock.monotonic() + requestTimeoutMs;
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await send(attempt);
      const passing = codes(response).some((code) => RETRIED.has(code));
      if (!passing || clock.monotonic() >= deadline) return response;
    } catch (error) {
      if (!isLost(error) || clock.monotonic() >= deadline) throw error;
    }
    await sleep(clock, backoffMs(retryBackoff, attempt, random));
    // Not waited for: nobody may be there to ask, which the next attempt finds out, too.
    metadata.requestRefresh();
  }
}
