/** AddPartitionsToTxn, of clients up to version 3 and of brokers since (KIP-890). */
import type { MetadataImage } from '../cluster/metadata-image.ts';
import { partitionsByTopic } from '../coordinator/transactions/transaction.ts';
import type { TransactionCoordinator } from '../coordinator/transactions/transaction-coordinator.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type {
  addPartitionsToTxnRequest,
  addPartitionsToTxnResponse,
} from '../protocol/messages/24-add-partitions-to-txn.ts';
import type { Infer } from '../protocol/schema.ts';

type Request = Infer<typeof addPartitionsToTxnRequest>;
type Response = Infer<typeof addPartitionsToTxnResponse>;
type AddedTransaction = Request['transactions'][number];
type TopicResults = Response['resultsByTopicV3AndBelow'];

const SEVERAL_VERSION = 4;
/** Before this version, clients do not know PRODUCER_FENCED. */
const FENCED_VERSION = 2;

export async function addPartitions(
  request: Request,
  version: number,
  transactions: TransactionCoordinator,
  image: MetadataImage,
  /** Whether the client may write to the topic. */
  mayWrite: (topic: string) => boolean = () => true,
): Promise<Response> {
  const none = {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    resultsByTransaction: [],
    resultsByTopicV3AndBelow: [],
  };
  const add = (transaction: AddedTransaction): Promise<TopicResults> =>
    addTo(transaction, version, transactions, image, mayWrite);
  if (version >= SEVERAL_VERSION) {
    const resultsByTransaction = await Promise.all(
      request.transactions.map(async (transaction) => ({
        transactionalId: transaction.transactionalId,
        topicResults: await add(transaction),
      })),
    );
    return { ...none, resultsByTransaction };
  }
  const resultsByTopicV3AndBelow = await add({
    transactionalId: request.v3AndBelowTransactionalId,
    producerId: request.v3AndBelowProducerId,
    producerEpoch: request.v3AndBelowProducerEpoch,
    verifyOnly: false,
    topics: request.v3AndBelowTopics,
  });
  return { ...none, resultsByTopicV3AndBelow };
}

async function addTo(
  transaction: AddedTransaction,
  version: number,
  transactions: TransactionCoordinator,
  image: MetadataImage,
  mayWrite: (topic: string) => boolean,
): Promise<TopicResults> {
  const { transactionalId, topics, verifyOnly } = transaction;
  const refusalOf = (topic: string, index: number): number => {
    if (!mayWrite(topic)) return ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    return image.topic(topic)?.partitions[index] === undefined
      ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      : ErrorCode.NONE;
  };
  const answer = (codeOf: (topic: string, partition: number) => number): TopicResults =>
    topics.map(({ name, partitions }) => ({
      name,
      resultsByPartition: partitions.map((partitionIndex) => ({
        partitionIndex,
        partitionErrorCode: codeOf(name, partitionIndex),
      })),
    }));
  // All or none become part of the transaction.
  if (topics.some(({ name, partitions }) => partitions.some((p) => refusalOf(name, p) !== 0))) {
    return answer((topic, partition) => {
      const refusal = refusalOf(topic, partition);
      return refusal === ErrorCode.NONE ? ErrorCode.OPERATION_NOT_ATTEMPTED : refusal;
    });
  }
  if (verifyOnly) return answer(transactions.verifyPartitions(transactionalId, transaction));
  const code = await transactions.addPartitions(
    transactionalId,
    transaction,
    partitionsByTopic(topics.map(({ name, partitions }) => [name, partitions])),
    version >= SEVERAL_VERSION ? 2 : 0,
  );
  const told =
    code === ErrorCode.PRODUCER_FENCED && version < FENCED_VERSION
      ? ErrorCode.INVALID_PRODUCER_EPOCH
      : code;
  return answer(() => told);
}
