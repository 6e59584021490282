/** From what was thrown to what the protocol says: handlers answer, they do not fail. */
import { BugError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';

/** Another broker has become the active controller: the request is for that one. */
export const isNotController = (error: unknown): boolean =>
  error instanceof ProtocolError && error.code === ErrorCode.NOT_CONTROLLER;

/**
 * The error's code, or UNKNOWN_SERVER_ERROR for what is none of the protocol's (and is logged).
 * NOT_CONTROLLER is thrown on: clients are not told of it, see `controllerHandler`.
 */
export function codeOfError(error: unknown, logger: Logger): number {
  if (isNotController(error)) throw error;
  if (error instanceof ProtocolError) return error.code;
  if (error instanceof BugError) throw error;
  logger.error('a request failed unexpectedly', {
    'error.message': error instanceof Error ? error.message : String(error),
    'error.stack_trace': error instanceof Error ? error.stack : undefined,
  });
  return ErrorCode.UNKNOWN_SERVER_ERROR;
}

/** The text that goes beside the code; null where that says it all. */
export const messageOfError = (error: unknown): string | null =>
  error instanceof ProtocolError ? error.words : null;

/** One whose words a producer is told: of most others, Kafka tells it the code alone. */
export class ToldError extends ProtocolError {
  override name = 'ToldError';
}
