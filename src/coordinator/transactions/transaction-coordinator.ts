/**
 * The coordinator of transactions (KIP-98, KIP-890): takes and gives the bodies of the protocol,
 * finds the partition of `__transaction_state` that holds the transactional id, and hands the
 * request to the shard that has it.
 *
 * It answers only for partitions that the broker has told it to `load`. Nothing is answered before
 * what it promises is in the log.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { initProducerIdRequest } from '../../protocol/messages/22-init-producer-id.ts';
import type { endTxnRequest } from '../../protocol/messages/26-end-txn.ts';
import type { Infer } from '../../protocol/schema.ts';
import type { CoordinatorLog } from '../coordinator-log.ts';
import { ShardHost } from '../shard-host.ts';
import { type MarkerDestinations, MarkerSender } from './marker-sender.ts';
import {
  decided,
  NO_EPOCH,
  NO_PRODUCER_ID,
  type Transaction,
  type TransactionPartitions,
} from './transaction.ts';
import {
  type Claim,
  type Decision,
  decideAdd,
  decideEnd,
  decideInit,
  EPOCH_BUMP_VERSION,
  refusedClaim,
} from './transaction-decisions.ts';
import { TransactionProbe } from './transaction-probe.ts';
import { type TransactionSettings, transactionDefaults } from './transaction-settings.ts';
import { TransactionShard } from './transaction-shard.ts';

export interface TransactionCoordinatorOptions {
  readonly log: CoordinatorLog;
  /** A producer id that nobody had before; rejects with ProtocolError. */
  readonly nextProducerId: () => Promise<number>;
  readonly destinations: MarkerDestinations;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Kafka's defaults where absent. */
  readonly settings?: Partial<TransactionSettings>;
}

export interface Identity {
  readonly code: number;
  readonly producerId: number;
  readonly producerEpoch: number;
}

const failed = (code: number): Identity => ({
  code,
  producerId: NO_PRODUCER_ID,
  producerEpoch: NO_EPOCH,
});

export class TransactionCoordinator {
  readonly probe = new TransactionProbe();
  readonly #options: TransactionCoordinatorOptions;
  readonly #settings: TransactionSettings;
  readonly #clock: Clock;
  readonly #shards: ShardHost<TransactionShard>;
  #abortTimer: Timer | null = null;
  #expireTimer: Timer | null = null;
  #isStopped = false;

  constructor(options: TransactionCoordinatorOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#settings = { ...transactionDefaults, ...options.settings };
    const { probe } = this;
    const markers = new MarkerSender({ ...options, probe });
    this.#shards = new ShardHost({
      ...options,
      probe,
      create: (log) => new TransactionShard({ ...options, probe, markers }, log),
    });
    this.#scheduleAborts();
    this.#scheduleExpiry();
  }

  /** The partition of `__transaction_state` that holds the transactional id. */
  partitionFor(transactionalId: string): number {
    return this.#shards.partitionFor(transactionalId);
  }
  /** See `GroupCoordinator`. */
  load(partition: number, epoch = 0): Promise<void> {
    return this.#shards.load(partition, epoch);
  }
  unload(partition: number, epoch: number = Infinity): void {
    this.#shards.unload(partition, epoch);
  }
  get isLoading(): boolean {
    return this.#shards.isLoading;
  }
  /** Partitions of `__transaction_state` that are served here, and that are being read. */
  partitionCounts(): { active: number; loading: number } {
    return this.#shards.partitionCounts();
  }

  /** Idempotent. */
  stop(): void {
    this.#isStopped = true;
    this.#abortTimer?.cancel();
    this.#expireTimer?.cancel();
    this.#shards.stop();
  }

  #scheduleAborts(): void {
    this.#abortTimer = this.#clock.after(this.#settings.abortIntervalMs, () => {
      if (this.#isStopped) return;
      void this.abortTimedOut();
      this.#scheduleAborts();
    });
  }
  #scheduleExpiry(): void {
    this.#expireTimer = this.#clock.after(this.#settings.expireIntervalMs, () => {
      if (this.#isStopped) return;
      void this.expire();
      this.#scheduleExpiry();
    });
  }

  /** InitProducerId with a transactional id; `claim`: of a producer that goes on. */
  async initProducerId(
    request: Infer<typeof initProducerIdRequest>,
    claim: Claim | null,
  ): Promise<Identity> {
    const { transactionalId, transactionTimeoutMs: timeoutMs } = request;
    if (transactionalId === null || transactionalId === '') {
      return failed(ErrorCode.INVALID_REQUEST);
    }
    if (timeoutMs <= 0 || timeoutMs > this.#settings.maxTimeoutMs) {
      return failed(ErrorCode.INVALID_TRANSACTION_TIMEOUT);
    }
    return this.#withId(async (newId) => {
      const shard = this.#shards.route(transactionalId);
      if (typeof shard === 'number') return failed(shard);
      let transaction = shard.transactions.get(transactionalId);
      if (transaction === undefined) {
        if (this.#refusesNewId()) return failed(ErrorCode.COORDINATOR_NOT_AVAILABLE);
        if (newId === null) return null;
        transaction = shard.create(transactionalId, newId, timeoutMs);
      }
      const now = this.#clock.now();
      const decision = decideInit(transaction, claim, timeoutMs, now, newId);
      if (decision.kind === 'needs-id' && newId === null) return null;
      if (decision.kind === 'abort') return failed(await this.#abort(shard, transaction));
      const identity = await this.#carryOut(shard, transaction, decision);
      shard.tidy(transaction);
      return identity;
    });
  }

  /** Calls `attempt` without a new producer id, and when that returns null once more with one. */
  async #withId(attempt: (newId: number | null) => Promise<Identity | null>): Promise<Identity> {
    const first = await attempt(null);
    if (first !== null) return first;
    try {
      return (await attempt(await this.#options.nextProducerId())) as Identity;
    } catch (error) {
      if (error instanceof ProtocolError) return failed(error.code);
      throw error;
    }
  }

  #refusesNewId(): boolean {
    if (this.probe.ids < this.#settings.idsMax) return false;
    this.probe.refusedIds++;
    return true;
  }

  async #carryOut(
    shard: TransactionShard,
    transaction: Transaction,
    decision: Decision,
  ): Promise<Identity> {
    if (decision.kind === 'answer') {
      const { producerId, producerEpoch } = transaction.fields;
      return decision.code === ErrorCode.NONE
        ? { code: ErrorCode.NONE, producerId, producerEpoch }
        : failed(decision.code);
    }
    if (decision.kind !== 'change') return failed(ErrorCode.UNKNOWN_SERVER_ERROR);
    const { fields } = decision;
    const code = await shard.change(transaction, fields);
    if (code !== ErrorCode.NONE) return failed(code);
    // What the producer is to go on with, although the markers are still on their way.
    const rotates = fields.nextProducerId !== NO_PRODUCER_ID;
    return {
      code,
      producerId: rotates ? fields.nextProducerId : fields.producerId,
      producerEpoch: rotates ? 0 : fields.producerEpoch,
    };
  }

  /** Aborts what is under way, so that its producer is fenced; the code for whoever asked to begin. */
  async #abort(shard: TransactionShard, transaction: Transaction): Promise<number> {
    let nextId = NO_PRODUCER_ID;
    if (transaction.isEpochExhausted) {
      transaction.isPending = true;
      try {
        nextId = await this.#options.nextProducerId();
      } catch (error) {
        if (error instanceof ProtocolError) return error.code;
        throw error;
      } finally {
        transaction.isPending = false;
      }
    }
    const now = this.#clock.now();
    const fields = decided(transaction, false, EPOCH_BUMP_VERSION, nextId, now);
    const code = await shard.change(transaction, fields);
    return code === ErrorCode.NONE ? ErrorCode.CONCURRENT_TRANSACTIONS : code;
  }

  /** Makes partitions part of the transaction; one code for all. */
  async addPartitions(
    transactionalId: string,
    claim: Claim,
    partitions: TransactionPartitions,
    clientVersion: number,
  ): Promise<number> {
    const found = this.#find(transactionalId);
    if (typeof found === 'number') return found;
    const { shard, transaction } = found;
    const now = this.#clock.now();
    const decision = decideAdd(transaction, claim, partitions, clientVersion, now);
    return (await this.#carryOut(shard, transaction, decision)).code;
  }

  /**
   * After an answer of CONCURRENT_TRANSACTIONS: has the partitions added behind the transaction that
   * is being ended. Resolves when it is time to ask again, after `maxMs` at the latest; null: nothing
   * is being ended here.
   */
  addAfterEnd(
    transactionalId: string,
    claim: Claim,
    partitions: TransactionPartitions,
    clientVersion: number,
    maxMs: number,
  ): Promise<void> | null {
    const found = this.#find(transactionalId);
    if (typeof found === 'number') return null;
    const decide = (transaction: Transaction): Decision =>
      decideAdd(transaction, claim, partitions, clientVersion, this.#clock.now());
    return found.shard.afterEnd(found.transaction, decide, maxMs);
  }

  /** Whether the transaction holds the partition: a code each. */
  verifyPartitions(
    transactionalId: string,
    claim: Claim,
  ): (topic: string, partition: number) => number {
    const found = this.#find(transactionalId);
    if (typeof found === 'number') return () => found;
    const { transaction } = found;
    const refusal = refusedClaim(transaction, claim);
    if (refusal?.kind === 'answer') return () => refusal.code;
    return (topic, partition) =>
      transaction.holds(topic, partition) ? ErrorCode.NONE : ErrorCode.TRANSACTION_ABORTABLE;
  }

  #find(
    transactionalId: string,
  ): { readonly shard: TransactionShard; readonly transaction: Transaction } | number {
    if (transactionalId === '') return ErrorCode.INVALID_REQUEST;
    const shard = this.#shards.route(transactionalId);
    if (typeof shard === 'number') return shard;
    const transaction = shard.transactions.get(transactionalId);
    return transaction === undefined
      ? ErrorCode.INVALID_PRODUCER_ID_MAPPING
      : { shard, transaction };
  }

  /** EndTxn; the identity is the one to go on with, where the version has it. */
  endTxn(request: Infer<typeof endTxnRequest>, clientVersion: number): Promise<Identity> {
    const { transactionalId, committed } = request;
    return this.#withId(async (newId) => {
      const found = this.#find(transactionalId);
      if (typeof found === 'number') return failed(found);
      const { shard, transaction } = found;
      const now = this.#clock.now();
      const decision = decideEnd(transaction, request, committed, clientVersion, now, newId);
      if (decision.kind === 'needs-id') return null;
      return this.#carryOut(shard, transaction, decision);
    });
  }

  /** Aborts the transactions that have been open for longer than their producers wanted. */
  async abortTimedOut(): Promise<void> {
    const monotonic = this.#clock.monotonic();
    const work: Promise<unknown>[] = [];
    for (const shard of this.#shards.active()) {
      for (const transaction of shard.transactions.values()) {
        if (!transaction.isLate(monotonic) || transaction.isPending) continue;
        this.probe.timedOut++;
        this.#options.logger.info('a transaction has taken too long, it is aborted', {
          'weir.transactional.id': transaction.id,
          'weir.transaction.timeout_ms': transaction.fields.timeoutMs,
        });
        work.push(this.#abort(shard, transaction));
      }
    }
    await Promise.all(work);
  }

  /** Forgets ids that nobody has used for long. */
  async expire(): Promise<void> {
    const before = this.#clock.now() - this.#settings.idExpirationMs;
    const work = this.#shards.active().map((shard) => shard.expire(before));
    for (const expired of await Promise.all(work)) this.probe.expiredIds += expired;
  }

  /** The transaction, or the code that says why it can't be shown. */
  describe(transactionalId: string): Transaction | number {
    const found = this.#find(transactionalId);
    if (found === ErrorCode.INVALID_PRODUCER_ID_MAPPING) {
      return ErrorCode.TRANSACTIONAL_ID_NOT_FOUND;
    }
    return typeof found === 'number' ? found : found.transaction;
  }

  /** All that this broker coordinates. */
  *all(): Generator<Transaction> {
    for (const shard of this.#shards.active()) yield* shard.transactions.values();
  }
}
