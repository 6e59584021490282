/**
 * Tells that a broker which is there refuses this side (wrong password, no trust, a certificate that
 * it does not take): nothing gets better by itself then, so somebody must be told. The same words
 * come once in a while however often it is tried; a broker that is away is nobody's fault and not told.
 */
import type { Clock } from '../base/clock.ts';
import { OperatingError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { TLS_FAILED } from '../base/transport.ts';

const REPEAT_MS = 60_000;
/** Reasons that are remembered; beyond that all are told again. */
const REASONS_MAX = 100;

/** Whether the broker, or this side of the broker, has decided that they don't trust each other. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof OperatingError)) return false;
  if (error.code === 'not-authenticated') return true;
  const { cause } = error;
  return cause instanceof Error && 'code' in cause && cause.code === TLS_FAILED;
}

export class RefusalLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** When each reason was told, monotonic milliseconds. */
  readonly #told = new Map<string, number>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Of a connection that did not come about. */
  tell(error: unknown, remote: string): void {
    if (!isRefusal(error)) return;
    const reason = reasonOf(error);
    const now = this.#clock.monotonic();
    if (now - (this.#told.get(reason) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return;
    if (this.#told.size >= REASONS_MAX) this.#told.clear();
    this.#told.set(reason, now);
    this.#logger.error('a broker and this side do not trust each other', {
      'server.address': remote,
      'error.message': reason,
    });
  }
}
