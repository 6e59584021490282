/**
 * AddPartitionsToTxn (key 24): partitions become part of a producer's transaction.
 *
 * Versions: 1 throttled after the answer · 2 PRODUCER_FENCED may come back (KIP-588) · 3 flexible ·
 * 4 several transactions, whether they hold the partitions already; between brokers only (KIP-890) ·
 * 5 abortable transactions.
 */
import { array, bool, int16, int32, int64, message, string } from '../schema.ts';

const topics = array({ name: string, partitions: array(int32) });

const topicResults = array({
  name: string,
  resultsByPartition: array({ partitionIndex: int32, partitionErrorCode: int16 }),
});

export const addPartitionsToTxnRequest = message(
  'AddPartitionsToTxnRequest',
  { api: 24, min: 0, max: 5, flexible: 3 },
  {
    transactions: array({
      transactionalId: string,
      producerId: int64,
      producerEpoch: int16,
      verifyOnly: bool,
      topics,
    }).since(4),
    v3AndBelowTransactionalId: string.until(3),
    v3AndBelowProducerId: int64.until(3),
    v3AndBelowProducerEpoch: int16.until(3),
    v3AndBelowTopics: topics.until(3),
  },
);

export const addPartitionsToTxnResponse = message(
  'AddPartitionsToTxnResponse',
  { api: 24, min: 0, max: 5, flexible: 3 },
  {
    throttleTimeMs: int32,
    errorCode: int16.since(4),
    resultsByTransaction: array({ transactionalId: string, topicResults }).since(4),
    resultsByTopicV3AndBelow: topicResults.until(3),
  },
);
