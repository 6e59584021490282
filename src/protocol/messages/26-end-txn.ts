/**
 * EndTxn (key 26): a producer commits or aborts its transaction.
 *
 * Versions: 1 throttled after the answer · 2 PRODUCER_FENCED may come back (KIP-588) · 3 flexible ·
 * 4 abortable transactions (KIP-890) · 5 every end gives the producer a new epoch.
 */
import { bool, int16, int32, int64, message, string } from '../schema.ts';

export const endTxnRequest = message(
  'EndTxnRequest',
  { api: 26, min: 0, max: 5, flexible: 3 },
  { transactionalId: string, producerId: int64, producerEpoch: int16, committed: bool },
);

export const endTxnResponse = message(
  'EndTxnResponse',
  { api: 26, min: 0, max: 5, flexible: 3 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    producerId: int64.since(5).default(-1),
    producerEpoch: int16.since(5).default(-1),
  },
);
