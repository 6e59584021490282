/**
 * The three kinds of error, and nothing else (operating errors of the Kafka protocol are
 * `ProtocolError` in `protocol/error-codes.ts`, because their table lives there).
 *
 * - `BugError`: an invariant does not hold. Nobody catches it but the role's supervisor.
 * - `FatalError`: the environment is broken (port taken, data directory unreadable). The process
 *   or the log directory stops; the message says what was expected, what was seen, and where.
 * - `OperatingError`: expected in production and handled by the caller (bad input, full queue,
 *   peer gone). It carries a stable `code`.
 */
export class BugError extends Error {
  override name = 'BugError';
}

export class FatalError extends Error {
  override name = 'FatalError';
}

export class OperatingError extends Error {
  override name = 'OperatingError';
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The text of whatever was thrown. */
export const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** The system's code (`ENOSPC`, `EADDRINUSE`, …) of whatever was thrown, or ''. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
