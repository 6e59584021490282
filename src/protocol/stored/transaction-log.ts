/**
 * Records of `__transaction_state`: what a coordinator knows of a transactional id; a null value
 * forgets it.
 *
 * Value versions: 1 flexible, the producer ids before and after, version of the transaction.
 */
import { array, int8, int16, int32, int64, message, string } from '../schema.ts';

export const transactionLogKey = message(
  'TransactionLogKey',
  { api: -1, min: 0, max: 0 },
  { transactionalId: string },
);

export const transactionLogValue = message(
  'TransactionLogValue',
  { api: -1, min: 0, max: 1, flexible: 1 },
  {
    producerId: int64,
    previousProducerId: int64.since(1).default(-1).tag(0),
    nextProducerId: int64.since(1).default(-1).tag(1),
    producerEpoch: int16,
    nextProducerEpoch: int16.since(1).default(-1).tag(3),
    transactionTimeoutMs: int32,
    transactionStatus: int8,
    transactionPartitions: array({ topic: string, partitionIds: array(int32) }).nullable(),
    transactionLastUpdateTimestampMs: int64,
    transactionStartTimestampMs: int64,
    clientTransactionVersion: int16.since(1).tag(2),
  },
);
