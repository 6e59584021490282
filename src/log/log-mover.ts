/**
 * Moves logs to another log directory while they are in use (KIP-113): makes a copy there, the
 * future replica, which catches up and then takes the place of the current one.
 *
 * The directories' names are Kafka's, and tell at any time what counts. The two of one move have the
 * same unique part:
 *
 * 1. `t-0` here, `t-0.U-future` there: being copied. A start goes on with it.
 * 2. The copy has everything, and on its device at least what the current one has there. `t-0` is
 *    renamed to `t-0.U-delete`, durably. A start that finds this, and no `t-0`, goes on with 3.
 * 3. `t-0.U-future` is renamed to `t-0`, durably. What was there before is removed later.
 *
 * So there are never two directories of the name `t-0`, and never none of which a start would know
 * what to make. (Kafka renames in the other order: a crash between the two leaves both.)
 */
import type { Clock } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import { BugError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { CopyDiffers, type FutureLog } from './future-log.ts';
import { deletedDirectory, partitionDirectory } from './log-files.ts';
import type { ManagedDirectory } from './managed-directory.ts';
import type { PartitionLog } from './partition-log.ts';

/** What the owner of the logs does for a move. */
export interface MoveOwner {
  directoryOf(log: PartitionLog): ManagedDirectory;
  /** Opens the future replica again under its own name. */
  reopenFuture(move: FutureLog): FutureLog;
  /** Makes an empty one. Throws KAFKA_STORAGE_ERROR. */
  makeFuture(log: PartitionLog, target: ManagedDirectory): FutureLog;
  /** Opens what is now `current`'s directory in `target`, without any recovery. */
  openMoved(former: PartitionLog, target: ManagedDirectory): PartitionLog;
  /** From now on `log` is the partition's, in `target`; `former` is still open. */
  replaced(former: PartitionLog, log: PartitionLog, target: ManagedDirectory): void;
  /** The folder is dead, and goes after `file.delete.delay.ms`. */
  bury(path: string, delayMs: number): void;
}

export interface LogMoverOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly owner: MoveOwner;
  /** `replica.alter.log.dirs.io.max.bytes.per.second`, as it is now; Infinity: no limit. */
  readonly bytesPerSecond: () => number;
}

/** A copy that could not be made anew yet. */
interface Unmade {
  readonly target: ManagedDirectory;
  readonly retryAtMs: number;
}

/** Copied without giving others a turn. */
const SLICE_BYTES = 1024 * 1024;

/** Nearer than this to the end of the log, a copy may take its place. */
const FINISH_BYTES_MAX = 4 * SLICE_BYTES;

/** A move that has failed is tried again. */
const RETRY_MS = 1_000;
/** Between two looks while all of them rest. */
const IDLE_MS = 100;

/** Longest rest for the pace, so that a change of it acts soon. */
const PACE_MS_MAX = 500;

const SECOND_MS = 1_000;

export class LogMover {
  readonly #options: LogMoverOptions;
  readonly #moves = new Map<PartitionLog, FutureLog>();
  /** Logs that are to be moved still, and have no copy for lack of room. */
  readonly #unmade = new Map<PartitionLog, Unmade>();
  #running: Promise<void> | null = null;
  /** Ends the rest that the loop takes. */
  #wake: (() => void) | null = null;
  #stopped = false;
  #owedBytes = 0;
  #paidAtMs = 0;
  /** Bytes copied. */
  copiedBytes = 0;
  /** Moves that came to their end. */
  completed = 0;
  failures = 0;

  constructor(options: LogMoverOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#moves.size + this.#unmade.size;
  }
  /** The future replica of the log, if it is being moved. */
  of(log: PartitionLog): FutureLog | undefined {
    return this.#moves.get(log);
  }
  /** Those under way. */
  moves(): Iterable<FutureLog> {
    return this.#moves.values();
  }

  add(move: FutureLog): void {
    move.target.addFuture(move.future);
    this.#moves.set(move.current, move);
    this.#goOn();
  }

  #goOn(): void {
    if (this.#stopped) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Goes on with what a start has found. */
  resume(move: FutureLog): void {
    this.add(move);
    try {
      move.reconcile();
    } catch (error) {
      if (!(error instanceof CopyDiffers)) throw error;
      this.#copyAnew(move, error);
    }
  }

  /** Gives the move up; what was copied goes. Throws KAFKA_STORAGE_ERROR. */
  cancel(log: PartitionLog): void {
    this.#unmade.delete(log);
    const move = this.#moves.get(log);
    if (move === undefined) return;
    this.#drop(move);
    const { disk, owner } = this.#options;
    const { target, future, unique } = move;
    const dead = `${target.path}/${deletedDirectory(log.topic, log.partition, unique)}`;
    try {
      disk.rename(future.path, dead);
      disk.syncDirectory(target.path);
    } catch (error) {
      throw target.directory.failed(`can't give up ${future.path}`, error);
    }
    owner.bury(dead, log.config.fileDeleteDelayMs);
  }

  /** The disk has failed: what lies there stays as it is, for the next start. */
  directoryFailed(managed: ManagedDirectory): void {
    for (const move of [...this.#moves.values()]) {
      const isCurrent = move.current.logDirectory === managed.directory;
      if (move.target === managed || isCurrent) this.#drop(move);
    }
    for (const [log, { target }] of this.#unmade) {
      if (target === managed || log.logDirectory === managed.directory) this.#unmade.delete(log);
    }
  }

  #drop(move: FutureLog): void {
    const { current, future, target } = move;
    move.end();
    future.abandon();
    this.#moves.delete(current);
    target.drop(future);
  }

  /** Copies nothing more; the next start goes on. Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const move of this.#moves.values()) move.end();
    this.#moves.clear();
    this.#unmade.clear();
    this.#wake?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    this.#paidAtMs = clock.monotonic();
    // Whoever has asked for it goes on first.
    await this.#rest(0);
    while (this.size > 0 && !this.#stopped) {
      const debtMs = this.#debtMs();
      if (debtMs > 0) await this.#rest(Math.min(debtMs, PACE_MS_MAX));
      else await this.#rest((await this.#round()) ? 0 : IDLE_MS);
    }
  }

  /** Until the time is over, or nothing is to be copied any more. */
  #rest(delayMs: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(delayMs, () => this.#wake?.());
      this.#wake = () => {
        this.#wake = null;
        timer.cancel();
        resolve();
      };
    });
  }

  /** How long to rest for what was copied too fast, milliseconds. */
  #debtMs(): number {
    const rate = this.#options.bytesPerSecond();
    const now = this.#options.clock.monotonic();
    const paid = ((now - this.#paidAtMs) * rate) / SECOND_MS;
    this.#owedBytes = Number.isFinite(rate) ? Math.max(this.#owedBytes - paid, 0) : 0;
    this.#paidAtMs = now;
    return this.#owedBytes === 0 ? 0 : (this.#owedBytes * SECOND_MS) / rate;
  }

  /** One step of the move that waits longest; returns whether something was done. */
  async #round(): Promise<boolean> {
    const now = this.#options.clock.monotonic();
    for (const [log, { target, retryAtMs }] of this.#unmade) {
      if (retryAtMs <= now) this.#make(log, target);
    }
    for (const move of this.#moves.values()) {
      if (move.restUntilMs > now) continue;
      // The others have their turn before it has another one.
      this.#moves.delete(move.current);
      this.#moves.set(move.current, move);
      return this.#step(move);
    }
    return false;
  }

  async #step(move: FutureLog): Promise<boolean> {
    try {
      const bytes = this.#copy(move);
      if (move.lag > 0 && bytes > 0) return true;
      if (move.lag > 0) {
        const text = `nothing can be read at offset ${move.future.logEndOffset}`;
        throw new ProtocolError(ErrorCode.CORRUPT_MESSAGE, text);
      }
      await move.save();
      if (!move.isOver && this.#isNear(move)) await this.#finish(move);
      return true;
    } catch (error) {
      try {
        if (!(error instanceof CopyDiffers)) throw error;
        this.#copyAnew(move, error);
      } catch (failure) {
        this.#failed(move, failure);
      }
      return false;
    }
  }

  #copyAnew(move: FutureLog, reason: CopyDiffers): void {
    if (move.isOver) return;
    const { current, target } = move;
    this.#options.logger.warn(`${move.future.path} is copied anew: ${reason.message}`);
    this.cancel(current);
    this.#make(current, target);
  }

  /** Makes an empty copy, later where there is no room for it now. */
  #make(log: PartitionLog, target: ManagedDirectory): void {
    const { owner, logger, clock } = this.#options;
    const isFirst = !this.#unmade.has(log);
    try {
      this.add(owner.makeFuture(log, target));
      this.#unmade.delete(log);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.failures++;
      if (isFirst) {
        logger.error(`${log.path} can't be moved to ${target.path} for now: ${error.message}`);
      }
      if (target.directory.failure !== null) return;
      this.#unmade.set(log, { target, retryAtMs: clock.monotonic() + RETRY_MS });
      this.#goOn();
    }
  }

  #copy(move: FutureLog): number {
    const pace = this.#options.bytesPerSecond();
    const bytes = move.copy(Math.min(SLICE_BYTES, pace));
    this.copiedBytes += bytes;
    if (Number.isFinite(pace)) this.#owedBytes += bytes;
    return bytes;
  }

  /** What has come meanwhile is copied in one turn. */
  #isNear(move: FutureLog): boolean {
    let left = FINISH_BYTES_MAX;
    while (move.lag > 0 && left > 0) {
      const bytes = this.#copy(move);
      if (bytes === 0) return false;
      left -= bytes;
    }
    return move.lag === 0;
  }

  /**
   * What the current log promises to be on its device is so for the copy, too, when it takes its
   * place: from here on nothing more is promised until it has.
   */
  async #finish(move: FutureLog): Promise<void> {
    const { current } = move;
    let decide: (successor: PartitionLog | null) => void = () => {};
    const successor = new Promise<PartitionLog | null>((resolve) => {
      decide = resolve;
    });
    let moved: PartitionLog | null = null;
    try {
      await current.holdFlushes(successor);
      if (!move.isOver && this.#isNear(move)) await move.save();
      if (!move.isOver && this.#isNear(move)) moved = this.#swap(move);
    } finally {
      decide(moved);
      // Whoever waited for the former one is served by the new one now.
      if (moved !== null) current.abandon();
    }
  }

  /** In one turn: nobody sees the log in between. Null: it is not the time yet. */
  #swap(move: FutureLog): PartitionLog | null {
    const { current, future, target, unique } = move;
    if (!move.isSafe) return null;
    const { owner, logger } = this.#options;
    const { topic, partition, path } = current;
    const dead = deletedDirectory(topic, partition, unique);
    const place = `${target.path}/${partitionDirectory(topic, partition)}`;
    target.saveStartNow(future, future.logStartOffset);
    future.seal();
    const source = owner.directoryOf(current);
    this.#setAside(move, source, `${source.path}/${dead}`);
    this.#putInPlace(move, source, `${source.path}/${dead}`, place);
    const moved = this.#openMoved(move, place);
    this.#end(move, moved);
    this.completed++;
    logger.info(`${path} is ${place} now`);
    owner.bury(`${source.path}/${dead}`, current.config.fileDeleteDelayMs);
    return moved;
  }

  /** From here on the copy counts. */
  #setAside(move: FutureLog, source: ManagedDirectory, dead: string): void {
    const { disk } = this.#options;
    const { path } = move.current;
    try {
      disk.rename(path, dead);
    } catch (error) {
      const shown = source.directory.failed(`can't rename ${path}`, error);
      this.#copyOn(move);
      throw shown;
    }
    try {
      disk.syncDirectory(source.path);
    } catch (error) {
      // Which of the two counts can be told by a start only.
      throw lost(source, `can't rename ${path}`, error);
    }
  }

  #putInPlace(move: FutureLog, source: ManagedDirectory, dead: string, place: string): void {
    const { disk } = this.#options;
    const { current, future, target } = move;
    try {
      disk.rename(future.path, place);
    } catch (error) {
      try {
        disk.rename(dead, current.path);
        disk.syncDirectory(source.path);
      } catch (again) {
        lost(source, `can't rename ${dead}`, again);
      }
      const shown = target.directory.failed(`can't rename ${future.path}`, error);
      this.#copyOn(move);
      throw shown;
    }
  }

  #openMoved(move: FutureLog, place: string): PartitionLog {
    const { disk, owner } = this.#options;
    const { current, future, target } = move;
    try {
      disk.syncDirectory(target.path);
      const moved = owner.openMoved(current, target);
      moved.succeed(current, future.flushedOffset);
      return moved;
    } catch (error) {
      // The closed copy stands for it: in a directory that has failed.
      this.#end(move, future);
      current.abandon();
      throw lost(target, `can't open ${place}`, error);
    }
  }

  #end(move: FutureLog, successor: PartitionLog): void {
    const { current, future, target } = move;
    move.end();
    this.#moves.delete(current);
    target.drop(future);
    this.#options.owner.replaced(current, successor, target);
  }

  /** The copy was closed, and has not taken its place: it goes on as a copy where its disk works. */
  #copyOn(move: FutureLog): void {
    if (move.isOver) return;
    this.#drop(move);
    this.add(this.#options.owner.reopenFuture(move));
  }

  #failed(move: FutureLog, error: unknown): void {
    const { logger, clock } = this.#options;
    if (this.#stopped) return;
    this.failures++;
    if (!(error instanceof ProtocolError)) throw error;
    if (move.isOver) return;
    move.restUntilMs = clock.monotonic() + RETRY_MS;
    const reason = reasonOf(error);
    if (move.loggedFailure === reason) return;
    move.loggedFailure = reason;
    logger.error(`${move.current.path} can't be moved to ${move.target.path} for now: ${reason}`);
  }
}

/** What is on the disk is not known any more. */
function lost(managed: ManagedDirectory, what: string, error: unknown): Error {
  managed.directory.takeOffline(what, error);
  return error instanceof BugError
    ? error
    : new ProtocolError(ErrorCode.KAFKA_STORAGE_ERROR, `${what}: ${reasonOf(error)}`);
}
