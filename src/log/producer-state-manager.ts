import { readMarkerBatch } from '../protocol/end-transaction-marker.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import {
  attributes,
  baseOffset,
  baseSequence,
  isControl,
  isTransactional,
  lastOffset,
  lastOffsetDelta,
  maxTimestamp,
  producerEpoch,
  producerId,
} from '../protocol/record-batch.ts';
import { OpenTransactions } from './open-transactions.ts';
import { ProducerSnapshots, type SnapshotOptions } from './producer-snapshots.ts';
import { type BatchMetadata, ProducerStateEntry, sequenceAfter } from './producer-state-entry.ts';
import type { AbortedTransaction } from './transaction-index.ts';
import { Verification } from './verification.ts';

/** Idempotent producers that one log remembers; beyond it the one that wrote longest ago goes. */
export const PRODUCERS_MAX = 100_000;

/** How many go at once when there are too many, so that the search for the oldest is rare. */
const PRODUCERS_EVICTED = PRODUCERS_MAX / 10;

/** Questions to coordinators that one log remembers; beyond it the oldest one is forgotten. */
export const VERIFICATIONS_MAX = 10_000;

const OUT_OF_ORDER = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER;

/** Markers of this version and later ones carry an epoch that no record had (KIP-890). */
const BUMPS_EPOCH_VERSION = 2;
const EPOCH_MAX = 0x7fff;

/** A snapshot to begin from, and up to where it must not matter what was decided. */
export interface ReloadBounds {
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  /** Markers from here on may still be cut off. */
  readonly highWatermark: number;
}

/**
 * The producers of one log (KIP-98): who wrote which sequence numbers last, and whose transaction is
 * open since when.
 *
 * The state is a function of the log: `endOffset` says up to where. Snapshots of it are taken when a
 * segment is rolled and on shutdown; after a crash the newest one that is whole and not ahead of the
 * log is loaded, and the batches behind it are read again.
 */
export class ProducerStateManager {
  readonly snapshots: ProducerSnapshots;
  #transactions = new OpenTransactions();
  readonly #options: SnapshotOptions;
  readonly #producers = new Map<number, ProducerStateEntry>();
  readonly #verifications = new Map<number, Verification>();
  #endOffset = 0;
  /** Where the log ended when expired producers were looked for the last time. */
  #lookedTo = 0;
  #doubt: { readonly from: number; readonly stable: number } | null = null;

  constructor(options: SnapshotOptions, snapshots = new ProducerSnapshots(options)) {
    this.#options = options;
    this.snapshots = snapshots;
  }

  /** The state covers the log up to here. */
  get endOffset(): number {
    return this.#endOffset;
  }
  set endOffset(offset: number) {
    this.#endOffset = offset;
  }
  /**
   * What is damaged from `offset` on was left out: of transactions that were under way there, and of
   * what they have before it, nobody can say how they end.
   */
  doubt(offset: number): void {
    if (this.#doubt !== null) return;
    const { firstUndecidedOffset: first } = this.transactions;
    this.#doubt = { from: offset, stable: first < 0 ? offset : Math.min(first, offset) };
  }
  /** Null: nothing was left out. Readers before `from` are told of nothing from `stable` on. */
  get doubtful(): { readonly from: number; readonly stable: number } | null {
    return this.#doubt;
  }
  get producers(): ReadonlyMap<number, ProducerStateEntry> {
    return this.#producers;
  }
  get transactions(): OpenTransactions {
    return this.#transactions;
  }

  /** The batch of which the one at `at` is a repetition, or null. */
  findDuplicate(buffer: Buffer, at: number): BatchMetadata | null {
    const entry = this.#producers.get(producerId(buffer, at));
    if (entry === undefined) return null;
    const first = baseSequence(buffer, at);
    const last = sequenceAfter(first, lastOffsetDelta(buffer, at));
    return entry.findDuplicate(producerEpoch(buffer, at), first, last);
  }

  /** Whether the producer has a transaction open here, begun in this epoch. */
  hasTransaction(id: number, epoch: number): boolean {
    const entry = this.#producers.get(id);
    return entry !== undefined && entry.currentTxnFirstOffset >= 0 && entry.epoch === epoch;
  }

  /**
   * Before the first batch of a transaction is appended its coordinator must be asked; null: the
   * transaction is open here already. Throws INVALID_PRODUCER_EPOCH.
   */
  startVerification(
    id: number,
    sequence: number,
    epoch: number,
    bumpsEpoch: boolean,
    nowMs: number,
  ): Verification | null {
    const entry = this.#producers.get(id);
    if (entry !== undefined) checkEpoch(entry, epoch);
    if (this.hasTransaction(id, epoch)) return null;
    let verification = this.#verifications.get(id);
    if (verification === undefined) {
      for (const oldest of this.#verifications.keys()) {
        if (this.#verifications.size < VERIFICATIONS_MAX) break;
        this.#verifications.delete(oldest);
      }
      verification = new Verification(nowMs, sequence, epoch, bumpsEpoch);
      this.#verifications.set(id, verification);
    } else verification.join(sequence, epoch);
    return verification;
  }

  /**
   * Throws when a client's batch may not follow what its producer wrote last, or belongs to a
   * transaction that nobody knows to be open.
   */
  check(buffer: Buffer, at: number, verification: Verification | null): void {
    const entry = this.#producers.get(producerId(buffer, at));
    const isPart = isTransactional(attributes(buffer, at));
    if (isPart) this.#checkTransaction(buffer, at, verification);
    // Unknown, perhaps forgotten: any sequence may begin.
    if (entry !== undefined) checkEpoch(entry, producerEpoch(buffer, at));
    if (isPart) this.#checkFirst(buffer, at, entry);
    if (entry === undefined) return;
    checkSequence(entry, buffer, at);
    if (!isPart && entry.currentTxnFirstOffset >= 0) {
      const text = `producer ${entry.producerId}: expected a batch of its open transaction`;
      throw new ProtocolError(ErrorCode.INVALID_TXN_STATE, text);
    }
  }

  /** The same of a batch without sequence numbers that a coordinator writes for a producer. */
  checkCoordinated(buffer: Buffer, at: number, verification: Verification | null): void {
    this.#checkTransaction(buffer, at, verification);
    const entry = this.#producers.get(producerId(buffer, at));
    if (entry !== undefined) checkEpoch(entry, producerEpoch(buffer, at));
  }

  #checkTransaction(buffer: Buffer, at: number, verification: Verification | null): void {
    const id = producerId(buffer, at);
    const epoch = producerEpoch(buffer, at);
    if (this.hasTransaction(id, epoch)) return;
    const entry = this.#producers.get(id);
    if (entry !== undefined) checkEpoch(entry, epoch);
    if (verification !== null && this.#verifications.get(id) === verification) return;
    const text = `producer ${id}: the batch is not part of an ongoing transaction`;
    throw new ProtocolError(ErrorCode.INVALID_TXN_STATE, text);
  }

  /** While a lower sequence is still asked for, or lost, a higher one must not take its place. */
  #checkFirst(buffer: Buffer, at: number, entry: ProducerStateEntry | undefined): void {
    const id = producerId(buffer, at);
    const verification = this.#verifications.get(id);
    if (verification === undefined) return;
    const first = baseSequence(buffer, at);
    const isUnknown = entry === undefined || entry.batches.length === 0;
    if (verification.bumpsEpoch && first !== 0 && isUnknown) {
      const text = `producer ${id}: expected sequence 0 of one that is not known here, saw ${first}`;
      throw new ProtocolError(OUT_OF_ORDER, text);
    }
    if (first > verification.lowestSequence) {
      const text = `producer ${id}: expected sequence ${verification.lowestSequence}, saw ${first}`;
      throw new ProtocolError(OUT_OF_ORDER, text);
    }
  }

  /**
   * Throws when a marker comes from a coordinator that has been replaced, or is older than what its
   * producer has done since. `version` is that of the transaction.
   */
  checkMarker(buffer: Buffer, at: number, version: number): void {
    const id = producerId(buffer, at);
    const entry = this.#producers.get(id);
    if (entry === undefined) return;
    const epoch = producerEpoch(buffer, at);
    if (version >= BUMPS_EPOCH_VERSION && epoch === entry.epoch) {
      // With an epoch of its own at each end, the same one means that this end is here already.
      const isRepeated = entry.currentTxnFirstOffset < 0 || epoch === EPOCH_MAX;
      if (!isRepeated) {
        const text = `producer ${id}: expected a marker of an epoch above ${entry.epoch}, saw ${epoch}`;
        throw new ProtocolError(ErrorCode.INVALID_PRODUCER_EPOCH, text);
      }
    } else checkEpoch(entry, epoch);
    const coordinatorEpoch = readMarkerBatch(buffer, at)?.coordinatorEpoch ?? -1;
    if (coordinatorEpoch >= entry.coordinatorEpoch) return;
    throw new ProtocolError(
      ErrorCode.TRANSACTION_COORDINATOR_FENCED,
      `producer ${id}: expected coordinator epoch ${entry.coordinatorEpoch} or later, saw ${coordinatorEpoch}`,
    );
  }

  /**
   * Accounts for a batch that is in the log; a control batch must be there as a whole. Returns the
   * transaction that it aborts, if it aborts one.
   */
  update(buffer: Buffer, at: number): AbortedTransaction | null {
    const id = producerId(buffer, at);
    let aborted: AbortedTransaction | null = null;
    if (id >= 0) {
      let entry = this.#producers.get(id);
      if (entry === undefined) {
        if (this.#producers.size >= PRODUCERS_MAX) this.#evictOldest();
        entry = new ProducerStateEntry(id);
        this.#producers.set(id, entry);
      }
      if (isTransactional(attributes(buffer, at))) {
        aborted = this.#updateTransaction(entry, buffer, at);
      } else addBatch(entry, buffer, at);
    }
    this.#endOffset = lastOffset(buffer, at) + 1;
    return aborted;
  }

  #updateTransaction(
    entry: ProducerStateEntry,
    buffer: Buffer,
    at: number,
  ): AbortedTransaction | null {
    const isMarker = isControl(attributes(buffer, at));
    this.#forgetVerification(entry.producerId, isMarker, producerEpoch(buffer, at));
    if (isMarker) return this.#endTransaction(entry, buffer, at);
    addBatch(entry, buffer, at);
    if (entry.currentTxnFirstOffset < 0) {
      entry.currentTxnFirstOffset = baseOffset(buffer, at);
      this.transactions.begin(entry.producerId, entry.currentTxnFirstOffset);
    }
    return null;
  }

  /** A marker in the epoch that is asked for ended the transaction before the one that begins. */
  #forgetVerification(id: number, isMarker: boolean, epoch: number): void {
    const verification = this.#verifications.get(id);
    if (verification === undefined) return;
    if (isMarker && verification.bumpsEpoch && verification.epoch === epoch) return;
    this.#verifications.delete(id);
  }

  #endTransaction(
    entry: ProducerStateEntry,
    buffer: Buffer,
    at: number,
  ): AbortedTransaction | null {
    const marker = readMarkerBatch(buffer, at);
    // The cleaner has taken the marker out, and everything of its transaction before it.
    if (marker === null) return null;
    const { producerId: id, currentTxnFirstOffset: firstOffset } = entry;
    entry.setEpoch(producerEpoch(buffer, at));
    entry.coordinatorEpoch = marker.coordinatorEpoch;
    entry.lastTimestamp = maxTimestamp(buffer, at);
    entry.currentTxnFirstOffset = -1;
    if (firstOffset < 0) return null;
    const end = lastOffset(buffer, at);
    const lastStableOffset = this.transactions.end(firstOffset, end);
    return marker.committed
      ? null
      : { producerId: id, firstOffset, lastOffset: end, lastStableOffset };
  }

  #evictOldest(): void {
    // Whose transaction is open can't go: nobody would know what its marker ends.
    const byAge = [...this.#producers.values()]
      .filter((entry) => entry.currentTxnFirstOffset < 0)
      .sort((a, b) => a.lastTimestamp - b.lastTimestamp)
      .slice(0, PRODUCERS_EVICTED);
    for (const entry of byAge) this.#producers.delete(entry.producerId);
    const { probe, logger, directory } = this.#options;
    probe.producerEvictions += byAge.length;
    logger.warn(`${directory}: more than ${PRODUCERS_MAX} idempotent producers, forgot the oldest`);
  }

  /**
   * Forgets producers that wrote nothing for `expirationMs` (`producer.id.expiration.ms`). The time
   * known of them is that of their records, which may have been old when they came, as those of a
   * mirrored topic are: whoever has written since the last call is at work, and may repeat it.
   */
  removeExpired(nowMs: number, expirationMs: number): void {
    for (const [id, entry] of this.#producers) {
      const idle = nowMs - entry.lastTimestamp;
      const isAtWork = (entry.lastBatch?.lastOffset ?? -1) >= this.#lookedTo;
      if (entry.currentTxnFirstOffset >= 0 || isAtWork) continue;
      if (idle >= expirationMs) this.#producers.delete(id);
    }
    this.#lookedTo = this.#endOffset;
    for (const [id, { sinceMs }] of this.#verifications) {
      if (nowMs - sinceMs >= expirationMs) this.#verifications.delete(id);
    }
  }

  /**
   * Starts from the newest whole snapshot between `logStartOffset` and `logEndOffset`; what is in
   * the log behind `endOffset` must be given to `update` afterwards. Snapshots of offsets that the
   * log does not have are removed.
   *
   * Where there are transactions, one up to the high watermark is taken: a snapshot does not tell
   * which transactions ended behind that.
   */
  reload({ logStartOffset, logEndOffset, highWatermark }: ReloadBounds): void {
    this.snapshots.removeAfter(logEndOffset);
    this.#verifications.clear();
    this.#lookedTo = 0;
    this.#loadNewest(logStartOffset, logEndOffset);
    if (this.#endOffset <= highWatermark || !this.#hasSeenMarkers()) return;
    this.#loadNewest(logStartOffset, highWatermark);
  }

  /** The state at `offset` or before it, on its own; files are left alone, but for damaged ones. */
  before(logStartOffset: number, offset: number): ProducerStateManager {
    const fork = new ProducerStateManager(this.#options, this.snapshots);
    fork.#loadNewest(logStartOffset, offset);
    return fork;
  }

  #hasSeenMarkers(): boolean {
    for (const { coordinatorEpoch } of this.#producers.values()) {
      if (coordinatorEpoch >= 0) return true;
    }
    return false;
  }

  #loadNewest(logStartOffset: number, upTo: number): void {
    this.#producers.clear();
    this.transactions.clear();
    this.#doubt = null;
    const snapshot = this.snapshots.newest(logStartOffset, upTo);
    this.#endOffset = snapshot?.offset ?? logStartOffset;
    if (snapshot !== null) this.#take(snapshot.entries);
  }

  #take(entries: readonly ProducerStateEntry[]): void {
    for (const entry of entries) this.#producers.set(entry.producerId, entry);
    const open = entries
      .filter((entry) => entry.currentTxnFirstOffset >= 0)
      .sort((a, b) => a.currentTxnFirstOffset - b.currentTxnFirstOffset);
    for (const entry of open) {
      this.transactions.begin(entry.producerId, entry.currentTxnFirstOffset);
    }
  }

  /** Writes the state down, under the offset that it covers. */
  takeSnapshot(): void {
    this.snapshots.take(this.#endOffset, this.#producers.values());
  }

  /**
   * Becomes what `former` is, of a log with the same records: who wrote what has been deleted since,
   * and whose coordinator is being asked, stands in no batch. `former` is used no more.
   */
  takeOver(former: ProducerStateManager): void {
    this.#producers.clear();
    for (const [id, entry] of former.#producers) this.#producers.set(id, entry);
    this.#verifications.clear();
    for (const [id, asked] of former.#verifications) this.#verifications.set(id, asked);
    this.#transactions = former.#transactions;
    this.#doubt = former.#doubt;
    this.#endOffset = former.#endOffset;
    this.#lookedTo = former.#lookedTo;
  }

  /** Nothing is known any more, and no snapshot is left. */
  restartAt(offset: number): void {
    this.#producers.clear();
    this.#verifications.clear();
    this.transactions.clear();
    this.#doubt = null;
    this.snapshots.removeAll();
    this.#endOffset = offset;
    this.#lookedTo = 0;
  }
}

function checkEpoch(entry: ProducerStateEntry, epoch: number): void {
  if (epoch >= entry.epoch) return;
  throw new ProtocolError(
    ErrorCode.INVALID_PRODUCER_EPOCH,
    `producer ${entry.producerId} has epoch ${entry.epoch}, saw ${epoch}`,
  );
}

function checkSequence(entry: ProducerStateEntry, buffer: Buffer, at: number): void {
  const { producerId: id, epoch: known, lastSequence: last } = entry;
  const epoch = producerEpoch(buffer, at);
  const first = baseSequence(buffer, at);
  if (epoch > known) {
    if (first === 0 || known < 0) return;
    const text = `producer ${id}: expected sequence 0 in new epoch ${epoch}, saw ${first}`;
    throw new ProtocolError(OUT_OF_ORDER, text);
  }
  if (first !== sequenceAfter(last, 1)) {
    const text = `producer ${id}: expected sequence ${sequenceAfter(last, 1)}, saw ${first}`;
    throw new ProtocolError(OUT_OF_ORDER, text);
  }
}

function addBatch(entry: ProducerStateEntry, buffer: Buffer, at: number): void {
  const delta = lastOffsetDelta(buffer, at);
  entry.addBatch(
    producerEpoch(buffer, at),
    sequenceAfter(baseSequence(buffer, at), delta),
    lastOffset(buffer, at),
    delta,
    maxTimestamp(buffer, at),
  );
}
