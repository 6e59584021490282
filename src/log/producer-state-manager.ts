import type { Disk } from '../base/disk.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
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
import { isPassing } from './log-directory.ts';
import { offsetName, offsetOfName, replaceFileLazily, SNAPSHOT_SUFFIX } from './log-files.ts';
import type { LogProbe } from './probe.ts';
import { decodeSnapshot, encodeSnapshot } from './producer-snapshot.ts';
import { type BatchMetadata, ProducerStateEntry, sequenceAfter } from './producer-state-entry.ts';

/** Idempotent producers that one log remembers; beyond it the one that wrote longest ago goes. */
export const PRODUCERS_MAX = 100_000;

/** How many go at once when there are too many, so that the search for the oldest is rare. */
const PRODUCERS_EVICTED = PRODUCERS_MAX / 10;

const OUT_OF_ORDER = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER;

/**
 * Idempotence of one log (KIP-98): who wrote which sequence numbers last.
 *
 * The state is a function of the log: `endOffset` says up to where. Snapshots of it are files named
 * by that offset, taken when a segment is rolled and on shutdown; after a crash the newest one that
 * is whole and not ahead of the log is loaded, and the batches behind it are read again. A snapshot
 * is a cache: a lost or damaged one costs reading more of the log.
 */
export class ProducerStateManager {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #logger: Logger;
  readonly #probe: LogProbe;
  readonly #producers = new Map<number, ProducerStateEntry>();
  #snapshots: number[] = [];
  #endOffset = 0;

  constructor(options: { disk: Disk; directory: string; logger: Logger; probe: LogProbe }) {
    this.#disk = options.disk;
    this.#directory = options.directory;
    this.#logger = options.logger;
    this.#probe = options.probe;
  }

  /** The state covers the log up to here. */
  get endOffset(): number {
    return this.#endOffset;
  }
  set endOffset(offset: number) {
    this.#endOffset = offset;
  }
  get producers(): ReadonlyMap<number, ProducerStateEntry> {
    return this.#producers;
  }
  get snapshotOffsets(): readonly number[] {
    return this.#snapshots;
  }

  /** The batch of which the one at `at` is a repetition, or null. */
  findDuplicate(buffer: Buffer, at: number): BatchMetadata | null {
    const entry = this.#producers.get(producerId(buffer, at));
    if (entry === undefined) return null;
    const first = baseSequence(buffer, at);
    const last = sequenceAfter(first, lastOffsetDelta(buffer, at));
    return entry.findDuplicate(producerEpoch(buffer, at), first, last);
  }

  /** Throws when the batch may not follow what its producer wrote last. */
  check(buffer: Buffer, at: number): void {
    const id = producerId(buffer, at);
    const entry = this.#producers.get(id);
    if (entry === undefined) return; // Unknown, perhaps forgotten: any sequence may begin.
    const epoch = producerEpoch(buffer, at);
    const first = baseSequence(buffer, at);
    if (epoch < entry.epoch) {
      throw new ProtocolError(
        ErrorCode.INVALID_PRODUCER_EPOCH,
        `producer ${id} has epoch ${entry.epoch}, saw ${epoch}`,
      );
    }
    if (epoch > entry.epoch) {
      if (first === 0 || entry.epoch < 0) return;
      const text = `producer ${id}: expected sequence 0 in new epoch ${epoch}, saw ${first}`;
      throw new ProtocolError(OUT_OF_ORDER, text);
    }
    const last = entry.lastSequence;
    if (first !== sequenceAfter(last, 1)) {
      const text = `producer ${id}: expected sequence ${sequenceAfter(last, 1)}, saw ${first}`;
      throw new ProtocolError(OUT_OF_ORDER, text);
    }
  }

  /** Accounts for a batch that is in the log. */
  update(buffer: Buffer, at: number): void {
    const id = producerId(buffer, at);
    if (id >= 0) {
      let entry = this.#producers.get(id);
      if (entry === undefined) {
        if (this.#producers.size >= PRODUCERS_MAX) this.#evictOldest();
        entry = new ProducerStateEntry(id);
        this.#producers.set(id, entry);
      }
      this.#updateEntry(entry, buffer, at);
    }
    this.#endOffset = lastOffset(buffer, at) + 1;
  }

  #updateEntry(entry: ProducerStateEntry, buffer: Buffer, at: number): void {
    const bits = attributes(buffer, at);
    if (isControl(bits)) {
      entry.setEpoch(producerEpoch(buffer, at));
      entry.currentTxnFirstOffset = -1;
      entry.lastTimestamp = maxTimestamp(buffer, at);
      return;
    }
    const delta = lastOffsetDelta(buffer, at);
    const lastSequence = sequenceAfter(baseSequence(buffer, at), delta);
    const timestamp = maxTimestamp(buffer, at);
    entry.addBatch(
      producerEpoch(buffer, at),
      lastSequence,
      lastOffset(buffer, at),
      delta,
      timestamp,
    );
    if (isTransactional(bits) && entry.currentTxnFirstOffset < 0) {
      entry.currentTxnFirstOffset = baseOffset(buffer, at);
    }
  }

  #evictOldest(): void {
    const byAge = [...this.#producers.values()].sort((a, b) => a.lastTimestamp - b.lastTimestamp);
    for (const entry of byAge.slice(0, PRODUCERS_EVICTED)) this.#producers.delete(entry.producerId);
    this.#probe.producerEvictions += PRODUCERS_EVICTED;
    this.#logger.warn(
      `${this.#directory}: more than ${PRODUCERS_MAX} idempotent producers, forgot the oldest`,
    );
  }

  /** Forgets producers that wrote nothing for `expirationMs` (`producer.id.expiration.ms`). */
  removeExpired(nowMs: number, expirationMs: number): void {
    for (const [id, entry] of this.#producers) {
      const idle = nowMs - entry.lastTimestamp;
      if (entry.currentTxnFirstOffset < 0 && idle >= expirationMs) this.#producers.delete(id);
    }
  }

  /** Finds the snapshots that lie in the directory. */
  listSnapshots(names: readonly string[]): void {
    const offsets = names.map((name) => offsetOfName(name, SNAPSHOT_SUFFIX));
    this.#snapshots = offsets.filter((offset) => offset >= 0).sort((a, b) => a - b);
  }

  /**
   * Starts from the newest whole snapshot between `logStartOffset` and `logEndOffset`; what is in
   * the log behind `endOffset` must be given to `update` afterwards. Snapshots of offsets that the
   * log does not have are removed.
   */
  reload(logStartOffset: number, logEndOffset: number): void {
    this.#producers.clear();
    for (const offset of this.#snapshots.filter((o) => o > logEndOffset)) this.#remove(offset);
    for (const offset of this.#snapshots.toReversed()) {
      if (offset <= logStartOffset) break;
      const bytes = this.#disk.readFile(this.#path(offset));
      const entries = bytes === null ? null : decodeSnapshot(bytes);
      if (entries === null) {
        this.#logger.warn(`${this.#path(offset)} is damaged, reading the log instead`);
        this.#remove(offset);
        continue;
      }
      for (const entry of entries) this.#producers.set(entry.producerId, entry);
      this.#endOffset = offset;
      return;
    }
    this.#endOffset = logStartOffset;
  }

  /** Writes the state down, under the offset that it covers. Want of room costs only time later. */
  takeSnapshot(): void {
    const offset = this.#endOffset;
    if (this.#snapshots.includes(offset)) return;
    try {
      replaceFileLazily(this.#disk, this.#path(offset), encodeSnapshot(this.#producers.values()));
    } catch (error) {
      if (!isPassing(error)) throw error;
      this.#probe.cacheWriteFailures++;
      this.#logger.warn(`can't write ${this.#path(offset)}: ${reasonOf(error)}`);
      return;
    }
    this.#snapshots.push(offset);
    this.#snapshots.sort((a, b) => a - b);
  }

  /** Removes snapshots but those of a segment's base and the newest. */
  removeStray(segmentBases: ReadonlySet<number>): void {
    const newest = this.#snapshots.at(-1);
    for (const offset of [...this.#snapshots]) {
      if (offset !== newest && !segmentBases.has(offset)) this.#remove(offset);
    }
  }

  removeBefore(offset: number): void {
    for (const old of this.#snapshots.filter((o) => o < offset)) this.#remove(old);
  }

  /** Nothing is known any more, and no snapshot is left. */
  restartAt(offset: number): void {
    this.#producers.clear();
    for (const old of [...this.#snapshots]) this.#remove(old);
    this.#endOffset = offset;
  }

  #path(offset: number): string {
    return `${this.#directory}/${offsetName(offset, SNAPSHOT_SUFFIX)}`;
  }
  #remove(offset: number): void {
    this.#disk.remove(this.#path(offset));
    this.#snapshots = this.#snapshots.filter((o) => o !== offset);
  }
}
