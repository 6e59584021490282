/**
 * The transactional ids of one partition of `__transaction_state`, for one term of this broker as
 * its leader. `ShardHost` says when it begins and ends.
 */
import type { Clock } from '../../base/clock.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { HostedShard } from '../shard-host.ts';
import type { ShardLog, StoredRecord } from '../shard-log.ts';
import type { MarkerSender } from './marker-sender.ts';
import { type Decide, NextTransaction } from './next-transaction.ts';
import { completed, newTransaction, Transaction, type TransactionFields } from './transaction.ts';
import type { TransactionProbe } from './transaction-probe.ts';
import {
  readTransactionRecord,
  transactionRecord,
  transactionTombstone,
} from './transaction-records.ts';
import { RETRY_MS } from './transaction-settings.ts';

export interface TransactionShardOptions {
  readonly clock: Clock;
  readonly probe: TransactionProbe;
  readonly markers: MarkerSender;
}

export class TransactionShard implements HostedShard {
  readonly transactions = new Map<string, Transaction>();
  readonly #options: TransactionShardOptions;
  readonly #log: ShardLog;
  readonly #next: NextTransaction;

  constructor(options: TransactionShardOptions, log: ShardLog) {
    this.#options = options;
    this.#log = log;
    this.#next = new NextTransaction(options.clock);
  }

  replay(key: Buffer, value: Buffer | null): void {
    const { id, fields } = readTransactionRecord(key, value);
    if (fields === null) this.#forget(id);
    else this.#put(new Transaction(id, fields));
  }

  /** What was decided, by this broker or another one, is carried out. */
  loaded(): void {
    for (const transaction of this.transactions.values()) {
      if (transaction.isDecided) this.#carryOut(transaction);
    }
  }

  close(): void {
    this.#options.probe.ids -= this.transactions.size;
    this.transactions.clear();
    this.#next.close();
  }

  create(id: string, producerId: number, timeoutMs: number): Transaction {
    const { clock } = this.#options;
    const transaction = newTransaction(id, producerId, timeoutMs, clock.now());
    this.#put(transaction);
    return transaction;
  }

  #put(transaction: Transaction): void {
    const { clock, probe } = this.#options;
    if (!this.transactions.has(transaction.id)) probe.ids++;
    transaction.found(clock.now(), clock.monotonic());
    this.transactions.set(transaction.id, transaction);
  }
  #forget(id: string): void {
    if (this.transactions.delete(id)) this.#options.probe.ids--;
  }

  /** Stores what the transaction is to be, and then makes it so. Resolves to an error code. */
  async change(transaction: Transaction, fields: TransactionFields): Promise<number> {
    transaction.isPending = true;
    const code = await this.#write([transactionRecord(transaction.id, fields)]);
    if (this.#log.isClosed) return ErrorCode.NOT_COORDINATOR;
    transaction.isPending = false;
    if (code !== ErrorCode.NONE) return code;
    transaction.become(fields, this.#options.clock.monotonic());
    if (transaction.isDecided) this.#carryOut(transaction);
    return ErrorCode.NONE;
  }

  #write(records: readonly StoredRecord[]): Promise<number> {
    return new Promise((resolve) => this.#log.write(records, resolve));
  }

  /**
   * While the markers of the transaction are on their way: has `decide` begin the next one, as soon
   * as that may be. Resolves when it is time to look again, after `maxMs` at the latest; null: there
   * is nothing to wait for.
   */
  afterEnd({ id, isPending, isDecided }: Transaction, decide: Decide, maxMs: number) {
    return isPending && isDecided ? this.#next.join(id, decide, maxMs) : null;
  }

  /** Writes the markers, and then that all is done. */
  #carryOut(transaction: Transaction): void {
    const { fields } = transaction;
    transaction.isPending = true;
    this.#options.markers.send({
      transactionalId: transaction.id,
      producerId: fields.producerId,
      producerEpoch: fields.producerEpoch,
      coordinatorEpoch: this.#log.epoch,
      transactionVersion: fields.clientVersion,
      committed: fields.state === 'PrepareCommit',
      partitions: fields.partitions,
      isOver: () => this.#log.isClosed,
      done: () => void this.#complete(transaction),
    });
  }

  /** Stores the end, and with it the beginning of the next one where somebody waits for that. */
  async #complete(transaction: Transaction): Promise<void> {
    const { clock, probe } = this.#options;
    const { id } = transaction;
    const ended = completed(transaction, clock.now());
    const next = this.#next.begin(id, ended);
    const records = [transactionRecord(id, ended)];
    if (next.fields !== ended) records.push(transactionRecord(id, next.fields));
    const code = await this.#write(records);
    if (this.#log.isClosed) return next.over();
    if (code !== ErrorCode.NONE) {
      next.over();
      probe.endsToRetry++;
      clock.after(RETRY_MS, () => {
        probe.endsToRetry--;
        if (!this.#log.isClosed) void this.#complete(transaction);
      });
      return;
    }
    if (ended.state === 'CompleteCommit') probe.committed++;
    else probe.aborted++;
    transaction.become(next.fields, clock.monotonic());
    transaction.isPending = false;
    next.over();
    await this.#begin(transaction);
  }

  /** The same for those who came while the end was on its way into the log. */
  async #begin(transaction: Transaction): Promise<void> {
    const next = this.#next.begin(transaction.id, transaction.fields);
    if (next.fields !== transaction.fields) await this.change(transaction, next.fields);
    next.over();
  }

  /** Forgets the ids that nobody has used since `usedBeforeMs`; resolves to how many. */
  async expire(usedBeforeMs: number): Promise<number> {
    const expired = [...this.transactions.values()].filter(
      (t) => t.isIdle && !t.isPending && t.fields.updatedAtMs <= usedBeforeMs,
    );
    if (expired.length === 0) return 0;
    for (const transaction of expired) transaction.isPending = true;
    const tombstones = expired.map(({ id }) => transactionTombstone(id));
    const code = await this.#write(tombstones);
    if (this.#log.isClosed) return 0;
    for (const transaction of expired) {
      transaction.isPending = false;
      if (code === ErrorCode.NONE) this.#forget(transaction.id);
    }
    return code === ErrorCode.NONE ? expired.length : 0;
  }

  /** An id whose first record the log did not take. */
  tidy(transaction: Transaction): void {
    const { producerEpoch } = transaction.fields;
    if (producerEpoch < 0 && !transaction.isPending) this.#forget(transaction.id);
  }
}
