/**
 * An internal topic as its coordinator sees it; the broker binds it to the partitions it leads.
 */
import type { Verification } from '../log/verification.ts';
import { ProtocolError } from '../protocol/error-codes.ts';

/** Of a batch that belongs to a producer's transaction. */
export interface AppendProof {
  /** That the transaction's coordinator was asked; null: the transaction is open here already. */
  readonly verification?: Verification | null;
  /** Of a marker: the version of the transaction that it ends. */
  readonly transactionVersion?: number;
}

export interface CoordinatorLog {
  readonly topic: string;
  /** The partition that holds what goes by this key (a group's id); see `partitionOfKey`. */
  partitionFor(key: string): number;
  /**
   * Appends one batch as the leader of term `epoch`. Resolves when the batch is as safe as acks=all
   * makes it, in the order of the calls. Rejects with `UncommittedError` when the batch is in the
   * log and may stay or vanish, and with another ProtocolError when it is not in the log.
   */
  append(partition: number, batch: Buffer, epoch: number, proof?: AppendProof): Promise<void>;
  /** First offset that can be read, and the one behind the last, committed or not. */
  range(partition: number, epoch: number): { readonly start: number; readonly end: number };
  /** Whole batches from the one that holds `offset` on: at least one, then about `maxBytes`. */
  read(
    partition: number,
    offset: number,
    maxBytes: number,
    epoch: number,
  ): Buffer | Promise<Buffer>;
  /**
   * Resolves when everything before `end` is as safe as acks=all makes it, however long that takes.
   * Rejects with ProtocolError when this broker's term as the leader is over.
   */
  committed(partition: number, end: number, epoch: number): Promise<void>;
}

/** The batch was appended, but whether it stays is not known. */
export class UncommittedError extends ProtocolError {
  override name = 'UncommittedError';
}

/** The hash of the Java platform's strings, which decides where clients look for a group. */
function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}

/** The partition of an internal topic that holds a group, or a transactional id; equal to Kafka's. */
export function partitionOfKey(key: string, partitions: number): number {
  const hash = javaHash(key);
  return (hash === -(2 ** 31) ? 0 : Math.abs(hash)) % partitions;
}
