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
import type { KeyedWrite, TransactionRun } from '../check/history.ts';
import { type Finding, findingCoordinator, findingLeader } from './finding.ts';
import { bytesOf, type KeyedWrites } from './keyed-writes.ts';
import { chance, pick, waitOf } from './sim-random.ts';
import type { World } from './world.ts';

const endTxn: Call<Infer<typeof endTxnRequest>, Infer<typeof endTxnResponse>> = {
  ...apis.get(26)!,
  request: endTxnRequest,
  response: endTxnResponse,
};

const TIMEOUT_MS = 6_000;
const RETRY_MS = 100;
/** Between two transactions. */
const MEAN_MS = 150;
/** Between two records of one: what goes wrong is to find transactions open. */
const PAUSE_MS = 150;
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

const isGood = ({ errorCode }: { readonly errorCode: number }): boolean =>
  errorCode === ErrorCode.NONE;

/** What a transactional producer writes, and what is noted of it. */
export interface TransactionContent {
  /** The next record of the run, noted as perhaps written. */
  next(run: TransactionRun, partition: number): { key: string | null; value: string | null };
  /** The outcome is known, as far as it ever will be. */
  ended(run: TransactionRun): void;
}

/** Values that are to be seen all or none. */
class PlainContent implements TransactionContent {
  readonly #producer: string;
  #index = 0;

  constructor(producer: string) {
    this.#producer = producer;
  }
  next(run: TransactionRun, partition: number): { key: null; value: string } {
    const value = `${this.#producer}-${this.#index++}`;
    run.values.push({ partition, value });
    return { key: null, value };
  }
  ended(): void {}
}

/** Values of keys, of which the last that was committed is to be kept. */
export class KeyedContent implements TransactionContent {
  readonly #writes: KeyedWrites;
  #ofRun: KeyedWrite[] = [];

  constructor(writes: KeyedWrites) {
    this.#writes = writes;
  }
  next(): { key: string; value: string | null } {
    const write = this.#writes.next();
    write.outcome = 'abort';
    this.#ofRun.push(write);
    return write;
  }
  ended({ outcome, doneAt }: TransactionRun): void {
    for (const write of this.#ofRun) Object.assign(write, { outcome, doneAt });
    this.#ofRun = [];
  }
}

/**
 * A transactional producer (version 2) of a topic: writes to some partitions, commits or aborts, and
 * notes what each transaction was to be. Whoever does not know the outcome of a commit begins anew,
 * as an application would that was started again.
 */
export class Transacting {
  readonly #world: World;
  readonly #name: string;
  readonly #topic: string;
  readonly #leaders: readonly Finding[];
  readonly #coordinator: Finding;
  readonly #client;
  readonly #random;
  #identity: { producerId: number; producerEpoch: number } | null = null;
  readonly #sequences = new Map<number, number>();
  readonly #content: TransactionContent;
  readonly #meanMs: number;
  #stopped = false;
  isBusy = false;
  /** Transactions whose commit was acknowledged. */
  commits = 0;

  constructor(
    world: World,
    name: string,
    topic: string,
    partitions: number,
    content: TransactionContent = new PlainContent(name),
    meanMs = MEAN_MS,
  ) {
    this.#world = world;
    this.#name = name;
    this.#topic = topic;
    this.#content = content;
    this.#meanMs = meanMs;
    this.#random = world.chance(`transacting-${name}`);
    this.#client = world.newClient(name);
    this.#leaders = Array.from({ length: partitions }, (_, partition) =>
      findingLeader(this.#client, topic, partition),
    );
    this.#coordinator = findingCoordinator(this.#client, name);
    this.#again();
  }

  #again(): void {
    this.#client.clock.after(waitOf(this.#random, this.#meanMs), () => {
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
      for (let i = 0; i <= below(this.#random, 4); i++) {
        if (i > 0) await this.#sleep(waitOf(this.#random, PAUSE_MS));
        await this.#write(run);
      }
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
    this.#content.ended(run);
  }

  async #init(): Promise<{ producerId: number; producerEpoch: number }> {
    const body = {
      transactionalId: this.#name,
      transactionTimeoutMs: TIMEOUT_MS,
      producerId: -1,
      producerEpoch: -1,
    };
    const answer = await this.#persist('InitProducerId', () =>
      this.#coordinator.ask(
        (node) => this.#client.request(node, calls.initProducerId, body),
        isGood,
      ),
    );
    this.#sequences.clear();
    return answer;
  }

  async #write(run: TransactionRun): Promise<void> {
    const partition = below(this.#random, this.#leaders.length);
    const sequence = this.#sequences.get(partition) ?? 0;
    const { producerId: id, producerEpoch: epoch } = this.#identity!;
    const { key, value } = this.#content.next(run, partition);
    await this.#persist('Produce', async () => {
      const builder = new RecordBatchBuilder({ attributes: BatchAttribute.transactional });
      builder.append(this.#world.now, bytesOf(key), bytesOf(value));
      const records = builder.build({ id, epoch, baseSequence: sequence });
      const body = {
        transactionalId: this.#name,
        acks: -1,
        timeoutMs: 3000,
        topicData: [
          { name: this.#topic, topicId: ZERO_UUID, partitionData: [{ index: partition, records }] },
        ],
      };
      return this.#leaders[partition]!.ask(async (leader) => {
        const answer = await this.#client.request(leader, calls.produce, body, {
          version: PRODUCE_VERSION,
        });
        return answer.responses[0]!.partitionResponses[0]!;
      }, isGood);
    });
    this.#sequences.set(partition, sequence + 1);
  }

  async #end(committed: boolean): Promise<void> {
    const body = { ...this.#identity!, transactionalId: this.#name, committed };
    const { producerId, producerEpoch } = await this.#persist('EndTxn', () =>
      this.#coordinator.ask((node) => this.#client.request(node, endTxn, body), isGood),
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
      await this.#sleep(pick(this.#random, [RETRY_MS, RETRY_MS * 3]));
    }
    throw new GivenUp(`${what}: ${last}`);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#client.clock.after(ms, resolve));
  }

  stop(): void {
    this.#stopped = true;
  }
}
