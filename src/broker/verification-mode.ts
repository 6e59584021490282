/**
 * How a leader asks whether a partition belongs to a transaction, by the version of the request that
 * wants to write: newer clients leave it to the leader to have it added (KIP-890).
 */
import { ErrorCode } from '../protocol/error-codes.ts';

export interface VerificationMode {
  /** The partition is made part of the transaction; its producer's epoch rises at each end. */
  readonly adds: boolean;
  /** What the client is told of what the coordinator has said. */
  translate(code: number): number;
}

/** Clients that write know fencing under this name. */
const translateFenced = (code: number): number =>
  code === ErrorCode.PRODUCER_FENCED ? ErrorCode.INVALID_PRODUCER_EPOCH : code;

/** Before these versions, clients do not know that a transaction can be aborted and tried again. */
const translateOld = (code: number): number =>
  code === ErrorCode.TRANSACTION_ABORTABLE ? ErrorCode.INVALID_TXN_STATE : translateFenced(code);

const modes = {
  adds: { adds: true, translate: translateFenced },
  verifies: { adds: false, translate: translateFenced },
  verifiesOld: { adds: false, translate: translateOld },
} as const;

const since = (version: number, adds: number, abortable: number): VerificationMode => {
  if (version >= adds) return modes.adds;
  return version >= abortable ? modes.verifies : modes.verifiesOld;
};

export const verificationMode = {
  ofProduce: (version: number): VerificationMode => since(version, 12, 11),
  ofTxnOffsetCommit: (version: number): VerificationMode => since(version, 5, 4),
};
