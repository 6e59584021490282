/**
 * What one connection may take: bytes, requests, and time. `deadlineOf` is pure, so that the rules
 * about time are in one place.
 */
export interface ConnectionLimits {
  readonly requestBytesMax: number;
  /** The same of a client that is about to prove who it is, for the first time or again. */
  readonly unknownBytesMax: number;
  /** Answers not taken by the client, above which its requests are not read. */
  readonly queuedResponseBytesMax: number;
  /** Requests that wait or are under way, above which no more are read. */
  readonly queuedRequestsMax: number;
  readonly idleMs: number;
  readonly firstRequestMs: number;
  /** Within which a client that must must have proved who it is. */
  readonly authenticationMs: number;
  readonly requestMs: number;
}

/** Times are of the monotonic clock; -1: not so. */
export interface ConnectionTimes {
  readonly openedAtMs: number;
  /** Its first request is waited for, and we read from it. */
  readonly firstSinceMs: number;
  readonly lastRequestAtMs: number;
  /** A request has begun to arrive, and we read from it. */
  readonly partialSinceMs: number;
  /** Too many answers wait for the client to take them. */
  readonly stalledSinceMs: number;
  /** It must prove who it is, and has not. */
  readonly isUnknown: boolean;
  readonly isBusy: boolean;
}

export interface Deadline {
  /** When to look again at the latest. */
  readonly dueMs: number;
  /** What has passed, if anything. */
  readonly passed: { readonly code: string; readonly reason: string } | null;
}

export function deadlineOf(
  times: ConnectionTimes,
  limits: ConnectionLimits,
  now: number,
): Deadline {
  // A request may begin right after this look; it is looked at before its time is over.
  let dueMs = now + limits.requestMs;
  let passed: Deadline['passed'] = null;
  const until = (atMs: number, code: string, reason: string): void => {
    if (atMs <= now) passed ??= { code, reason };
    dueMs = Math.min(dueMs, atMs);
  };
  const { openedAtMs, firstSinceMs, lastRequestAtMs, partialSinceMs, stalledSinceMs } = times;
  if (firstSinceMs >= 0) {
    const reason = `no request within ${limits.firstRequestMs} ms`;
    until(firstSinceMs + limits.firstRequestMs, 'first-request-timeout', reason);
  }
  if (times.isUnknown) {
    const reason = `not authenticated within ${limits.authenticationMs} ms`;
    until(openedAtMs + limits.authenticationMs, 'authentication-timeout', reason);
  }
  if (partialSinceMs >= 0) {
    const reason = `a request took more than ${limits.requestMs} ms to arrive`;
    until(partialSinceMs + limits.requestMs, 'request-timeout', reason);
  }
  if (stalledSinceMs >= 0) {
    const reason = `answers were not taken for ${limits.idleMs} ms`;
    until(stalledSinceMs + limits.idleMs, 'answers-not-taken', reason);
  } else if (!times.isBusy) {
    until(lastRequestAtMs + limits.idleMs, 'idle', `no request for ${limits.idleMs} ms`);
  }
  return { dueMs, passed };
}
