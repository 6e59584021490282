/**
 * What coordinators and leaders of partitions ask of each other in a transaction, whichever brokers
 * they are on: whether a partition belongs to a transaction (KIP-890), and to write markers.
 */
import { type Clock, sleep } from '../base/clock.ts';
import { OperatingError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { MetadataImage } from '../cluster/metadata-image.ts';
import { NO_LEADER } from '../cluster/metadata-image.ts';
import type { Partitions } from '../cluster/partitions.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../cluster/topic-names.ts';
import { ADD_PARTITIONS_VERSION, type TransactionPeers } from '../cluster/transaction-peers.ts';
import type {
  Admission,
  TransactionGate,
  TxnCommitRequest,
} from '../coordinator/transactional-commits.ts';
import type {
  MarkerDestinations,
  MarkersRequest,
  MarkersResponse,
} from '../coordinator/transactions/marker-sender.ts';
import { partitionsByTopic } from '../coordinator/transactions/transaction.ts';
import type { TransactionCoordinator } from '../coordinator/transactions/transaction-coordinator.ts';
import { EPOCH_BUMP_VERSION } from '../coordinator/transactions/transaction-decisions.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { addPartitionsToTxnRequest } from '../protocol/messages/24-add-partitions-to-txn.ts';
import type { Infer } from '../protocol/schema.ts';
import { addPartitions } from './add-partitions.ts';
import { type VerificationMode, verificationMode } from './verification-mode.ts';

type AddedTransaction = Infer<typeof addPartitionsToTxnRequest>['transactions'][number];

export interface Question {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly topics: AddedTransaction['topics'];
  readonly mode: VerificationMode;
}

export interface TransactionLinksOptions {
  readonly nodeId: number;
  readonly image: MetadataImage;
  readonly partitions: Partitions;
  readonly peers: TransactionPeers;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly transactions: () => TransactionCoordinator;
  readonly writeMarkers: (request: MarkersRequest) => Promise<MarkersResponse>;
}

/** The code of a partition: NONE where it belongs to the transaction. */
export type Verdicts = (topic: string, partition: number) => number;

export class TransactionLinks implements TransactionGate, MarkerDestinations {
  readonly #options: TransactionLinksOptions;
  /** Partitions that coordinators did not vouch for. */
  verificationFailures = 0;

  constructor(options: TransactionLinksOptions) {
    this.#options = options;
  }

  /** Asks the coordinator of the transaction; never rejects with what may happen. */
  async verify(question: Question): Promise<Verdicts> {
    const verdicts = await this.#ask(question);
    for (const { name, partitions } of question.topics) {
      for (const index of partitions) {
        if (verdicts(name, index) !== ErrorCode.NONE) this.verificationFailures++;
      }
    }
    return verdicts;
  }

  async #ask({ mode, ...question }: Question): Promise<Verdicts> {
    const { nodeId, image, peers, logger } = this.#options;
    const transactions = this.#options.transactions();
    const home = transactions.partitionFor(question.transactionalId);
    const leader = image.topic(TRANSACTIONS_TOPIC)?.partitions[home]?.leader ?? NO_LEADER;
    if (leader < 0) return () => ErrorCode.COORDINATOR_NOT_AVAILABLE;
    const request = {
      transactions: [{ ...question, verifyOnly: !mode.adds }],
      v3AndBelowTransactionalId: '',
      v3AndBelowProducerId: 0,
      v3AndBelowProducerEpoch: 0,
      v3AndBelowTopics: [],
    };
    try {
      const answer =
        leader === nodeId
          ? await addPartitions(request, ADD_PARTITIONS_VERSION, transactions, image)
          : await peers.addPartitions(leader, request);
      if (answer.errorCode !== ErrorCode.NONE) return () => answer.errorCode;
      const codes = new Map<string, number>();
      for (const { name, resultsByPartition } of answer.resultsByTransaction[0]?.topicResults ??
        []) {
        for (const { partitionIndex, partitionErrorCode } of resultsByPartition) {
          codes.set(`${partitionIndex} ${name}`, mode.translate(partitionErrorCode));
        }
      }
      return (topic, partition) =>
        codes.get(`${partition} ${topic}`) ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    } catch (error) {
      if (!(error instanceof OperatingError) && !(error instanceof ProtocolError)) throw error;
      logger.warn('the coordinator of a transaction could not be asked', {
        'weir.transactional.id': question.transactionalId,
        'weir.peer': leader,
        'error.message': reasonOf(error),
      });
      return () => ErrorCode.NETWORK_EXCEPTION;
    }
  }

  /**
   * The transaction before is still being ended: resolves when it is time to ask again. Where this
   * broker coordinates it, that is as soon as the end is in the log; the partitions that are asked
   * for are part of the next transaction then. Another broker is not made to wait, for what it has
   * to be told besides comes over the same connection: it is asked again after `retryMs`.
   */
  async whenEnded(question: Question, retryMs: number, maxMs: number): Promise<void> {
    const { transactionalId, topics } = question;
    const ended = this.#options
      .transactions()
      .addAfterEnd(
        transactionalId,
        question,
        partitionsByTopic(topics.map(({ name, partitions }) => [name, partitions])),
        EPOCH_BUMP_VERSION,
        maxMs,
      );
    await (ended ?? sleep(this.#options.clock, Math.min(retryMs, maxMs)));
  }

  async admit(
    partition: number,
    request: TxnCommitRequest,
    apiVersion: number,
  ): Promise<Admission> {
    const { transactionalId, producerId, producerEpoch } = request;
    const mode = verificationMode.ofTxnOffsetCommit(apiVersion);
    try {
      const held = this.#options.partitions.held(OFFSETS_TOPIC, partition);
      const verification = held.log.startVerification(producerId, -1, producerEpoch, mode.adds);
      if (verification === null) return { code: ErrorCode.NONE, verification };
      const topics = [{ name: OFFSETS_TOPIC, partitions: [partition] }];
      const question = { transactionalId, producerId, producerEpoch, topics, mode };
      const code = (await this.verify(question))(OFFSETS_TOPIC, partition);
      return { code: forCommitter(code), verification };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return { code: forCommitter(error.code), verification: null };
    }
  }

  leaderOf(topic: string, partition: number): number | null {
    const state = this.#options.image.topic(topic)?.partitions[partition];
    return state === undefined ? null : state.leader;
  }

  write(brokerId: number, request: MarkersRequest): Promise<MarkersResponse> {
    const { nodeId, peers, writeMarkers } = this.#options;
    if (brokerId === nodeId) return writeMarkers(request);
    return peers.writeMarkers(brokerId, request);
  }
}

/** What clients that commit offsets know how to take. */
function forCommitter(code: number): number {
  switch (code) {
    case ErrorCode.NETWORK_EXCEPTION:
      // They come back, without looking for another coordinator.
      return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
    case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
      return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    case ErrorCode.NOT_LEADER_OR_FOLLOWER:
    case ErrorCode.KAFKA_STORAGE_ERROR:
      return ErrorCode.NOT_COORDINATOR;
    default:
      return code;
  }
}
