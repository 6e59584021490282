import type { Timer } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { LeaderEpochFileCache } from './leader-epoch-file-cache.ts';
import type { LogConfig } from './log-config.ts';
import { isOutOfDescriptors, type LogDirectory } from './log-directory.ts';
import type { LogEnvironment } from './log-environment.ts';
import type { LogSegment } from './log-segment.ts';
import { syncTopicId } from './partition-metadata.ts';
import type { SegmentList } from './segment-list.ts';

export interface LogFlusherOptions {
  readonly environment: LogEnvironment;
  readonly logDirectory: LogDirectory;
  /** Of the partition's directory. */
  readonly path: string;
  readonly segments: SegmentList;
  readonly epochs: LeaderEpochFileCache;
  readonly logEndOffset: () => number;
  /** The recovery point has moved, or the names are safe. */
  readonly changed: () => void;
}

/** What was closed before it was safe and is opened for that: never many files, however slow the device. */
const SEGMENTS_AT_ONCE = 2;

/** What can make its content safe. */
interface Flushable {
  flush(): Promise<void>;
}

/**
 * What of one log is on the device: its recovery point, and the group commit that moves it.
 *
 * Any number of callers wait for one sync. Whoever comes while a sync is under way shares the next
 * one, because the one under way may have begun before their bytes were written. A log that has rolled
 * faster than its device syncs is made safe step by step, its oldest segments first.
 *
 * Invariant: everything before `flushedOffset` survives power loss: batches, the names of their
 * files, the id of their topic, leader epochs, and the index files of segments that are closed. A
 * sync that fails takes the log directory offline, and nobody who waited is told that it succeeded.
 */
export class LogFlusher {
  readonly #options: LogFlusherOptions;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #flushedOffset = 0;
  /** What the sync under way will have made safe; a truncation lowers it. */
  #target = 0;
  #timer: Timer | null = null;
  #closed = false;
  /** Syncs wait for it: it tells who makes the rest safe, and null when that is this log after all. */
  #successor: Promise<Flushable | null> | null = null;
  #heldFlush: Promise<void> | null = null;
  /** New files or other changes of the directory may not be on the device yet. */
  entriesDirty = true;
  #areEntriesSyncing = false;
  /** Whose data these are may not be on the device yet: data that are must never be nobody's. */
  #identityDirty = true;
  /** The active segment counts as closed: its index files are made safe too. */
  closing = false;

  constructor(options: LogFlusherOptions) {
    this.#options = options;
  }

  /** The device has the names of the log's files as they are. */
  get areEntriesSafe(): boolean {
    return !this.entriesDirty && !this.#areEntriesSyncing;
  }

  get flushedOffset(): number {
    return this.#flushedOffset;
  }

  /** Sets the recovery point, on load and when the log begins anew. */
  startAt(offset: number): void {
    this.#flushedOffset = offset;
  }

  /**
   * What was flushed must not look flushed once it is replaced by other bytes. True when the
   * recovery point went down, and must be saved before anything is cut.
   */
  lowerTo(offset: number): boolean {
    this.#target = Math.min(this.#target, offset);
    if (this.#flushedOffset <= offset) return false;
    this.#flushedOffset = offset;
    return true;
  }

  /**
   * Makes nothing more safe until `successor` is known: whoever asks for it meanwhile is served by
   * the log that takes this one's place, or by this one with null. Resolves when no sync is under way.
   */
  async hold(successor: Promise<Flushable | null>): Promise<void> {
    this.#successor = successor;
    await this.#running?.catch(() => {});
  }

  #afterHold(successor: Promise<Flushable | null>): Promise<void> {
    this.#heldFlush ??= successor.then((log) => {
      this.#heldFlush = null;
      if (log !== null) return log.flush();
      if (this.#successor === successor) this.#successor = null;
      return this.flush();
    });
    return this.#heldFlush;
  }

  /** Resolves when everything appended before the call is on the device. */
  flush(): Promise<void> {
    if (this.#successor !== null) return this.#afterHold(this.#successor);
    if (this.#running === null) {
      this.#running = this.#run();
      return this.#running;
    }
    this.#next ??= this.#after(this.#running);
    return this.#next;
  }

  async #run(): Promise<void> {
    const end = this.#options.logEndOffset();
    try {
      while ((await this.#step()) < end);
    } finally {
      this.#running = null;
    }
  }

  async #after(running: Promise<void>): Promise<void> {
    // Whoever waits for that one hears of its failure; the next one judges for itself.
    await running.catch(() => {});
    this.#next = null;
    await this.flush();
  }

  /** Nobody waits for it: a failure shows in the directory's state, and in the log. */
  flushInBackground(): void {
    this.flush().catch((error: unknown) => {
      const { environment, path } = this.#options;
      environment.logger.warn(`can't flush ${path}`, { 'error.message': reasonOf(error) });
    });
  }

  /** Flushes when the topic's configuration asks for it after an append. */
  appended(config: LogConfig): void {
    const { flushMessages, flushMs } = config;
    const unflushed = this.#options.logEndOffset() - this.#flushedOffset;
    if (unflushed >= flushMessages) this.flushInBackground();
    else if (Number.isFinite(flushMs) && this.#timer === null) {
      this.#timer = this.#options.environment.clock.after(flushMs, () => {
        this.#timer = null;
        this.flushInBackground();
      });
    }
  }

  /** The log is closed: whatever is not flushed by now will not be. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** Resolves with the first offset that another step has to make safe, or Infinity. */
  async #step(): Promise<number> {
    const { environment, logDirectory, path, logEndOffset, epochs, changed } = this.#options;
    logDirectory.assertOnline();
    const unsafe = this.#unsafeSegments();
    if (unsafe.length === 0 && epochs.isDurable && !this.entriesDirty) return Infinity;
    if (this.#closed) {
      throw new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER, `${path} is closed`);
    }
    const { clock, probe } = environment;
    const startedAt = clock.monotonic();
    const [next] = unsafe.splice(SEGMENTS_AT_ONCE);
    this.#saveTransactions(unsafe);
    this.#target = next?.baseOffset ?? logEndOffset();
    try {
      // Found in batches by a start that had no room for them.
      if (!epochs.covers(logEndOffset())) epochs.complete();
      const syncs = unsafe.map((segment) => segment.sync(this.#isComplete(segment)));
      if (this.#identityDirty) syncs.push(syncTopicId(environment.disk, path));
      await Promise.all([this.#syncDirectories(), epochs.sync(), ...syncs]);
      this.#identityDirty = false;
    } catch (error) {
      // Everybody who waits is told: that must not be before whoever has asked for this one waits.
      await Promise.resolve();
      this.#failed(error);
    }
    // Another log's failed sync on the same disk: what this one says can't be trusted either.
    logDirectory.assertOnline();
    probe.flushes++;
    probe.flushMs += clock.monotonic() - startedAt;
    this.#flushedOffset = Math.max(this.#flushedOffset, this.#target);
    changed();
    return next?.baseOffset ?? Infinity;
  }

  /** No recovery reads these segments again, so their aborted transactions must be on file. */
  #saveTransactions(unsafe: readonly LogSegment[]): void {
    const { logDirectory, path } = this.#options;
    try {
      for (const segment of unsafe) if (this.#isComplete(segment)) segment.saveTransactions();
    } catch (error) {
      throw logDirectory.failed(`can't flush ${path}`, error);
    }
  }

  async #syncDirectories(): Promise<void> {
    const { environment, logDirectory, path, epochs } = this.#options;
    if (!this.entriesDirty && epochs.isDurable) return;
    this.entriesDirty = false;
    this.#areEntriesSyncing = true;
    try {
      await Promise.all([
        environment.disk.syncDirectoryLater(path),
        logDirectory.syncEntries(environment.disk),
      ]);
    } catch (error) {
      this.entriesDirty = true;
      throw error;
    } finally {
      this.#areEntriesSyncing = false;
    }
  }

  /** What a failed sync left behind is unknown; only a lack of descriptors says nothing of it. */
  #failed(error: unknown): never {
    const { environment, logDirectory, path } = this.#options;
    environment.probe.flushFailures++;
    const what = `can't flush ${path}`;
    if (isOutOfDescriptors(error)) throw logDirectory.failed(what, error);
    logDirectory.takeOffline(what, error);
    throw new ProtocolError(ErrorCode.KAFKA_STORAGE_ERROR, what);
  }

  #isComplete(segment: LogSegment): boolean {
    return segment !== this.#options.segments.active || this.closing;
  }

  /** Segments with something that the device may not have yet. */
  #unsafeSegments(): LogSegment[] {
    const { segments, logEndOffset } = this.#options;
    const isBehind = this.#flushedOffset < logEndOffset();
    const first = isBehind ? Math.max(0, segments.floor(this.#flushedOffset)) : Infinity;
    const unsafe: LogSegment[] = [];
    for (let i = 0; i < segments.length; i++) {
      const segment = segments.at(i)!;
      if (i >= first || (this.#isComplete(segment) && segment.indexesUnsynced)) {
        unsafe.push(segment);
      }
    }
    return unsafe;
  }
}
