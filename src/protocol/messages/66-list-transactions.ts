/**
 * ListTransactions (key 66, KIP-664): the transactional ids that a broker coordinates.
 *
 * Versions: 1 those that run for some time (KIP-994) · 2 those whose id matches (KIP-1152).
 */
import { array, int16, int32, int64, message, string } from '../schema.ts';

export const listTransactionsRequest = message(
  'ListTransactionsRequest',
  { api: 66, min: 0, max: 2, flexible: 0 },
  {
    stateFilters: array(string),
    producerIdFilters: array(int64),
    durationFilter: int64.since(1).default(-1), // Milliseconds.
    transactionalIdPattern: string.since(2).nullable().default(null),
  },
);

export const listTransactionsResponse = message(
  'ListTransactionsResponse',
  { api: 66, min: 0, max: 2, flexible: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    unknownStateFilters: array(string),
    transactionStates: array({
      transactionalId: string,
      producerId: int64,
      transactionState: string,
    }),
  },
);
