/**
 * One transactional id as its coordinator has it: what is stored of it, and whether a change of
 * that is under way.
 *
 * Empty → Ongoing → PrepareCommit or PrepareAbort → CompleteCommit or CompleteAbort → Ongoing …
 * Once a Prepare state is in the log the outcome is decided: whoever coordinates from then on writes
 * the markers, and then the Complete state. `fields` changes only with what the log has taken.
 */

/** Kafka's names and the numbers under which they are stored. */
export const stateIds = {
  Empty: 0,
  Ongoing: 1,
  PrepareCommit: 2,
  PrepareAbort: 3,
  CompleteCommit: 4,
  CompleteAbort: 5,
} as const;

export type TransactionState = keyof typeof stateIds;

/** All that a client may ask for; the last two are never stored. */
export const stateNames: ReadonlySet<string> = new Set([
  ...Object.keys(stateIds),
  'Dead',
  'PrepareEpochFence',
]);

export const NO_PRODUCER_ID = -1;
export const NO_EPOCH = -1;
const EPOCH_MAX = 0x7fff;

/** Partitions by topic. */
export type TransactionPartitions = ReadonlyMap<string, ReadonlySet<number>>;

export const NO_PARTITIONS: TransactionPartitions = new Map();

/** Topics may be named more than once. */
export function partitionsByTopic(
  topics: Iterable<readonly [topic: string, partitions: readonly number[]]>,
): TransactionPartitions {
  const byTopic = new Map<string, Set<number>>();
  for (const [topic, partitions] of topics) {
    let indexes = byTopic.get(topic);
    if (indexes === undefined) byTopic.set(topic, (indexes = new Set()));
    for (const index of partitions) indexes.add(index);
  }
  return byTopic;
}

export interface TransactionFields {
  readonly state: TransactionState;
  readonly producerId: number;
  /** Before the last change; a producer that lost the answer still asks with it. */
  readonly previousProducerId: number;
  /** That the producer gets when the transaction is complete, as its epochs are used up; -1: none. */
  readonly nextProducerId: number;
  readonly producerEpoch: number;
  /** That the producer of the present epoch had before; -1: not known, or another producer's. */
  readonly lastProducerEpoch: number;
  readonly timeoutMs: number;
  readonly partitions: TransactionPartitions;
  /** Wall clock, milliseconds; -1: there is no transaction. */
  readonly startedAtMs: number;
  readonly updatedAtMs: number;
  /** Of the protocol that its producer speaks: 0, or 2 with a new epoch at each end (KIP-890). */
  readonly clientVersion: number;
}

export class Transaction {
  readonly id: string;
  fields: TransactionFields;
  /**
   * Since when it is open, where it is. Of the monotonic clock: by the stored time, one that was begun
   * while the wall clock was ahead would be open until that has caught up, and one that is open when
   * it jumps ahead would be late at once.
   */
  openSinceMs = Number.POSITIVE_INFINITY;
  /** A change is on its way into the log, or the markers are on theirs. */
  isPending = false;

  constructor(id: string, fields: TransactionFields) {
    this.id = id;
    this.fields = fields;
  }

  /** What the log has taken. */
  become(fields: TransactionFields, monotonicMs: number): void {
    if (this.fields.state !== 'Ongoing') this.openSinceMs = monotonicMs;
    this.fields = fields;
  }

  /** It was found in the log: how long it has been open already, only the wall clock can tell. */
  found(nowMs: number, monotonicMs: number): void {
    const { state, startedAtMs } = this.fields;
    const openMs = state === 'Ongoing' ? Math.max(nowMs - startedAtMs, 0) : 0;
    this.openSinceMs = monotonicMs - openMs;
  }

  /** It has been open for longer than its producer wanted. */
  isLate(monotonicMs: number): boolean {
    const { state, timeoutMs } = this.fields;
    return state === 'Ongoing' && this.openSinceMs + timeoutMs < monotonicMs;
  }

  /** The epoch after the next one would be none. */
  get isEpochExhausted(): boolean {
    return isExhausted(this.fields.producerEpoch);
  }
  get isDecided(): boolean {
    const { state } = this.fields;
    return state === 'PrepareCommit' || state === 'PrepareAbort';
  }
  /** It holds nothing that anybody waits for. */
  get isIdle(): boolean {
    const { state } = this.fields;
    return state === 'Empty' || state === 'CompleteCommit' || state === 'CompleteAbort';
  }
  holds(topic: string, partition: number): boolean {
    return this.fields.partitions.get(topic)?.has(partition) === true;
  }
}

export const isExhausted = (epoch: number): boolean => epoch >= EPOCH_MAX - 1;

/** An id that nobody has used yet. */
export const newTransaction = (
  id: string,
  producerId: number,
  timeoutMs: number,
  nowMs: number,
): Transaction =>
  new Transaction(id, {
    state: 'Empty',
    producerId,
    previousProducerId: NO_PRODUCER_ID,
    nextProducerId: NO_PRODUCER_ID,
    producerEpoch: NO_EPOCH,
    lastProducerEpoch: NO_EPOCH,
    timeoutMs,
    partitions: NO_PARTITIONS,
    startedAtMs: -1,
    updatedAtMs: nowMs,
    clientVersion: 0,
  });

/** Partitions become part of the transaction, which begins with the first of them. */
export function withPartitions(
  { fields, isIdle }: Transaction,
  added: TransactionPartitions,
  clientVersion: number,
  nowMs: number,
): TransactionFields {
  const partitions = new Map<string, ReadonlySet<number>>(fields.partitions);
  for (const [topic, indexes] of added) {
    partitions.set(topic, new Set([...(partitions.get(topic) ?? []), ...indexes]));
  }
  return {
    ...fields,
    state: 'Ongoing',
    previousProducerId: fields.producerId,
    partitions,
    startedAtMs: isIdle ? nowMs : fields.startedAtMs,
    updatedAtMs: nowMs,
    clientVersion,
  };
}

/**
 * The outcome is decided. In version 2 the markers carry a new epoch, so that nothing of the old one
 * can come behind them; `nextProducerId` is that of the producer where this is the last epoch.
 */
export function decided(
  { fields, isIdle }: Transaction,
  committed: boolean,
  clientVersion: number,
  nextProducerId: number,
  nowMs: number,
): TransactionFields {
  const { producerEpoch: epoch, lastProducerEpoch } = fields;
  const bumps = clientVersion >= 2;
  return {
    ...fields,
    state: committed ? 'PrepareCommit' : 'PrepareAbort',
    previousProducerId: fields.producerId,
    nextProducerId,
    producerEpoch: bumps ? Math.min(epoch + 1, EPOCH_MAX) : epoch,
    lastProducerEpoch: bumps ? epoch : lastProducerEpoch,
    // Aborted without any partition, it has no start of its own.
    startedAtMs: isIdle ? nowMs : fields.startedAtMs,
    updatedAtMs: nowMs,
    clientVersion,
  };
}

/** All markers are written. */
export function completed({ fields }: Transaction, nowMs: number): TransactionFields {
  const { clientVersion, nextProducerId, producerId, producerEpoch } = fields;
  const rotates = clientVersion >= 2 && nextProducerId !== NO_PRODUCER_ID;
  return {
    ...fields,
    state: fields.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort',
    producerId: rotates ? nextProducerId : producerId,
    previousProducerId: producerId,
    nextProducerId: NO_PRODUCER_ID,
    producerEpoch: rotates ? 0 : producerEpoch,
    partitions: NO_PARTITIONS,
    updatedAtMs: nowMs,
  };
}
