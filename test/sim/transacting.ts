import { ZERO_UUID } from '../../src/base/bytes.ts';
import { reasonOf } from '../../src/base/errors.ts';
import { below } from '../../src/base/random.ts';
import { type Call, calls } from '../../src/client/call.ts';
import { apis } from '../../src/protocol/apis.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { endTxnRequest, endTxnResponse } from '../../src/protocol/messages/26-end-txn.ts';
import { BatchAttribute } from '../../src/protocol/record-batch.ts';
import { RecordBatchBuilder } from '../../src/protocol/record-batch-builder.ts';
import type { Infer } from '../../src/protocol/schema.ts';
import type { TransactionRun } from '../check/history.ts';
import { chance, pick, waitOf } from './sim-random.ts';
import type { World } from './world.ts';

const endTxn: Call<Infer<typeof endTxnRequest>, Infer<typeof endTxnResponse>> = {
  ...apis.get(26)!,
  request: endTxnRequest,
  response: endTxnResponse,
};

/** Kafka's number of the type of coordinator. */
const TRANSACTION = 1;
const TIMEOUT_MS = 6_000;
const RETRY_MS = 100;
/** Attempts at one request, after which the transaction is given up. */
const ATTEMPTS_MAX = 60;
/** Of Produce: the leader has the partition added to the transaction. */
const PRODUCE_VERSION = 12;

/** Errors after which the same request may succeed. */
const passing: ReadonlySet<number> = new Set([
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.CONCURRENT_TRANSACTIONS,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.KAFKA_STORAGE_ERROR,
]);

class GivenUp extends Error {}

/**
 * A transactional producer (version 2) of a topic: writes to some partitions, commits or aborts, and
 * notes what each transaction was to be. Whoever does not know the outcome of a commit begins anew,
 * as an application would that was started again.
 */
export class Transacting {
  readonly #world: World;
  readonly #name: string;
  readonly #topic: string;
  readonly #partitions: number;
  readonly #client;
  readonly #random;
  #identity: { producerId: number; producerEpoch: number } | null = null;
  readonly #sequences = new Map<number, number>();
  #index = 0;
  #stopped = false;
  isBusy = false;
  /** Transactions whose commit was acknowledged. */
  commits = 0;

  constructor(world: World, name: string, topic: string, partitions: number) {
    this.#world = world;
    this.#name = name;
    this.#topic = topic;
    this.#partitions = partitions;
    this.#random = world.chance(`transacting-${name}`);
    this.#client = world.newClient(name);
    this.#again();
  }

  #again(): void {
    this.#client.clock.after(waitOf(this.#random, 150), () => {
      if (this.#stopped) return;
      this.isBusy = true;
      void this.#transact().finally(() => {
        this.isBusy = false;
        this.#again();
      });
    });
  }

  async #transact(): Promise<void> {
    const run: TransactionRun = {
      producer: this.#name,
      topic: this.#topic,
      values: [],
      at: this.#world.now,
      outcome: 'abort',
      doneAt: Infinity,
    };
    this.#world.history.transactions.push(run);
    try {
      this.#identity ??= await this.#init();
      for (let i = 0; i <= below(this.#random, 4); i++) await this.#write(run);
      const commits = chance(this.#random, 0.7);
      if (commits) run.outcome = 'info';
      await this.#end(commits);
      if (commits) {
        run.outcome = 'ok';
        this.commits += 1;
      }
    } catch (error) {
      this.#world.note(this.#name, `gives a transaction up: ${reasonOf(error)}`);
      this.#identity = null;
    }
    run.doneAt = this.#world.now;
  }

  async #init(): Promise<{ producerId: number; producerEpoch: number }> {
    const body = {
      transactionalId: this.#name,
      transactionTimeoutMs: TIMEOUT_MS,
      producerId: -1,
      producerEpoch: -1,
    };
    const answer = await this.#persist('InitProducerId', async () =>
      this.#client.request(await this.#coordinator(), calls.initProducerId, body),
    );
    this.#sequences.clear();
    return answer;
  }

  async #coordinator(): Promise<number> {
    const body = { key: '', keyType: TRANSACTION, coordinatorKeys: [this.#name] };
    const answer = await this.#client.request('next', calls.findCoordinator, body, { version: 4 });
    const [found] = answer.coordinators;
    if (found?.errorCode !== ErrorCode.NONE) throw new Error('no coordinator yet');
    return found.nodeId;
  }

  async #write(run: TransactionRun): Promise<void> {
    const partition = below(this.#random, this.#partitions);
    const value = `${this.#name}-${this.#index++}`;
    const sequence = this.#sequences.get(partition) ?? 0;
    const { producerId: id, producerEpoch: epoch } = this.#identity!;
    run.values.push({ partition, value });
    await this.#persist('Produce', async () => {
      const builder = new RecordBatchBuilder({ attributes: BatchAttribute.transactional });
      builder.append(this.#world.now, null, Buffer.from(value, 'latin1'));
      const records = builder.build({ id, epoch, baseSequence: sequence });
      const body = {
        transactionalId: this.#name,
        acks: -1,
        timeoutMs: 3000,
        topicData: [
          { name: this.#topic, topicId: ZERO_UUID, partitionData: [{ index: partition, records }] },
        ],
      };
      const leader = await this.#leader(partition);
      const answer = await this.#client.request(leader, calls.produce, body, {
        version: PRODUCE_VERSION,
      });
      return answer.responses[0]!.partitionResponses[0]!;
    });
    this.#sequences.set(partition, sequence + 1);
  }

  async #leader(partition: number): Promise<number> {
    const body = {
      topics: [{ topicId: ZERO_UUID, name: this.#topic }],
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    };
    const answer = await this.#client.request('next', calls.metadata, body);
    const found = answer.topics[0]?.partitions.find((p) => p.partitionIndex === partition);
    if (found === undefined || found.leaderId < 0) throw new Error('no leader yet');
    return found.leaderId;
  }

  async #end(committed: boolean): Promise<void> {
    const body = { ...this.#identity!, transactionalId: this.#name, committed };
    const { producerId, producerEpoch } = await this.#persist('EndTxn', async () =>
      this.#client.request(await this.#coordinator(), endTxn, body),
    );
    this.#identity = { producerId, producerEpoch };
    this.#sequences.clear();
  }

  /** Asks until there is an answer; throws what can't be helped. */
  async #persist<R extends { readonly errorCode: number }>(
    what: string,
    ask: () => Promise<R>,
  ): Promise<R> {
    let last = '';
    for (let i = 0; i < ATTEMPTS_MAX; i++) {
      try {
        const answer = await ask();
        if (answer.errorCode === ErrorCode.NONE) return answer;
        last = `error ${answer.errorCode}`;
        if (!passing.has(answer.errorCode)) throw new GivenUp(`${what}: ${last}`);
      } catch (error) {
        if (error instanceof GivenUp) throw error;
        last = reasonOf(error);
      }
      const waitMs = pick(this.#random, [RETRY_MS, RETRY_MS * 3]);
      await new Promise<void>((resolve) => this.#client.clock.after(waitMs, resolve));
    }
    throw new GivenUp(`${what}: ${last}`);
  }

  stop(): void {
    this.#stopped = true;
  }
}
