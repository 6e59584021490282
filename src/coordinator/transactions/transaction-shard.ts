/**
 * The transactional ids of one partition of `__transaction_state`, for one term of this broker as
 * its leader. `ShardHost` says when it begins and ends.
 */
import type { Clock } from '../../base/clock.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { HostedShard } from '../shard-host.ts';
import type { ShardLog, StoredRecord } from '../shard-log.ts';
import type { MarkerSender } from './marker-sender.ts';
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

  constructor(options: TransactionShardOptions, log: ShardLog) {
    this.#options = options;
    this.#log = log;
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
  }

  create(id: string, producerId: number, timeoutMs: number): Transaction {
    const { clock } = this.#options;
    const transaction = newTransaction(id, producerId, timeoutMs, clock.now());
    this.#put(transaction);
    return transaction;
  }

  #put(transaction: Transaction): void {
    if (!this.transactions.has(transaction.id)) this.#options.probe.ids++;
    this.transactions.set(transaction.id, transaction);
  }
  #forget(id: string): void {
    if (this.transactions.delete(id)) this.#options.probe.ids--;
  }

  /** Stores what the transaction is to be, and then makes it so. Resolves to an error code. */
  async change(transaction: Transaction, fields: TransactionFields): Promise<number> {
    transaction.isPending = true;
    const code = await this.#write(transactionRecord(transaction.id, fields));
    if (this.#log.isClosed) return ErrorCode.NOT_COORDINATOR;
    transaction.isPending = false;
    if (code !== ErrorCode.NONE) return code;
    transaction.fields = fields;
    if (transaction.isDecided) this.#carryOut(transaction);
    return ErrorCode.NONE;
  }

  #write(record: StoredRecord): Promise<number> {
    return new Promise((resolve) => this.#log.write([record], resolve));
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

  async #complete(transaction: Transaction): Promise<void> {
    const { clock, probe } = this.#options;
    const fields = completed(transaction, clock.now());
    const code = await this.#write(transactionRecord(transaction.id, fields));
    if (this.#log.isClosed) return;
    if (code !== ErrorCode.NONE) {
      probe.endsToRetry++;
      clock.after(RETRY_MS, () => {
        probe.endsToRetry--;
        if (!this.#log.isClosed) void this.#complete(transaction);
      });
      return;
    }
    if (fields.state === 'CompleteCommit') probe.committed++;
    else probe.aborted++;
    transaction.fields = fields;
    transaction.isPending = false;
  }

  /** Forgets the ids that nobody has used since `usedBeforeMs`; resolves to how many. */
  async expire(usedBeforeMs: number): Promise<number> {
    const expired = [...this.transactions.values()].filter(
      (t) => t.isIdle && !t.isPending && t.fields.updatedAtMs <= usedBeforeMs,
    );
    if (expired.length === 0) return 0;
    for (const transaction of expired) transaction.isPending = true;
    const tombstones = expired.map(({ id }) => transactionTombstone(id));
    const code = await new Promise<number>((resolve) => this.#log.write(tombstones, resolve));
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
