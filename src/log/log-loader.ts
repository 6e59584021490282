import { reasonOf } from '../base/errors.ts';
import {
  baseOffset,
  batchSize,
  lastOffset,
  partitionLeaderEpoch,
} from '../protocol/record-batch.ts';
import { scanBatches } from './batch-scanner.ts';
import { EpochRebuild } from './epoch-rebuild.ts';
import type { LeaderEpochFileCache } from './leader-epoch-file-cache.ts';
import type { LogDamage } from './log-damage.ts';
import { isPassing } from './log-directory.ts';
import type { LogEnvironment } from './log-environment.ts';
import {
  DELETED_SUFFIX,
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  offsetOfName,
  TEMPORARY_SUFFIX,
  TIME_INDEX_SUFFIX,
  TXN_INDEX_SUFFIX,
} from './log-files.ts';
import { type LogSegment, placeOf } from './log-segment.ts';
import { rebuildProducers, stateBefore } from './producer-rebuild.ts';
import type { ProducerStateManager } from './producer-state-manager.ts';
import { findNextBatch } from './resync.ts';
import type { SegmentList } from './segment-list.ts';
import { recoverSwaps } from './segment-swap.ts';
import type { AbortedTransaction } from './transaction-index.ts';

export interface LoadOptions {
  readonly environment: LogEnvironment;
  readonly directory: string;
  readonly segments: SegmentList;
  readonly epochs: LeaderEpochFileCache;
  readonly producers: ProducerStateManager;
  readonly damage: LogDamage;
  /** The broker stopped in good order: headers behind the last index entry are all that is read. */
  readonly clean: boolean;
  /** Everything before was flushed. */
  readonly recoveryPoint: number;
  /** From the checkpoint; 0 when there is none. */
  readonly logStartOffset: number;
  /** From the checkpoint; 0 when there is none. */
  readonly highWatermark: number;
  /**
   * The offsets of a cleaned log, and of a copy of one, may have gaps within a segment. Any other gap
   * is a loss: a segment ends where the next one begins.
   */
  readonly mayHaveGaps: boolean;
  /** Files may end in zeros that nobody has written (`preallocate`). */
  readonly preallocates: boolean;
  readonly makeSegment: (baseOffset: number, existing: boolean) => LogSegment;
}

export interface LoadedLog {
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  readonly recoveryPoint: number;
}

/**
 * Opens what is in a partition's directory and finds out where the log ends.
 *
 * After a clean stop nothing is read but the end of the last segment. Otherwise the segments from
 * the recovery point on are read whole: behind the recovery point the log is cut at the first batch
 * that is torn or damaged. Before it nothing is ever cut: it had been flushed, so damage there is
 * damage of the disk, stays where it is, is counted, and is answered as corrupt when asked for.
 */
export function loadLog(options: LoadOptions): LoadedLog {
  const { segments, epochs, producers, environment } = options;
  const { disk } = environment;
  const names = recoverSwaps(disk, options.directory, disk.list(options.directory));
  sweep(options, names);
  listSegments(options, names);
  const epochsKnown = epochs.load();
  producers.snapshots.list(names);

  let end = segments.length === 0 ? null : quickEnd(options);
  if (end === null && segments.length > 0) end = recover(options);
  if (end !== null && end < options.logStartOffset) end = restart(options);
  if (end === null) {
    segments.add(options.makeSegment(options.logStartOffset, false));
    end = options.logStartOffset;
  }

  const logStartOffset = Math.max(options.logStartOffset, segments.first.baseOffset);
  if (!epochsKnown) {
    environment.logger.error(
      `${options.directory}: leader-epoch-checkpoint is damaged, rebuilding it`,
    );
    new EpochRebuild(epochs, options.damage).run(segments);
  }
  epochs.truncateFromEnd(end);
  epochs.truncateFromStart(logStartOffset);
  saveEpochs(options);
  loadProducers(options, logStartOffset, end);
  return { logStartOffset, logEndOffset: end, recoveryPoint: recoveryPointOf(options, end) };
}

/**
 * On a full disk the file may keep epochs of what is not in the log: nothing is lost by them. While it
 * lacks some of what is, nothing is flushed, so that the next start reads those batches again.
 */
function saveEpochs({ epochs, environment, directory }: LoadOptions): void {
  try {
    epochs.complete();
  } catch (error) {
    if (!isPassing(error)) throw error;
    environment.logger.warn(
      `can't write the leader epochs of ${directory} yet: ${reasonOf(error)}`,
    );
  }
}

const recoveryPointOf = (options: LoadOptions, end: number): number =>
  options.clean ? end : Math.min(options.recoveryPoint, end);

/** Removes what an interrupted deletion or replacement left, and indexes without a log. */
function sweep({ environment, directory }: LoadOptions, names: readonly string[]): void {
  const dead = [DELETED_SUFFIX, TEMPORARY_SUFFIX];
  const present = new Set(names);
  for (const name of names) {
    const orphaned = [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX].some(
      (suffix) =>
        offsetOfName(name, suffix) >= 0 && !present.has(name.slice(0, -suffix.length) + LOG_SUFFIX),
    );
    if (orphaned || dead.some((suffix) => name.endsWith(suffix))) {
      environment.disk.remove(`${directory}/${name}`);
    }
  }
}

function listSegments(options: LoadOptions, names: readonly string[]): void {
  const bases = names.map((name) => offsetOfName(name, LOG_SUFFIX)).filter((base) => base >= 0);
  for (const base of bases.sort((a, b) => a - b)) {
    options.segments.add(options.makeSegment(base, true));
  }
}

/** The end by way of the last index entry; null when the log has to be recovered. */
function quickEnd(options: LoadOptions): number | null {
  if (!options.clean) return null;
  const { active } = options.segments;
  const end = active.loadEnd();
  // All of it was flushed then, so that the end is known, unless the checkpoint of it was lost.
  const known = options.recoveryPoint > 0 ? options.recoveryPoint : end;
  if (end === known) return end;
  options.environment.logger.error(`${active.path} is not whole in spite of a clean shutdown`);
  return null;
}

/** Reads every segment that may hold unflushed batches; returns the log's end. */
function recover(options: LoadOptions): number | null {
  const { segments, environment, producers, epochs, logStartOffset } = options;
  const areEpochsKnown = epochs.entries.length > 0;
  let end: number | null = null;
  // A segment's index files are safe once a flush behind its end has moved the recovery point there.
  const from = Math.max(0, segments.floor(options.recoveryPoint - 1));
  const state = stateBefore(producers, segments, logStartOffset, segments.at(from)!);
  for (let i = from; i < segments.length; i++) {
    const segment = segments.at(i)!;
    const limit = segments.limitOf(segment);
    segment.resetTransactions();
    const result = recoverSegment(options, areEpochsKnown, segment, limit, state, (aborted) =>
      segment.noteAborted(aborted),
    );
    environment.probe.segmentsRecovered++;
    end = result.end;
    const next = segments.at(i + 1);
    // Whole batches may be lost from its end. Compaction and copies leave no gap between segments.
    // Apache Kafka's compaction does: such a log is left alone as far as it had been flushed. Were the
    // checkpoint of that lost, too, in an unclean stop, nobody could tell its gap from a loss; a loss
    // that is kept would be an acknowledged record that a replica in sync has not.
    const isTorn = next !== undefined && end < next.baseOffset && end >= options.recoveryPoint;
    if (result.sealed) break;
    if (!result.cut && !isTorn) continue;
    for (const later of segments.cut(i + 1)) removeSegment(options, later);
    break;
  }
  return end;
}

/**
 * A range of `from` that a start had to leave out is whole now: what it has learnt of the batches from
 * there on is learnt anew, as a start would that comes upon no damage there. All of them count as flushed.
 */
export function readAgain(options: LoadOptions, from: LogSegment): void {
  const { producers, segments, logStartOffset } = options;
  const flushed = { ...options, recoveryPoint: Number.MAX_SAFE_INTEGER };
  // Those behind were made without the range.
  producers.snapshots.removeAfter(from.baseOffset);
  const state = stateBefore(producers, segments, logStartOffset, from);
  for (let i = segments.floor(from.baseOffset); i < segments.length; i++) {
    const segment = segments.at(i)!;
    const limit = segments.limitOf(segment);
    const aborted: AbortedTransaction[] = [];
    recoverSegment(flushed, true, segment, limit, state, (one) => aborted.push(one));
    segment.replaceTransactions(aborted);
  }
}

/** What recovery has made of one segment. */
interface Recovered {
  readonly end: number;
  /** Something at its end is gone, and what lies behind must go, too. */
  readonly cut: boolean;
  /** It ends damaged, and a new one begins behind it. */
  readonly sealed: boolean;
}

/** Reads one segment whole, rebuilding its indexes; cuts a torn tail off. */
function recoverSegment(
  options: LoadOptions,
  areEpochsKnown: boolean,
  segment: LogSegment,
  limit: number,
  state: ProducerStateManager,
  onAborted: (aborted: AbortedTransaction) => void,
): Recovered {
  const { epochs } = options;
  let end = segment.baseOffset;
  let newestEpoch = -1;
  let from = 0;
  // The file has the epochs of all that was flushed; no checksum covers those in batches.
  const believesFrom = areEpochsKnown ? options.recoveryPoint : 0;
  segment.resetIndexes();
  for (;;) {
    const scan = scanBatches(segment.file, from, segment.size, (buffer, at, position) => {
      const first = baseOffset(buffer, at);
      const last = lastOffset(buffer, at);
      if (first < end || last >= limit || !segment.index.fits(last)) return false;
      // Offset and epoch are not under the CRC; what was not flushed must follow without a gap, and
      // in no term before that of what it follows.
      if (first > end) {
        const isFlushed = end < options.recoveryPoint;
        if (!isFlushed && !options.mayHaveGaps) return false;
        // Those that are missing behind damage are in there.
        const isExplained = options.mayHaveGaps || (from > 0 && position === from);
        const bound = isExplained ? limit : Math.min(limit, options.recoveryPoint);
        if (isFlushed && segment.isOutOfPlace(placeOf(buffer, at, position), bound)) return false;
      }
      const epoch = partitionLeaderEpoch(buffer, at);
      if (end >= options.recoveryPoint) {
        if (epoch < newestEpoch) return false;
        newestEpoch = epoch;
      }
      if (epoch > epochs.latestEpoch && last >= believesFrom) epochs.begin(epoch, first);
      segment.noteBatch(buffer, at, position);
      // Who reads one that says another epoch makes that right.
      const isRight = areEpochsKnown && epochs.epochForOffset(first) === epoch;
      if (isRight) segment.noteVerified(position, position + batchSize(buffer, at));
      const aborted = state.update(buffer, at);
      if (aborted !== null) onAborted(aborted);
      end = last + 1;
      return true;
    });
    if (scan.position === segment.size) break;
    if (
      end >= options.recoveryPoint &&
      options.preallocates &&
      isUnwritten(segment, scan.position)
    ) {
      segment.trim(scan.position);
      break;
    }
    if (end >= options.recoveryPoint) {
      cutTail(options, segment, scan.position, end);
      return { end, cut: true, sealed: false };
    }
    const next = skipDamage(options, segment, scan.position, end);
    if (next === null) {
      // All of it had been flushed: what follows in the next segment is none of its damage.
      if (limit <= options.recoveryPoint) {
        segment.completeIndexes();
        return { end: limit, cut: false, sealed: false };
      }
      return { end: sealDamaged(options, segment, end), cut: false, sealed: true };
    }
    from = next;
  }
  segment.completeIndexes();
  return { end, cut: false, sealed: false };
}

const ZEROS_READ_BYTES = 1024 * 1024;

/** Nothing but zeros lies from `position` on: the file was preallocated, and its end never written. */
function isUnwritten(segment: LogSegment, position: number): boolean {
  const buffer = Buffer.allocUnsafe(Math.min(ZEROS_READ_BYTES, segment.size - position));
  const zeros = Buffer.alloc(buffer.length);
  for (let at = position; at < segment.size; ) {
    const read = segment.read(buffer, 0, buffer.length, at);
    if (read === 0 || buffer.compare(zeros, 0, read, 0, read) !== 0) return false;
    at += read;
  }
  return true;
}

function cutTail(options: LoadOptions, segment: LogSegment, position: number, end: number): void {
  const { logger, probe } = options.environment;
  const bytes = segment.size - position;
  probe.truncatedTailBytes += bytes;
  logger.warn(`${segment.path}: cut ${bytes} torn bytes at position ${position}, offset ${end}`, {
    'weir.log.bytes_dropped': bytes,
  });
  segment.truncate(position, end);
  segment.completeIndexes();
}

/** Damage before the recovery point: the place of the next whole batch, or null. */
function skipDamage(
  options: LoadOptions,
  segment: LogSegment,
  position: number,
  end: number,
): number | null {
  const text = `${segment.path}: damaged at position ${position}, offset ${end}, kept as it is`;
  options.damage.met(segment, position, text, true);
  return findNextBatch(segment.file, position + 1, segment.size, end);
}

/**
 * Nothing whole follows the damage in a segment of which not all had been flushed, but offsets up to the
 * recovery point were given out. The segment stays as it is and a new one begins behind them, so that no
 * offset is used twice.
 */
function sealDamaged(options: LoadOptions, segment: LogSegment, end: number): number {
  segment.completeIndexes();
  const base = Math.max(end, options.recoveryPoint, segment.baseOffset + 1);
  const { segments } = options;
  const index = segments.floor(segment.baseOffset);
  for (const later of segments.cut(index + 1)) removeSegment(options, later);
  segments.add(options.makeSegment(base, false));
  return base;
}

/** The log ends before it starts: its files were taken away. Begins anew, empty, at the start. */
function restart(options: LoadOptions): null {
  const { environment, segments, directory } = options;
  environment.logger.error(
    `${directory} ends before its start offset ${options.logStartOffset}: begins anew there`,
  );
  for (const segment of segments.cut(0)) removeSegment(options, segment);
  options.epochs.clear();
  options.producers.restartAt(options.logStartOffset);
  return null;
}

function removeSegment({ environment }: LoadOptions, segment: LogSegment): void {
  environment.probe.truncatedTailBytes += segment.size;
  environment.logger.warn(`${segment.path}: removed, it lies behind a torn batch`);
  segment.close(false);
  environment.segmentCache.forget(segment);
  for (const path of segment.files) {
    if (environment.disk.exists(path)) environment.disk.rename(path, path + DELETED_SUFFIX);
    environment.disk.remove(path + DELETED_SUFFIX);
  }
}

/** Newest snapshot, and the headers of the batches behind it. */
function loadProducers(options: LoadOptions, logStartOffset: number, logEndOffset: number): void {
  const { producers, segments, highWatermark } = options;
  producers.snapshots.removeStray(new Set([...segments].map((segment) => segment.baseOffset)));
  rebuildProducers(producers, segments, { logStartOffset, logEndOffset, highWatermark });
}
