/** Transactional ids as records of `__transaction_state`, in Kafka's schemas and versions. */
import { transactionLogKey, transactionLogValue } from '../../protocol/stored/transaction-log.ts';
import {
  decodeVersioned,
  encodeVersioned,
  storedVersion,
} from '../../protocol/stored/versioned.ts';
import type { StoredRecord } from '../shard-log.ts';
import {
  NO_EPOCH,
  partitionsByTopic,
  stateIds,
  type TransactionFields,
  type TransactionState,
} from './transaction.ts';

const KEY_VERSION = 0;
const VALUE_VERSION = 1;

const key = (transactionalId: string): Buffer =>
  encodeVersioned(transactionLogKey, KEY_VERSION, { transactionalId });

export function transactionRecord(id: string, fields: TransactionFields): StoredRecord {
  const isEmpty = fields.state === 'Empty';
  const value = encodeVersioned(transactionLogValue, VALUE_VERSION, {
    producerId: fields.producerId,
    previousProducerId: fields.previousProducerId,
    nextProducerId: fields.nextProducerId,
    producerEpoch: fields.producerEpoch,
    nextProducerEpoch: NO_EPOCH,
    transactionTimeoutMs: fields.timeoutMs,
    transactionStatus: stateIds[fields.state],
    transactionPartitions: isEmpty
      ? null
      : [...fields.partitions].map(([topic, ids]) => ({ topic, partitionIds: [...ids] })),
    transactionLastUpdateTimestampMs: fields.updatedAtMs,
    transactionStartTimestampMs: fields.startedAtMs,
    clientTransactionVersion: fields.clientVersion,
  });
  return { key: key(id), value };
}

export const transactionTombstone = (id: string): StoredRecord => ({ key: key(id), value: null });

/** Null fields: a tombstone. Throws RangeError on what is no such record, or of a newer version. */
export function readTransactionRecord(
  keyBytes: Buffer,
  value: Buffer | null,
): { readonly id: string; readonly fields: TransactionFields | null } {
  const keyVersion = storedVersion(keyBytes);
  if (keyVersion !== KEY_VERSION) throw new RangeError(`key version ${keyVersion}, known is 0`);
  const { transactionalId: id } = decodeVersioned(transactionLogKey, keyBytes);
  return { id, fields: value === null ? null : readFields(value) };
}

function readFields(value: Buffer): TransactionFields {
  const version = storedVersion(value);
  if (version > VALUE_VERSION) throw new RangeError(`version ${version}, known are 0-1`);
  const stored = decodeVersioned(transactionLogValue, value);
  return {
    state: stateOf(stored.transactionStatus),
    producerId: stored.producerId,
    previousProducerId: stored.previousProducerId,
    nextProducerId: stored.nextProducerId,
    producerEpoch: stored.producerEpoch,
    lastProducerEpoch: NO_EPOCH,
    timeoutMs: stored.transactionTimeoutMs,
    partitions: partitionsByTopic(
      (stored.transactionPartitions ?? []).map((t) => [t.topic, t.partitionIds]),
    ),
    startedAtMs: stored.transactionStartTimestampMs,
    updatedAtMs: stored.transactionLastUpdateTimestampMs,
    clientVersion: stored.clientTransactionVersion,
  };
}

function stateOf(id: number): TransactionState {
  for (const [state, known] of Object.entries(stateIds)) {
    if (known === id) return state as TransactionState;
  }
  throw new RangeError(`state ${id} of a transaction, known are 0-5`);
}
