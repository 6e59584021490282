/**
 * What a request makes of a transactional id: an error, or the fields that it is to have. Nothing is
 * changed here, and nobody is asked: where a new producer id is needed the answer says so.
 */
import { ErrorCode } from '../../protocol/error-codes.ts';
import {
  decided,
  isExhausted,
  NO_EPOCH,
  NO_PARTITIONS,
  NO_PRODUCER_ID,
  type Transaction,
  type TransactionFields,
  type TransactionPartitions,
  withPartitions,
} from './transaction.ts';

/** Version in which every end gives the producer a new epoch (KIP-890). */
export const EPOCH_BUMP_VERSION = 2;

export type Decision =
  | { readonly kind: 'answer'; readonly code: number }
  | { readonly kind: 'change'; readonly fields: TransactionFields }
  /** Ask again, with a new producer id. */
  | { readonly kind: 'needs-id' }
  /** The transaction under way is to be aborted first. */
  | { readonly kind: 'abort' };

const answer = (code: number): Decision => ({ kind: 'answer', code });
const change = (fields: TransactionFields): Decision => ({ kind: 'change', fields });
const CONCURRENT = answer(ErrorCode.CONCURRENT_TRANSACTIONS);
const FENCED = answer(ErrorCode.PRODUCER_FENCED);
const UNMAPPED = answer(ErrorCode.INVALID_PRODUCER_ID_MAPPING);
const WRONG_STATE = answer(ErrorCode.INVALID_TXN_STATE);

/** Who a producer says that it is (KIP-360). */
export interface Claim {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** InitProducerId: a new epoch for a new producer, or for one that goes on after an error. */
export function decideInit(
  transaction: Transaction,
  claim: Claim | null,
  timeoutMs: number,
  nowMs: number,
  newId: number | null,
): Decision {
  const { fields } = transaction;
  if (transaction.isPending) return CONCURRENT;
  if (claim !== null && !isKnown(fields, claim)) return FENCED;
  if (transaction.isDecided) return CONCURRENT;
  if (fields.state === 'Ongoing') return { kind: 'abort' };
  const begun = {
    ...fields,
    state: 'Empty' as const,
    previousProducerId: fields.producerId,
    timeoutMs,
    partitions: NO_PARTITIONS,
    startedAtMs: -1,
    updatedAtMs: nowMs,
  };
  const { producerEpoch: epoch, lastProducerEpoch } = fields;
  const isCurrent = claim === null || epoch === NO_EPOCH || claim.producerEpoch === epoch;
  if (isCurrent) {
    const last = claim === null ? NO_EPOCH : epoch;
    if (!transaction.isEpochExhausted) {
      return change({ ...begun, producerEpoch: epoch + 1, lastProducerEpoch: last });
    }
    if (newId === null) return { kind: 'needs-id' };
    return change({ ...begun, producerId: newId, producerEpoch: 0, lastProducerEpoch: last });
  }
  // A repeated request, whose answer was lost: nobody else can have had an epoch since.
  return claim.producerEpoch === lastProducerEpoch ? change(begun) : FENCED;
}

/** Another id is only that of a producer which was given a new one, and did not hear of it. */
const isKnown = (fields: TransactionFields, { producerId, producerEpoch }: Claim): boolean =>
  fields.producerEpoch === NO_EPOCH ||
  producerId === fields.producerId ||
  (producerId === fields.previousProducerId && isExhausted(producerEpoch));

/** AddPartitionsToTxn and AddOffsetsToTxn. */
export function decideAdd(
  transaction: Transaction,
  claim: Claim,
  added: TransactionPartitions,
  clientVersion: number,
  nowMs: number,
): Decision {
  // First, because a producer may use an id already that is still on its way into the log.
  if (transaction.isPending) return CONCURRENT;
  const refusal = refusedClaim(transaction, claim);
  if (refusal !== null) return refusal;
  const isThere = [...added].every(([topic, indexes]) =>
    [...indexes].every((index) => transaction.holds(topic, index)),
  );
  if (transaction.fields.state === 'Ongoing' && isThere) return answer(ErrorCode.NONE);
  return change(withPartitions(transaction, added, clientVersion, nowMs));
}

/** The same without adding anything: the log itself sees to it that nothing comes too late. */
export function refusedClaim(transaction: Transaction, claim: Claim): Decision | null {
  const { fields } = transaction;
  if (fields.producerId !== claim.producerId) return UNMAPPED;
  if (fields.producerEpoch !== claim.producerEpoch) return FENCED;
  return transaction.isDecided ? CONCURRENT : null;
}

/** EndTxn of a client. */
export function decideEnd(
  transaction: Transaction,
  claim: Claim,
  committed: boolean,
  clientVersion: number,
  nowMs: number,
  newId: number | null,
): Decision {
  return clientVersion >= EPOCH_BUMP_VERSION
    ? decideEndWithBump(transaction, claim, committed, nowMs, newId)
    : decideEndWithout(transaction, claim, committed, nowMs);
}

function decideEndWithout(
  transaction: Transaction,
  claim: Claim,
  committed: boolean,
  nowMs: number,
): Decision {
  const { fields } = transaction;
  if (fields.producerId !== claim.producerId) return UNMAPPED;
  if (fields.producerEpoch !== claim.producerEpoch) return FENCED;
  if (transaction.isPending) return CONCURRENT;
  switch (fields.state) {
    case 'Ongoing':
      return change(decided(transaction, committed, 0, NO_PRODUCER_ID, nowMs));
    case 'CompleteCommit':
    case 'CompleteAbort':
      // A repeated request.
      return (fields.state === 'CompleteCommit') === committed
        ? answer(ErrorCode.NONE)
        : WRONG_STATE;
    case 'PrepareCommit':
    case 'PrepareAbort':
      return (fields.state === 'PrepareCommit') === committed ? CONCURRENT : WRONG_STATE;
    case 'Empty':
      return WRONG_STATE;
  }
}

/**
 * With a new epoch at each end the epoch tells what is a repetition: one that is smaller by one has
 * lost the answer, the present one means the next transaction. That one may be aborted before it has
 * any partition: the producer can't know whether one of them came to be added.
 */
function decideEndWithBump(
  transaction: Transaction,
  claim: Claim,
  committed: boolean,
  nowMs: number,
  newId: number | null,
): Decision {
  const { fields } = transaction;
  const { state, producerEpoch: epoch } = fields;
  const hasRotated =
    fields.previousProducerId === claim.producerId &&
    isExhausted(claim.producerEpoch) &&
    epoch === 0;
  const isRepeated = hasRotated || epoch === claim.producerEpoch + 1;
  if (transaction.isPending) return CONCURRENT;
  if (fields.producerId !== claim.producerId && !hasRotated) return UNMAPPED;
  if (!isEpochOf(transaction, claim, isRepeated)) return FENCED;
  const end = (): Decision => {
    const isLast = transaction.isEpochExhausted;
    if (isLast && newId === null) return { kind: 'needs-id' };
    const next = isLast ? newId! : NO_PRODUCER_ID;
    return change(decided(transaction, committed, EPOCH_BUMP_VERSION, next, nowMs));
  };
  if (state === 'Ongoing') return end();
  if (transaction.isDecided) {
    return (state === 'PrepareCommit') === committed ? CONCURRENT : WRONG_STATE;
  }
  if (isRepeated) {
    const wasCommitted = state === 'CompleteCommit';
    return wasCommitted === committed ? answer(ErrorCode.NONE) : WRONG_STATE;
  }
  return committed ? WRONG_STATE : end();
}

function isEpochOf(transaction: Transaction, claim: Claim, isRepeated: boolean): boolean {
  const isCurrent = transaction.fields.producerEpoch === claim.producerEpoch;
  if (transaction.isDecided) return isRepeated;
  const { state } = transaction.fields;
  return isCurrent || (isRepeated && state !== 'Ongoing' && state !== 'Empty');
}
