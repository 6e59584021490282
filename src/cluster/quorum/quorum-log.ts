/**
 * The metadata log of one broker and what it adds up to: records, snapshots, who votes, and the
 * image of what is committed.
 *
 * Invariants: the log begins where the oldest snapshot ends; what lies before the high watermark is
 * committed and never truncated; the image has exactly the committed records up to `lastOffset`.
 * A crash may leave a log that ends before the newest snapshot (what is committed is applied before
 * it is on this device): the log then begins anew behind the snapshot.
 */
import type { Clock } from '../../base/clock.ts';
import { FatalError, reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { PartitionLog } from '../../log/partition-log.ts';
import { ProtocolError } from '../../protocol/error-codes.ts';
import { MetadataDelta } from '../metadata-delta.ts';
import type { MetadataImage } from '../metadata-image.ts';
import type { MetadataRecord } from '../metadata-records.ts';
import type { MetadataListener } from '../metadata-store.ts';
import type { Snapshot, SnapshotId, SnapshotStore } from './snapshots.ts';
import { copied, decodeSteps, encodeStep, type Step } from './steps.ts';
import { VoterHistory } from './voters.ts';

export interface QuorumLogOptions {
  readonly log: PartitionLog;
  readonly snapshots: SnapshotStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly image: MetadataImage;
  /** `metadata.log.max.record.bytes.between.snapshots` */
  readonly snapshotBytes: number;
  /** `metadata.log.max.snapshot.interval.ms`; 0: no bound. */
  readonly snapshotMs: number;
}

/** Of a follower's place in the log, by the leader. */
export type Place =
  | { readonly kind: 'valid' }
  | { readonly kind: 'diverging'; readonly epoch: number; readonly endOffset: number }
  | { readonly kind: 'snapshot'; readonly id: SnapshotId };

const READ_BYTES = 1024 * 1024;

/** The log is kept from the one before the newest, for followers that are a little behind. */
const SNAPSHOTS_KEPT = 2;

const VALID: Place = { kind: 'valid' };

export class QuorumLog {
  readonly voters = new VoterHistory();
  readonly snapshots: SnapshotStore;
  readonly image: MetadataImage;
  readonly #options: QuorumLogOptions;
  readonly #log: PartitionLog;
  readonly #listeners: MetadataListener[] = [];
  #lastOffset = -1;
  #lastTimestamp = 0;
  #lastAppliedEpoch = 0;
  #bytesSinceSnapshot = 0;
  #snapshotAt = 0;
  /** Snapshots written, and such as could not be. */
  readonly counts = { snapshots: 0, snapshotFailures: 0, snapshotBytes: 0 };

  constructor(options: QuorumLogOptions) {
    this.#options = options;
    this.#log = options.log;
    this.snapshots = options.snapshots;
    this.image = options.image;
  }

  get startOffset(): number {
    return this.#log.logStartOffset;
  }
  get endOffset(): number {
    return this.#log.logEndOffset;
  }
  /** All before survives power loss. */
  get flushedOffset(): number {
    return this.#log.flushedOffset;
  }
  get highWatermark(): number {
    return this.#log.highWatermark;
  }
  /** Of the last record, in the log or in the snapshot before it. */
  get lastEpoch(): number {
    return Math.max(this.#log.latestEpoch, this.snapshots.newest?.epoch ?? 0);
  }
  /** Offset of the last record that the image has; -1: none. */
  get lastOffset(): number {
    return this.#lastOffset;
  }
  get lastTimestamp(): number {
    return this.#lastTimestamp;
  }
  get lastAppliedEpoch(): number {
    return this.#lastAppliedEpoch;
  }
  get isOnline(): boolean {
    return this.#log.logDirectory.failure === null;
  }
  /** Nothing was ever written, not even who votes. */
  get isEmpty(): boolean {
    return this.endOffset === 0 && this.snapshots.newest === null;
  }

  onCommitted(listener: MetadataListener): void {
    this.#listeners.push(listener);
  }

  /** Runs what touches the disk; a failure of the disk takes its directory offline. */
  onDisk<T>(what: string, action: () => T): T {
    this.#log.logDirectory.assertOnline();
    try {
      return action();
    } catch (error) {
      throw this.#log.logDirectory.failed(what, error);
    }
  }

  /** Newest snapshot and log; applies what is known to be committed. Throws FatalError. */
  load(): void {
    this.snapshots.load();
    const snapshot = this.snapshots.readNewest();
    if (snapshot !== null) {
      this.#startFrom(snapshot);
      for (const record of snapshot.records) this.image.apply(record);
    } else if (this.startOffset > 0) {
      throw new FatalError(
        `${this.#log.path} begins at ${this.startOffset}, and no snapshot tells what was before`,
      );
    }
    this.#snapshotAt = this.#options.clock.monotonic();
    const from = this.#lastOffset + 1;
    const committed = Math.max(this.highWatermark, from);
    this.#log.setHighWatermark(committed);
    for (const step of this.#steps(from, this.endOffset)) {
      this.#noteVoters(step);
      if (step.lastOffset < committed) this.#apply(step);
    }
  }

  /** The log goes on behind the snapshot, or begins there. */
  #startFrom(snapshot: Snapshot): void {
    const { endOffset, epoch } = snapshot;
    if (this.startOffset > endOffset) {
      throw new FatalError(
        `${this.#log.path} begins at ${this.startOffset}, its newest snapshot ends at ${endOffset}`,
      );
    }
    // A snapshot of the leader's may be here, and what it replaces not be gone yet: records behind
    // the end of the snapshot are no continuation of it then.
    const goesOn =
      this.startOffset === endOffset ||
      (this.endOffset >= endOffset && this.#log.epochForOffset(endOffset - 1) === epoch);
    if (!goesOn) this.#log.truncateFullyAndStartAt(endOffset);
    this.voters.restart(endOffset, snapshot.voters);
    this.#lastOffset = endOffset - 1;
    this.#lastTimestamp = snapshot.timestamp;
    this.#lastAppliedEpoch = snapshot.epoch;
    this.#bytesSinceSnapshot = 0;
  }

  *#steps(from: number, end: number): Generator<Step> {
    for (let offset = from; offset < end; ) {
      const read = this.#log.read(offset, READ_BYTES, { upTo: end, minOneMessage: true });
      const bytes = copied(read.records);
      read.release?.();
      if (bytes.length === 0) throw new FatalError(`${this.#log.path} ends before ${end}`);
      for (const step of decodeSteps(bytes)) {
        offset = step.lastOffset + 1;
        yield step;
      }
    }
  }

  #noteVoters(step: Step): void {
    step.records.forEach((record, i) => {
      if (record.type === 'Voters') this.voters.add(step.firstOffset + i, record.value.voters);
    });
  }

  /** As the leader of `epoch`. Throws ProtocolError, and then nothing was appended. */
  append(
    records: readonly MetadataRecord[],
    epoch: number,
  ): { readonly firstOffset: number; readonly lastOffset: number } {
    const batch = encodeStep(records, this.#options.clock.now());
    const { firstOffset, lastOffset } = this.#log.append(batch, {
      leaderEpoch: epoch,
      origin: 'coordinator',
    });
    records.forEach((record, i) => {
      if (record.type === 'Voters') this.voters.add(firstOffset + i, record.value.voters);
    });
    return { firstOffset, lastOffset };
  }

  /** Whole batches of the leader. Returns how many records. Throws ProtocolError. */
  appendFetched(batches: Buffer): number {
    const before = this.endOffset;
    const steps = [...decodeSteps(batches)];
    this.#log.append(batches, { leaderEpoch: -1, origin: 'replication' });
    for (const step of steps) this.#noteVoters(step);
    return this.endOffset - before;
  }

  /** Resolves when everything that was appended is on the device. Rejects with ProtocolError. */
  flush(): Promise<void> {
    return this.#log.flush();
  }

  /** The leader's log parts from ours at the end of `epoch`, at `endOffset` the latest. */
  truncateToEndOf(epoch: number, endOffset: number): void {
    const ours = this.#log.endOffsetForEpoch(epoch);
    const end = Math.min(endOffset, ours.endOffset < 0 ? this.endOffset : ours.endOffset);
    if (end < this.highWatermark) {
      throw new FatalError(
        `${this.#log.path}: the leader's log parts from ours at ${end}, but all before ${this.highWatermark} is committed`,
      );
    }
    this.#log.truncateTo(end);
    this.voters.truncate(this.endOffset);
  }

  /** Whether a log that ends at `offset` in `epoch` is the beginning of this one. */
  placeOf(offset: number, epoch: number): Place {
    const oldest = this.snapshots.oldest;
    const start = this.startOffset;
    if (offset === 0 && start === 0) return VALID;
    if (offset === start && oldest?.endOffset === start && epoch === oldest.epoch) return VALID;
    if (offset <= start || (oldest !== null && epoch < oldest.epoch)) {
      const { newest } = this.snapshots;
      if (newest !== null) return { kind: 'snapshot', id: newest };
    }
    const end = this.#log.endOffsetForEpoch(epoch);
    if (end.epoch === epoch && end.endOffset >= offset) return VALID;
    if (end.epoch < 0)
      return { kind: 'diverging', epoch: this.lastEpoch, endOffset: this.endOffset };
    return { kind: 'diverging', ...end };
  }

  /** A copy of whole batches, uncommitted ones, too. */
  read(from: number, bytesMax: number): Buffer {
    const bounds = { upTo: this.endOffset, minOneMessage: true };
    const read = this.#log.read(from, bytesMax, bounds);
    const bytes = copied(read.records);
    read.release?.();
    return bytes;
  }

  /** All before `offset` is committed: applies what is here of it. */
  commit(offset: number): void {
    const end = Math.min(offset, this.endOffset);
    if (end > this.highWatermark) this.#log.setHighWatermark(end);
    for (const step of this.#steps(this.#lastOffset + 1, this.highWatermark)) {
      const delta = this.#apply(step);
      for (const listener of this.#listeners) listener(delta, this.image);
    }
    this.#snapshotWhenDue();
  }

  #apply(step: Step): MetadataDelta {
    const delta = new MetadataDelta();
    for (const record of step.records) this.image.apply(record, delta);
    this.#lastOffset = step.lastOffset;
    this.#lastTimestamp = step.timestamp;
    this.#lastAppliedEpoch = step.epoch;
    this.#bytesSinceSnapshot += step.bytes;
    return delta;
  }

  /** Takes over what the leader has sent, which is ahead of all that is here. */
  install(snapshot: Snapshot): void {
    if (snapshot.endOffset <= this.highWatermark) return;
    this.#log.truncateFullyAndStartAt(snapshot.endOffset);
    this.#startFrom(snapshot);
    this.snapshots.keep(1);
    this.#snapshotAt = this.#options.clock.monotonic();
    const delta = new MetadataDelta();
    this.image.replace(snapshot.records, delta);
    for (const listener of this.#listeners) listener(delta, this.image);
  }

  #snapshotWhenDue(): void {
    const { clock, snapshotBytes, snapshotMs, logger } = this.#options;
    if (this.#bytesSinceSnapshot === 0) return;
    const isLong = snapshotMs > 0 && clock.monotonic() - this.#snapshotAt >= snapshotMs;
    if (this.#bytesSinceSnapshot < snapshotBytes && !isLong) return;
    this.#bytesSinceSnapshot = 0;
    this.#snapshotAt = clock.monotonic();
    try {
      this.takeSnapshot();
    } catch (error) {
      // Without room for it the log just goes on; whatever else it is has taken the disk offline.
      if (!(error instanceof ProtocolError)) throw error;
      this.counts.snapshotFailures++;
      logger.warn('no snapshot of the metadata could be written', {
        'error.message': reasonOf(error),
      });
    }
  }

  /** Writes down what the image has, and lets go of the log before the snapshot before. */
  takeSnapshot(): void {
    const { snapshots } = this;
    const endOffset = this.#lastOffset + 1;
    if (endOffset === 0 || snapshots.newest?.endOffset === endOffset) return;
    this.onDisk('write a snapshot of the metadata', () => {
      const head = {
        endOffset,
        epoch: this.#lastAppliedEpoch,
        voters: this.voters.before(endOffset),
        timestamp: this.#lastTimestamp,
      };
      this.counts.snapshotBytes = snapshots.write(head, this.image.records());
      this.counts.snapshots++;
    });
    this.#log.roll();
    const count = snapshots.count;
    if (count < SNAPSHOTS_KEPT) return;
    const start = snapshots.idAt(count - SNAPSHOTS_KEPT)!.endOffset;
    this.#log.advanceLogStartOffset(start);
    this.#log.deleteOldSegments(this.#options.clock.now());
    this.onDisk('remove a snapshot of the metadata', () => snapshots.keep(SNAPSHOTS_KEPT));
  }
}
