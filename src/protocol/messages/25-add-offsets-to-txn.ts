/**
 * AddOffsetsToTxn (key 25): the offsets of a group become part of a producer's transaction.
 *
 * Versions: 1 throttled after the answer · 2 PRODUCER_FENCED may come back (KIP-588) · 3 flexible ·
 * 4 abortable transactions (KIP-890).
 */
import { int16, int32, int64, message, string } from '../schema.ts';

export const addOffsetsToTxnRequest = message(
  'AddOffsetsToTxnRequest',
  { api: 25, min: 0, max: 4, flexible: 3 },
  { transactionalId: string, producerId: int64, producerEpoch: int16, groupId: string },
);

export const addOffsetsToTxnResponse = message(
  'AddOffsetsToTxnResponse',
  { api: 25, min: 0, max: 4, flexible: 3 },
  { throttleTimeMs: int32, errorCode: int16 },
);
