/** A transactional producer that writes its requests by hand, in either version of the protocol. */
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { BatchAttribute } from '../../../src/protocol/record-batch.ts';
import { batchOf, type ProduceAnswer, type TestRecord, type WireClient } from './fixture.ts';

export interface Identity {
  producerId: number;
  producerEpoch: number;
}

export const until = async <T>(
  attempt: () => Promise<T>,
  done: (value: T) => boolean,
): Promise<T> => {
  for (let i = 0; ; i++) {
    const value = await attempt();
    if (done(value)) return value;
    if (i === 500) throw new Error(`still ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

/** Errors that clients wait out. */
const passing: ReadonlySet<number> = new Set([
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.CONCURRENT_TRANSACTIONS,
]);

export const isPassing = (code: number): boolean => passing.has(code);

export class TransactionalClient {
  readonly client: WireClient;
  readonly id: string;
  /** 1 or 2. */
  readonly version: number;
  producerId = -1;
  producerEpoch = -1;
  readonly #sequences = new Map<string, number>();

  constructor(client: WireClient, id: string, version: number) {
    this.client = client;
    this.id = id;
    this.version = version;
  }

  get identity(): Identity {
    return { producerId: this.producerId, producerEpoch: this.producerEpoch };
  }

  async init(more: Record<string, unknown> = {}): Promise<void> {
    await until(
      () => this.client.request('FindCoordinator', 3, { key: this.id, keyType: 1 }),
      (found) => !passing.has(found.errorCode),
    );
    const answer = await until(
      () => this.tryInit(more),
      ({ errorCode }) => !passing.has(errorCode),
    );
    if (answer.errorCode !== 0) throw new Error(`InitProducerId: ${answer.errorCode}`);
    this.#become(answer);
  }

  tryInit(more: Record<string, unknown> = {}) {
    return this.client.request('InitProducerId', 5, {
      transactionalId: this.id,
      transactionTimeoutMs: 60_000,
      ...more,
    });
  }

  #become({ producerId, producerEpoch }: Identity): void {
    this.producerId = producerId;
    this.producerEpoch = producerEpoch;
    this.#sequences.clear();
  }

  async addPartition(topic: string, partition = 0): Promise<number> {
    const response = await this.client.request('AddPartitionsToTxn', 3, {
      v3AndBelowTransactionalId: this.id,
      v3AndBelowProducerId: this.producerId,
      v3AndBelowProducerEpoch: this.producerEpoch,
      v3AndBelowTopics: [{ name: topic, partitions: [partition] }],
    });
    return response.resultsByTopicV3AndBelow[0].resultsByPartition[0].partitionErrorCode;
  }

  /** Adds the partition where the version asks for it, and writes to it. */
  async send(topic: string, values: readonly TestRecord[], partition = 0): Promise<ProduceAnswer> {
    if (this.version === 1) {
      await until(
        () => this.addPartition(topic, partition),
        (code) => !passing.has(code),
      );
    }
    return this.write(topic, values, partition);
  }

  async write(topic: string, values: readonly TestRecord[], partition = 0): Promise<ProduceAnswer> {
    const key = `${topic}-${partition}`;
    const baseSequence = this.#sequences.get(key) ?? 0;
    const answer = await until(
      () => this.produce(topic, values, { partition, baseSequence }),
      ({ errorCode }) => !passing.has(errorCode),
    );
    if (answer.errorCode === 0) this.#sequences.set(key, baseSequence + values.length);
    return answer;
  }

  async produce(
    topic: string,
    values: readonly TestRecord[],
    how: { partition?: number; baseSequence?: number; version?: number } = {},
  ): Promise<ProduceAnswer> {
    const { partition = 0, baseSequence = 0, version = this.version === 2 ? 12 : 11 } = how;
    const body = this.produceBody(topic, values, baseSequence, partition);
    const response = await this.client.request('Produce', version, body);
    return response.responses[0].partitionResponses[0];
  }

  /** Of a Produce request. */
  produceBody(topic: string, values: readonly TestRecord[], baseSequence: number, partition = 0) {
    const records = batchOf(values, {
      attributes: BatchAttribute.transactional,
      producer: { id: this.producerId, epoch: this.producerEpoch, baseSequence },
    });
    return {
      transactionalId: this.id,
      acks: -1,
      timeoutMs: 5000,
      topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
    };
  }

  /** Offsets of a group, as part of the transaction; the code of the partition. */
  async sendOffset(group: string, topic: string, offset: number): Promise<number> {
    const { id: transactionalId, identity } = this;
    if (this.version === 1) {
      const body = { ...identity, transactionalId, groupId: group };
      const added = await this.client.request('AddOffsetsToTxn', 3, body);
      if (added.errorCode !== 0) return added.errorCode;
    }
    const response = await this.client.request('TxnOffsetCommit', this.version === 2 ? 5 : 3, {
      ...identity,
      transactionalId,
      groupId: group,
      topics: [
        {
          name: topic,
          partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: 'm' }],
        },
      ],
    });
    return response.topics[0].partitions[0].errorCode;
  }

  /** Ends the transaction, and goes on with the epoch that the version gives. */
  async end(committed: boolean): Promise<number> {
    const answer = await until(
      () => this.tryEnd(committed),
      ({ errorCode }) => !passing.has(errorCode),
    );
    if (answer.errorCode === 0 && this.version === 2) this.#become(answer);
    return answer.errorCode;
  }

  tryEnd(committed: boolean, identity: Identity = this.identity) {
    const version = this.version === 2 ? 5 : 4;
    return this.client.request('EndTxn', version, {
      ...identity,
      transactionalId: this.id,
      committed,
    });
  }

  async describe() {
    const body = { transactionalIds: [this.id] };
    return (await this.client.request('DescribeTransactions', 0, body)).transactionStates[0];
  }

  /** Waits until the transaction is complete. */
  async completed(): Promise<string> {
    const { transactionState } = await until(
      () => this.describe(),
      (t) => t.transactionState.startsWith('Complete'),
    );
    return transactionState;
  }
}
