/**
 * One task of a sink connector: reads partitions of the log, fills windows, hands them to the
 * destination, and commits what is resolved.
 *
 *   source → ranges of offsets → windows (bounded in number and bytes) → destination
 *                                                     └→ dead letters ┘→ commit
 *
 * Everything here goes on by itself: a destination that is away is asked again with growing delays
 * by one request at a time, whoever must be helped by a person (credentials, closed index) is asked
 * again slowly, and nothing is dropped meanwhile: reading stops when the windows are full, and a
 * partition is paused while too much of it is unresolved.
 *
 * After a crash the group's offsets are behind everything that was unresolved; what was handed over
 * beyond them comes again, and the destination knows it by its id.
 */

import { assert } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { RoleStatus } from '../base/role.ts';
import {
  attributes,
  BATCH_OVERHEAD,
  batchSize,
  forEachRecord,
  isControl,
  lastOffset,
  type RecordView,
  validateBatch,
} from '../protocol/record-batch.ts';
import { Assignment } from './assignment.ts';
import type {
  Added,
  ConnectorState,
  Destination,
  Refusal,
  Settlement,
  Window,
  WriteResult,
} from './connector.ts';
import type { DeadLetters } from './dead-letters.ts';
import { OffsetCommitter } from './offset-committer.ts';
import type { OffsetRange, OffsetWindow } from './offset-window.ts';
import { AdaptiveLimit, BackoffGate } from './retry.ts';
import { SinkProbe } from './sink-probe.ts';
import type { Source, SourceBatches, SourceListener } from './source.ts';
import { WakeUp } from './wake-up.ts';

export interface SinkTaskOptions {
  readonly connector: string;
  readonly task: number;
  /** Name of the destination's class, for dead letters. */
  readonly destinationClass: string;
  readonly lingerMs: number;
  readonly inFlightMax: number;
  readonly retryBackoffMs: number;
  readonly malformed: 'dead-letter' | 'ignore' | 'warn';
  readonly nullValues: 'dead-letter' | 'ignore';
  /** Bytes of one partition (as fetched) that may be unresolved before it is paused. */
  readonly partitionBytesMax?: number;
  readonly commitIntervalMs?: number;
  /** Time that what is under way gets when the task stops or loses partitions. */
  readonly drainTimeoutMs?: number;
}

export interface SinkSeams {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const PARTITION_BYTES_MAX = 32 * 1024 * 1024;
const COMMIT_INTERVAL_MS = 1_000;
const DRAIN_TIMEOUT_MS = 5_000;
const BACKOFF_CAP_MS = 30_000;
/** What waits for a person is tried again this seldom. */
const STUCK_RETRY_MS = 30_000;
const IDLE_SHRINK_MS = 10_000;
/** A failed poll of the log is repeated after this. */
const POLL_RETRY_MS = 500;

/** A fetched batch that did not fit into the windows there were: where to go on in it. */
interface Unfinished {
  readonly range: OffsetRange;
  readonly source: Buffer;
  readonly position: number;
  readonly fromOffset: number;
}

export class SinkTask<W extends Window = Window> {
  readonly probe: SinkProbe;
  readonly #options: Required<SinkTaskOptions>;
  readonly #source: Source;
  readonly #destination: Destination<W>;
  readonly #letters: DeadLetters;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #limit: AdaptiveLimit;
  readonly #gate: BackoffGate;
  readonly #settlement: Settlement;
  readonly #assignment: Assignment;
  readonly #committer: OffsetCommitter;
  /** Woken whenever something is settled, finished, resumed or stopped. */
  readonly #wakeUp: WakeUp;
  /** Aborted when the task must end at once. */
  readonly #abort = new AbortController();
  /** Windows that nobody uses; with those in use never more than `inFlightMax` + 1. */
  readonly #spare: W[] = [];
  #windows = 0;
  #filling: W | null = null;
  /** The filling window is older than the linger time. */
  #isDue = false;
  #lingerTimer: Timer | null = null;
  #shrinkTimer: Timer | null = null;
  #inFlight = 0;
  #state: ConnectorState = 'RUNNING';
  #fault = '';
  #isOpen = false;
  #isSlowed = false;
  #isPausedByUser = false;
  #stopping = false;
  #loop: Promise<void> | null = null;

  constructor(
    options: SinkTaskOptions,
    source: Source,
    destination: Destination<W>,
    letters: DeadLetters,
    seams: SinkSeams,
  ) {
    this.#options = {
      partitionBytesMax: PARTITION_BYTES_MAX,
      commitIntervalMs: COMMIT_INTERVAL_MS,
      drainTimeoutMs: DRAIN_TIMEOUT_MS,
      ...options,
    };
    this.#source = source;
    this.#destination = destination;
    this.#letters = letters;
    this.#clock = seams.clock;
    this.#logger = seams.logger;
    this.#limit = new AdaptiveLimit(options.inFlightMax);
    const backoff = { baseMs: options.retryBackoffMs, capMs: BACKOFF_CAP_MS };
    this.#gate = new BackoffGate(seams.clock, seams.random, backoff);
    this.probe = new SinkProbe(seams.clock);
    this.#wakeUp = new WakeUp(seams.clock);
    const { partitionBytesMax, commitIntervalMs } = this.#options;
    this.#assignment = new Assignment(source, seams.logger, partitionBytesMax);
    const offsets = (): Iterable<OffsetWindow> => this.offsets();
    this.#committer = new OffsetCommitter(source, offsets, seams, commitIntervalMs);
    this.#settlement = {
      resolved: (range, count, duplicates) => this.#resolved(range, count, duplicates),
      refused: (range, refusals) => this.#refused(range, refusals),
    };
  }

  get state(): ConnectorState {
    return this.#isPausedByUser && this.#state === 'RUNNING' ? 'PAUSED' : this.#state;
  }
  /** What keeps records from moving, '' when nothing does. */
  get fault(): string {
    return this.#fault === '' ? this.#letters.fault : this.#fault;
  }
  /** Red while nothing moves, yellow while the destination asks for less. */
  get light(): RoleStatus['light'] {
    if (this.fault === '') return 'green';
    return this.#isSlowed && this.#letters.fault === '' ? 'yellow' : 'red';
  }
  /** The destination was reached and prepared. */
  get isOpen(): boolean {
    return this.#isOpen;
  }
  get inFlight(): number {
    return this.#inFlight;
  }
  get inFlightLimit(): number {
    return this.#limit.current;
  }
  get assignment(): Pick<Assignment, 'paused' | 'pauses'> {
    return this.#assignment;
  }
  get committer(): Pick<OffsetCommitter, 'commits' | 'failures' | 'totalMs'> {
    return this.#committer;
  }
  /** Windows of the partitions that are ours, for lag and status. */
  offsets(): Iterable<OffsetWindow> {
    return this.#assignment.offsets();
  }

  /** Resolves at once; the destination and the log may both be away. */
  async start(): Promise<void> {
    const listener: SourceListener = {
      assigned: (partitions) => this.#assignment.add(partitions),
      revoked: (partitions, lost) => this.#revoke(partitions, lost),
    };
    await this.#source.start(listener);
    this.#loop = this.#run();
    this.#committer.start();
  }

  /** Stops reading; what is under way is finished. Idempotent. */
  pause(): void {
    this.#isPausedByUser = true;
  }
  resume(): void {
    this.#isPausedByUser = false;
    this.#wakeUp.wake();
  }

  /** Finishes what is under way for a bounded time, commits, leaves the group. Idempotent. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#wakeUp.wake();
    this.#dispatch(true);
    const isBusy = (): boolean =>
      this.fault === '' && (this.#inFlight > 0 || this.#letters.pending > 0);
    await this.#wakeUp.whileBusy(isBusy, this.#options.drainTimeoutMs);
    this.#abort.abort();
    this.#wakeUp.wake();
    for (const timer of [this.#lingerTimer, this.#shrinkTimer]) timer?.cancel();
    await this.#committer.stop();
    await this.#source.close();
    await this.#loop;
    await this.#destination.close();
    this.#state = 'STOPPED';
  }

  async #run(): Promise<void> {
    await this.#open();
    while (!this.#stopping) {
      if (this.#isPausedByUser) {
        await this.#wakeUp.wait();
        continue;
      }
      let batches: readonly SourceBatches[];
      try {
        batches = await this.#source.poll();
      } catch (error) {
        if (this.#stopping) return;
        this.probe.pollFailures++;
        this.#logger.warn('reading the log failed; it is tried again', {
          'error.message': reasonOf(error),
        });
        await this.#wakeUp.waitFor(POLL_RETRY_MS);
        continue;
      }
      for (const batch of batches) await this.#take(batch);
    }
  }

  /** Prepares the destination, as often as it takes. */
  async #open(): Promise<void> {
    const signal = this.#abort.signal;
    while (!this.#stopping) {
      await this.#gate.enter(signal);
      if (signal.aborted || this.#stopping) return this.#gate.leave();
      const result = await this.#destination.open(signal);
      this.#judge(result);
      if (result.verdict === 'settled') {
        this.#isOpen = true;
        return;
      }
    }
  }

  /** Puts a partition's batches into windows; waits while all of them are in use. */
  async #take(batches: SourceBatches): Promise<void> {
    const { records } = batches;
    const offsets = this.#assignment.windowFor(batches);
    if (offsets === null) return;
    offsets.highWatermark = batches.highWatermark;
    for (let at = 0; at + BATCH_OVERHEAD <= records.length; at += batchSize(records, at)) {
      if (batchSize(records, at) > records.length - at) break; // Cut off: it comes again.
      if (offsets.isClosed || this.#stopping) return;
      const next = lastOffset(records, at) + 1;
      if (next <= offsets.nextOffset) continue;
      const from = offsets.nextOffset;
      const range = offsets.open(next, records, at, batchSize(records, at));
      let rest = this.#fill({ range, source: records, position: at, fromOffset: from });
      while (rest !== null) {
        await this.#wakeUp.wait();
        if (this.#stopping) return; // Unresolved: it is read again by whoever comes next.
        rest = this.#fill(rest);
      }
      this.#assignment.throttle(offsets);
    }
  }

  /** Adds records until the batch is done (null) or no window is free. */
  #fill({ range, source, position, fromOffset }: Unfinished): Unfinished | null {
    let stoppedAt = -1;
    const fault = this.#faultOf(source, position);
    if (fault !== null) return this.#skipBatch(range, fault);
    const visit = (record: RecordView): boolean => {
      if (record.offset < fromOffset) return true;
      for (;;) {
        const window = this.#windowToFill();
        if (window === null) {
          stoppedAt = record.offset;
          return false;
        }
        const added = window.add(range, record);
        if (added !== 'full') {
          this.#noteAdded(range, record, added);
          return true;
        }
        this.#isDue = true;
        this.#dispatch(false);
        if (this.#filling === window) {
          stoppedAt = record.offset;
          return false;
        }
      }
    };
    if (!isControl(attributes(source, position))) {
      try {
        forEachRecord(source, position, visit);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return this.#skipBatch(range, error.message);
      }
    }
    if (stoppedAt >= 0) return { range, source, position, fromOffset: stoppedAt };
    this.#startLinger();
    range.resolve(1);
    return null;
  }

  #noteAdded(range: OffsetRange, record: RecordView, added: Added): void {
    this.probe.read++;
    if (added === 'added' || added === 'full') return;
    range.hold();
    if (added.type === 'null_value' && this.#options.nullValues === 'ignore') {
      this.probe.ignored++;
      range.resolve(1);
    } else this.#refuseRecord(range, record, added);
  }

  #faultOf(source: Buffer, position: number): string | null {
    return validateBatch(source, position, source.length)?.reason ?? null;
  }

  /** A batch that nobody can read: counted and said, because no record of it can be shown. */
  #skipBatch(range: OffsetRange, reason: string): null {
    const { topic, partition } = range.window;
    this.probe.unreadableBatches++;
    this.#logger.error('batch can not be read; it is skipped', {
      'kafka.topic': topic,
      'kafka.partition': partition,
      'kafka.next_offset': range.nextOffset,
      'error.message': reason,
    });
    range.resolve(1);
    return null;
  }

  /** The window that takes the next record; null when all are in use. */
  #windowToFill(): W | null {
    if (this.#filling !== null) return this.#filling;
    let window = this.#spare.pop();
    if (window === undefined) {
      if (this.#windows > this.#options.inFlightMax) return null;
      window = this.#destination.createWindow();
      this.#windows++;
    }
    this.#filling = window;
    this.#isDue = false;
    return window;
  }

  /** A window with records in it does not wait for more for longer than the linger time. */
  #startLinger(): void {
    if (this.#lingerTimer !== null || this.#filling === null || this.#filling.count === 0) return;
    this.#lingerTimer = this.#clock.after(this.#options.lingerMs, () => {
      this.#lingerTimer = null;
      this.#isDue = true;
      this.#dispatch(false);
    });
  }

  /** Sends the filling window when it is due (or anyway) and a lane is free. */
  #dispatch(anyway: boolean): void {
    const window = this.#filling;
    if (window === null || window.count === 0) return;
    if (!anyway && (!this.#isDue || this.#inFlight >= this.#limit.current)) return;
    this.#filling = null;
    this.#lingerTimer?.cancel();
    this.#lingerTimer = null;
    this.#shrinkTimer?.cancel();
    this.#shrinkTimer = null;
    void this.#ship(window);
  }

  /** Hands a window over, as often as it takes. Never rejects but for a bug. */
  async #ship(window: W): Promise<void> {
    const signal = this.#abort.signal;
    this.#inFlight++;
    for (let attempt = 1; window.count > 0; attempt++) {
      await this.#gate.enter(signal);
      if (signal.aborted) break;
      const started = this.#clock.monotonic();
      const result = await this.#destination.write(window, attempt, this.#settlement, signal);
      this.probe.wrote(this.#clock.monotonic() - started);
      this.#judge(result);
    }
    if (window.count > 0) this.#gate.leave();
    this.#inFlight--;
    if (window.count === 0) this.#spare.push(window);
    else this.#windows--; // Given up: its records are unresolved for good.
    this.#dispatch(false);
    if (this.#inFlight === 0) this.#shrinkLater();
    this.#wakeUp.wake();
  }

  /** Draws the consequences of an attempt: delays, concurrency, state. */
  #judge(result: WriteResult): void {
    const { verdict, reason, retryAfterMs } = result;
    if (verdict === 'settled') {
      this.#limit.success();
      this.#gate.success();
      this.#setState('RUNNING', '');
      return;
    }
    if (this.#abort.signal.aborted) return this.#gate.leave();
    this.probe.retries++;
    this.#isSlowed = verdict === 'slower';
    if (verdict === 'slower') this.#limit.pushBack();
    const atLeastMs = verdict === 'stuck' ? STUCK_RETRY_MS : retryAfterMs;
    this.#gate.failure({ atLeastMs, progress: result.settled > 0 });
    this.#setState(verdict === 'stuck' ? 'FAILED' : 'RUNNING', reason);
  }

  #setState(state: ConnectorState, fault: string): void {
    const wasWell = this.#state === 'RUNNING' && this.#fault === '';
    const isWell = state === 'RUNNING' && fault === '';
    if (wasWell !== isWell || state !== this.#state) {
      const fields = { 'weir.connector': this.#options.connector, 'error.message': fault };
      if (isWell) this.#logger.info('the destination takes records', fields);
      else this.#logger.warn('the destination takes no records; it is tried again', fields);
    }
    this.#state = state;
    this.#fault = fault;
  }

  #resolved(range: OffsetRange, count: number, duplicates: number): void {
    this.probe.written += count - duplicates;
    this.probe.duplicates += duplicates;
    range.resolve(count);
    this.#assignment.throttle(range.window);
  }

  /** Looks the records up in the log's own bytes: key and headers are not in the window. */
  #refused(range: OffsetRange, refusals: ReadonlyMap<number, Refusal>): void {
    const { source, position } = range;
    assert(source !== null, 'an unresolved range has its batch');
    let left = refusals.size;
    forEachRecord(source, position, (record) => {
      const refusal = refusals.get(record.offset);
      if (refusal === undefined) return true;
      this.#refuseRecord(range, record, refusal);
      left--;
      return left > 0;
    });
  }

  #refuseRecord(range: OffsetRange, record: RecordView, refusal: Refusal): void {
    const { topic, partition } = range.window;
    this.probe.refused++;
    if (this.#options.malformed !== 'dead-letter') {
      this.probe.ignored++;
      if (this.#options.malformed === 'warn') {
        this.#logger.warn('the destination refuses a record; it is left out', {
          'kafka.topic': topic,
          'kafka.partition': partition,
          'kafka.offset': record.offset,
          'error.type': refusal.type,
          'error.message': refusal.reason,
        });
      }
      range.resolve(1);
      this.#assignment.throttle(range.window);
      return;
    }
    const { connector, task, destinationClass: destination } = this.#options;
    const origin = { topic, partition, connector, task, destination };
    void this.#letters.write(record, origin, refusal, this.#abort.signal).then((isWritten) => {
      if (isWritten) {
        this.probe.deadLetters++;
        range.resolve(1);
        this.#assignment.throttle(range.window);
      }
      this.#wakeUp.wake();
    });
  }

  async #revoke(
    partitions: readonly { topic: string; partition: number }[],
    isLost: boolean,
  ): Promise<void> {
    const windows = this.#assignment.windowsOf(partitions);
    if (!isLost && !this.#stopping) {
      this.#dispatch(true);
      const isBusy = (): boolean => windows.some(({ isEmpty }) => !isEmpty) && this.fault === '';
      await this.#wakeUp.whileBusy(isBusy, this.#options.drainTimeoutMs);
      await this.#committer.commit();
    }
    this.#assignment.remove(windows);
  }

  #shrinkLater(): void {
    this.#shrinkTimer?.cancel();
    this.#shrinkTimer = this.#clock.after(IDLE_SHRINK_MS, () => {
      this.#shrinkTimer = null;
      if (this.#inFlight > 0) return;
      // One stays for the next trickle, small.
      this.#windows -= this.#spare.splice(1).length;
      this.#spare[0]?.shrink();
    });
  }
}
