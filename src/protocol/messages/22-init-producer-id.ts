/**
 * InitProducerId (key 22): an identity for an idempotent or transactional producer (KIP-98).
 *
 * Versions: 1 throttled after the answer · 2 flexible · 3 the current id, to bump its epoch (KIP-360) ·
 * 4 PRODUCER_FENCED may come back (KIP-588) · 5 abortable transactions (KIP-890).
 */
import { int16, int32, int64, message, string } from '../schema.ts';

export const initProducerIdRequest = message(
  'InitProducerIdRequest',
  { api: 22, min: 0, max: 5, flexible: 2 },
  {
    transactionalId: string.nullable(),
    transactionTimeoutMs: int32,
    producerId: int64.since(3).default(-1),
    producerEpoch: int16.since(3).default(-1),
  },
);

export const initProducerIdResponse = message(
  'InitProducerIdResponse',
  { api: 22, min: 0, max: 5, flexible: 2 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    producerId: int64.default(-1),
    producerEpoch: int16,
  },
);
