/**
 * Compaction of a broker's logs (Kafka: LogCleaner, LogCleanerManager): looks for the compacted log
 * with the largest dirty share, cleans it, and goes on until none is due; then looks again after
 * `log.cleaner.backoff.ms`.
 *
 * One log is cleaned at a time. A log in which something is damaged, or which fails for a reason that
 * is not known, is left alone from then on (until a damaged range of it was mended), counted, and stops nobody else; a disk without room is
 * tried again, and so, after ever longer rests, is a log on which the cleaner's thread has died. Cleaning a log that is meanwhile cut, deleted or closed comes to nothing, and does no
 * harm: what was made is put in place only if its sources are still there.
 */
import type { Clock, Timer } from '../base/clock.ts';
import { codeOf, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { ProtocolError } from '../protocol/error-codes.ts';
import type { KnownOfProducer } from './batch-filter.ts';
import { type Cleanable, cleanableOf, groupSources, isDue } from './cleanable.ts';
import { CleanerDied, type CleaningEngine } from './cleaning-engine.ts';
import {
  type CleanerBuffers,
  type CleaningJob,
  type SourceSegment,
  UncleanableError,
} from './cleaning-pass.ts';
import type { PartitionLog } from './partition-log.ts';
import { removeCleaned } from './segment-swap.ts';

export interface CleanerSettings extends CleanerBuffers {
  /** `log.cleaner.enable`. */
  readonly enabled: boolean;
  /** `log.cleaner.backoff.ms`. */
  readonly backoffMs: number;
  /** `log.cleaner.io.max.bytes.per.second`; Infinity: no limit. */
  readonly bytesPerSecond: number;
}

const MIB = 1024 * 1024;

/** Kafka's defaults. */
export const defaultCleanerSettings: CleanerSettings = {
  enabled: true,
  backoffMs: 15_000,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  dedupeBytes: 128 * MIB,
  loadFactor: 0.9,
  ioBytes: MIB / 2,
};

export interface LogCleanerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly engine: CleaningEngine;
  readonly logs: () => Iterable<PartitionLog>;
  /** Read anew for every pass. */
  readonly settings: () => CleanerSettings;
  /** Every replica of the log has what lies before, as far as is known here. */
  readonly replicatedTo: (log: PartitionLog) => number;
}

/** What the last pass was like; all passes together, where it says so. */
export class CleanerStats {
  passes = 0;
  /** Bytes that were dirty, over all passes. */
  dirtyBytes = 0;
  bytesRead = 0;
  bytesWritten = 0;
  recordsRead = 0;
  recordsKept = 0;
  keyless = 0;
  failures = 0;
  /** The thread of the last pass that came to an end, or did not, has died. */
  hasDied = false;
  lastPassMs = 0;
  /** Bytes written of those that were read again, 0 to 1. */
  lastRecopyRatio = 0;
  lastUtilization = 0;
  /** How late compaction came in the last search, as `max.compaction.lag.ms` has it. Milliseconds. */
  maxCompactionDelayMs = 0;
  maxDirtyRatio = 0;
  lastSearchAtMs = 0;
}

/** No pass over the log before that. */
interface Rest {
  /** Of the monotonic clock. */
  readonly untilMs: number;
  readonly lengthMs: number;
}

const REST_MS_MIN = 60_000;
const REST_MS_MAX = 3_600_000;

export class LogCleaner {
  readonly stats = new CleanerStats();
  readonly #options: LogCleanerOptions;
  /** With how many ranges of them had been mended when they could not be cleaned. */
  readonly #uncleanable = new Map<PartitionLog, number>();
  /** Of logs on which a thread has died. */
  readonly #rests = new WeakMap<PartitionLog, Rest>();
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #current: PartitionLog | null = null;
  #stopped = false;
  /** The last search has found something that may be cleaned, now or later. */
  #hasDirty = false;
  /** A log is compacted, or was: searches may find something. */
  #isNeeded = false;

  constructor(options: LogCleanerOptions) {
    this.#options = options;
    this.stats.lastSearchAtMs = options.clock.monotonic();
  }

  /** Something was appended or flushed, to whatever log: looks for dirty ones in a while. */
  wake(): void {
    if (!this.#isNeeded || this.#timer !== null || this.#running !== null) return;
    this.#arm();
  }

  /** There is a log that is compacted. */
  need(): void {
    this.#isNeeded = true;
    this.wake();
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(this.#options.settings().backoffMs, () => {
      this.#timer = null;
      void this.run().finally(() => {
        // What is dirty and not due yet becomes so with time.
        if (this.#hasDirty && this.#timer === null) this.#arm();
      });
    });
  }

  /** Lets go of the log that is being cleaned; resolves once nothing of it is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#options.engine.cancel();
    await this.#running;
    await this.#options.engine.close();
  }

  /** What is being cleaned now. */
  get current(): PartitionLog | null {
    return this.#current;
  }
  /** Logs that are left alone because they could not be cleaned. */
  get uncleanable(): readonly PartitionLog[] {
    this.#forgetMended();
    return [...this.#uncleanable.keys()];
  }
  #forgetMended(): void {
    for (const [log, mended] of this.#uncleanable) {
      if (log.isClosed || log.mended !== mended) this.#uncleanable.delete(log);
    }
  }

  /** Cleans what is due, one log after the other. Never rejects; who calls meanwhile shares it. */
  run(): Promise<void> {
    this.#running ??= this.#cleanAll().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #cleanAll(): Promise<void> {
    for (;;) {
      if (this.#stopped || !this.#options.settings().enabled) return;
      const found = this.#dirtiest();
      if (found === null) return;
      this.#current = found.log;
      try {
        if (!(await this.#clean(found.log, found.cleanable))) return;
      } catch (error) {
        if (!this.#failed(found.log, error)) return;
      } finally {
        this.#current = null;
      }
    }
  }

  #dirtiest(): { log: PartitionLog; cleanable: Cleanable } | null {
    const { clock, logs } = this.#options;
    const { stats } = this;
    const nowMs = clock.now();
    let best: { log: PartitionLog; cleanable: Cleanable } | null = null;
    stats.lastSearchAtMs = clock.monotonic();
    this.#hasDirty = false;
    this.#forgetMended();
    stats.maxDirtyRatio = 0;
    stats.maxCompactionDelayMs = 0;
    for (const log of logs()) {
      if (!isCompacted(log) || this.#uncleanable.has(log)) continue;
      if (log.isClosed || log.logDirectory.failure !== null) continue;
      const cleanable = this.#cleanableOf(log, nowMs);
      if (cleanable === null) continue;
      if (cleanable.dirtyBytes > 0 || cleanable.hasLater) this.#hasDirty = true;
      if (this.#isResting(log)) continue;
      stats.maxDirtyRatio = Math.max(stats.maxDirtyRatio, cleanable.dirtyRatio);
      stats.maxCompactionDelayMs = Math.max(stats.maxCompactionDelayMs, cleanable.overdueMs);
      if (!isDue(log, cleanable)) continue;
      if (best === null || cleanable.dirtyRatio > best.cleanable.dirtyRatio) {
        best = { log, cleanable };
      }
    }
    return best;
  }

  #cleanableOf(log: PartitionLog, nowMs: number): Cleanable | null {
    try {
      return cleanableOf(log, nowMs);
    } catch (error) {
      this.#failed(log, error);
      return null;
    }
  }

  /** False: come back later. */
  async #clean(log: PartitionLog, cleanable: Cleanable): Promise<boolean> {
    const { clock, engine, settings, replicatedTo } = this.#options;
    const { stats } = this;
    const startedAt = clock.monotonic();
    const { cuts } = log;
    const removableBelow = replicatedTo(log);
    const current = settings();
    // Of a pass whose log was deleted, in the folder of one of the same name: a start would take it
    // for a replacement that has not come to its end, and undo those behind it.
    removeCleaned(log.environment.disk, log.path);
    const job = jobOf(log, cleanable, current, clock.now(), removableBelow);
    const pass = engine.begin(job, current.bytesPerSecond);
    let reading = basesOf(job.sources);
    try {
      const { endOffset, bytesRead, utilization } = await pass.map();
      // A crash may come behind any of the replacements.
      log.removesTo(Math.min(removableBelow, endOffset));
      await log.saveRemovedTo();
      let read = 0;
      let written = 0;
      for (const group of groupSources(job.sources, endOffset, log.config)) {
        reading = basesOf(group);
        const made = await pass.clean(group);
        read += made.bytesRead;
        written += made.bytesWritten;
        stats.recordsRead += made.recordsRead;
        stats.recordsKept += made.recordsKept;
        stats.keyless += made.keyless;
        // A replica may have come that has not got yet what was left out.
        const isWanted = (): boolean => replicatedTo(log) >= removableBelow;
        if (!(await log.replaceSegments(reading, cuts, isWanted))) return this.#changed(log);
      }
      log.noteCleaned(endOffset);
      this.#rests.delete(log);
      stats.hasDied = false;
      stats.passes++;
      stats.dirtyBytes += cleanable.dirtyBytes;
      stats.bytesRead += bytesRead + read;
      stats.bytesWritten += written;
      stats.lastPassMs = clock.monotonic() - startedAt;
      stats.lastRecopyRatio = read === 0 ? 0 : written / read;
      stats.lastUtilization = utilization;
      return true;
    } catch (error) {
      // What is read belongs to others: retention and truncation take files away and cut them.
      if (isOfSource(error) && !log.hasSegments(reading, cuts)) return this.#changed(log);
      throw error;
    } finally {
      pass.end();
    }
  }

  #changed(log: PartitionLog): boolean {
    if (!log.isClosed) {
      const { logger } = this.#options;
      logger.info(`${log.path} has changed while it was cleaned; it will be tried again`);
    }
    return this.#dropped(log);
  }

  #dropped(log: PartitionLog): boolean {
    if (log.isClosed || log.logDirectory.failure !== null) return true;
    try {
      removeCleaned(log.environment.disk, log.path);
    } catch (error) {
      this.#options.logger.warn(`${log.path}: what was cleaned stays: ${reasonOf(error)}`);
    }
    return false;
  }

  /** False: come back later. */
  #failed(log: PartitionLog, error: unknown): boolean {
    const { logger, engine } = this.#options;
    // Stopped, or deleted while its files were read.
    if (this.#stopped || engine.isCancellation(error) || log.isClosed) return !this.#stopped;
    this.stats.failures++;
    this.#dropped(log);
    if (error instanceof CleanerDied) return this.#died(log, error);
    const isDisk = codeOf(error) !== '' && codeOf(error) !== 'EUNCLEANABLE';
    const shown = isDisk ? log.logDirectory.failed(`can't clean ${log.path}`, error) : error;
    if (shown instanceof ProtocolError) {
      // Its directory is offline now, or there was no room for the moment.
      logger.warn(`can't clean ${log.path}: ${shown.message}`);
      return log.logDirectory.failure !== null;
    }
    this.#uncleanable.set(log, log.mended);
    const text = `${log.path} can't be cleaned, and is left as it is: ${reasonOf(error)}`;
    if (!(error instanceof UncleanableError)) logger.error(text);
    else log.noteDamage(error.place.baseOffset, error.place.position, text);
    return true;
  }

  /** It may be this log of which it has died, or chance: the others go on, and it has a rest. */
  #died(log: PartitionLog, error: CleanerDied): boolean {
    const { clock, logger } = this.#options;
    const before = this.#rests.get(log)?.lengthMs ?? 0;
    const lengthMs = Math.min(Math.max(before * 2, REST_MS_MIN), REST_MS_MAX);
    this.#rests.set(log, { untilMs: clock.monotonic() + lengthMs, lengthMs });
    this.stats.hasDied = true;
    logger.error(`${log.path} is cleaned again in ${lengthMs / 1000} s: ${error.message}`);
    return true;
  }

  #isResting(log: PartitionLog): boolean {
    const rest = this.#rests.get(log);
    return rest !== undefined && rest.untilMs > this.#options.clock.monotonic();
  }
}

const basesOf = (sources: readonly SourceSegment[]): number[] =>
  sources.map(({ baseOffset }) => baseOffset);

/** It may come of a source that is not there any more, or of one that was cut while it was read. */
const isOfSource = (error: unknown): boolean => ['ENOENT', 'EUNCLEANABLE'].includes(codeOf(error));

const isCompacted = (log: PartitionLog): boolean => log.config.cleanupPolicy.includes('compact');

function jobOf(
  log: PartitionLog,
  cleanable: Cleanable,
  buffers: CleanerBuffers,
  nowMs: number,
  removableBelow: number,
): CleaningJob {
  const producers = new Map<number, KnownOfProducer>();
  for (const { producerId, batches, epoch } of log.activeProducers()) {
    producers.set(producerId, { batchEnds: batches.map(({ lastOffset }) => lastOffset), epoch });
  }
  const { firstDirtyOffset, upperBound, sources } = cleanable;
  const { deleteRetentionMs, indexIntervalBytes, segmentIndexBytes } = log.config;
  const { dedupeBytes, loadFactor, ioBytes } = buffers;
  return {
    directory: log.path,
    ...{ firstDirtyOffset, sources, producers, nowMs, removableBelow },
    aborted: log.abortedTransactions(log.firstSegmentOffset, upperBound),
    ...{ deleteRetentionMs, indexIntervalBytes, segmentIndexBytes },
    buffers: { dedupeBytes, loadFactor, ioBytes },
  };
}
