/** DescribeTransactions (key 65, KIP-664): what their coordinator knows of transactional ids. */
import { array, int16, int32, int64, message, string } from '../schema.ts';

export const describeTransactionsRequest = message(
  'DescribeTransactionsRequest',
  { api: 65, min: 0, max: 0, flexible: 0 },
  { transactionalIds: array(string) },
);

export const describeTransactionsResponse = message(
  'DescribeTransactionsResponse',
  { api: 65, min: 0, max: 0, flexible: 0 },
  {
    throttleTimeMs: int32,
    transactionStates: array({
      errorCode: int16,
      transactionalId: string,
      transactionState: string,
      transactionTimeoutMs: int32,
      transactionStartTimeMs: int64,
      producerId: int64,
      producerEpoch: int16,
      topics: array({ topic: string, partitions: array(int32) }),
    }),
  },
);
