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
 * beyond them comes again, and the destination knows it by its id. Where it may have been handed over
 * to is committed with the offsets.
 */

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { RoleStatus } from '../base/role.ts';
import {
  attributes,
  BATCH_OVERHEAD,
  batchSize,
  forEachPassingRecord,
  isControl,
  lastOffset,
  partitionLeaderEpoch,
  type RecordView,
} from '../protocol/record-batch.ts';
import { Assignment, type HeldPartition } from './assignment.ts';
import type { ConnectorState, Destination, Refusal, Settlement, Window } from './connector.ts';
import type { DeadLetters } from './dead-letters.ts';
import { OffsetCommitter } from './offset-committer.ts';
import type { OffsetRange, OffsetWindow } from './offset-window.ts';
import { Shipping, type ShippingOptions } from './shipping.ts';
import { SinkProbe } from './sink-probe.ts';
import type { Source, SourceBatches } from './source.ts';
import { WakeUp } from './wake-up.ts';

export interface SinkTaskOptions extends ShippingOptions {
  readonly task: number;
  /** Name of the destination's class, for dead letters. */
  readonly destinationClass: string;
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
/** A failed poll of the log is repeated after this. */
const POLL_RETRY_MS = 500;
/** A poll that failed is a fault until the log brings something, or for so long. */
const POLL_FAULT_MS = 5_000;

/** A fetched batch that did not fit into the windows there were: where to go on in it. */
interface Unfinished {
  readonly range: OffsetRange;
  readonly source: Buffer;
  readonly position: number;
  readonly fromOffset: number;
}

export class SinkTask<W extends Window = Window> {
  readonly probe: SinkProbe;
  /** What is on its way, and how the destination is. */
  readonly shipping: Shipping<W>;
  readonly assignment: Assignment;
  readonly committer: OffsetCommitter;
  readonly #options: Required<SinkTaskOptions>;
  readonly #source: Source;
  readonly #destination: Destination<W>;
  readonly #letters: DeadLetters;
  readonly #logger: Logger;
  readonly #clock: Clock;
  /** Woken whenever something is settled, finished, resumed or stopped. */
  readonly #wakeUp: WakeUp;
  /** Why the last poll of the log has failed, '' when it has not. */
  #pollFault = '';
  #pollFailedAt = 0;
  #isPaused = false;
  #stopping = false;
  #isStopped = false;
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
    this.#logger = seams.logger;
    this.#clock = seams.clock;
    this.probe = new SinkProbe(seams.clock);
    this.#wakeUp = new WakeUp(seams.clock);
    const { partitionBytesMax, commitIntervalMs } = this.#options;
    this.assignment = new Assignment(source, seams.logger, partitionBytesMax);
    const offsets = (): Iterable<OffsetWindow> => this.assignment.offsets();
    const generation = (): string => destination.generation;
    this.committer = new OffsetCommitter(source, offsets, generation, seams, commitIntervalMs);
    const settlement: Settlement = {
      resolved: (range, count, duplicates) => this.#resolved(range, count, duplicates),
      refused: (range, refusals) => this.#refused(range, refusals),
    };
    const onLane = (): void => this.#wakeUp.wake();
    this.shipping = new Shipping(options, destination, settlement, seams, onLane);
  }

  get state(): ConnectorState {
    if (this.#isStopped) return 'STOPPED';
    const { state } = this.shipping;
    return this.#isPaused && state === 'RUNNING' ? 'PAUSED' : state;
  }
  /** What keeps records from moving, '' when nothing does. */
  get fault(): string {
    return this.#wayOut || this.#pollFault || this.#source.fault;
  }
  /** What keeps those that were read from leaving. */
  get #wayOut(): string {
    return this.shipping.fault || this.#letters.fault;
  }
  /** Red while nothing moves, yellow while the destination asks for less. */
  get light(): RoleStatus['light'] {
    if (this.fault === '') return 'green';
    return this.shipping.isSlowed && this.#letters.fault === '' ? 'yellow' : 'red';
  }

  /** Resolves at once; the destination and the log may both be away. */
  async start(): Promise<void> {
    await this.#source.start({
      assigned: (partitions) => this.assignment.add(partitions),
      revoked: (partitions, lost) => this.#revoke(partitions, lost),
    });
    this.#loop = this.#run();
    this.committer.start();
  }

  /** Stops reading; what is under way is finished. Idempotent. */
  pause(): void {
    this.#isPaused = true;
  }
  resume(): void {
    this.#isPaused = false;
    this.#wakeUp.wake();
  }

  /** Finishes what is under way for a bounded time, commits, leaves the group. Idempotent. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#wakeUp.wake();
    this.shipping.flush();
    const isBusy = (): boolean =>
      this.#wayOut === '' && (this.shipping.inFlight > 0 || this.#letters.pending > 0);
    await this.#wakeUp.whileBusy(isBusy, this.#options.drainTimeoutMs);
    this.shipping.abort();
    this.#wakeUp.wake();
    await this.committer.stop();
    await this.#source.close();
    await this.#loop;
    await this.#destination.close();
    this.#isStopped = true;
  }

  async #run(): Promise<void> {
    await this.shipping.open();
    while (!this.#stopping) {
      if (this.#isPaused) {
        await this.#wakeUp.wait();
        continue;
      }
      let batches: readonly SourceBatches[];
      try {
        batches = await this.#source.poll();
        this.#polled(batches.length > 0);
      } catch (error) {
        if (this.#stopping) return;
        this.probe.pollFailures++;
        const reason = reasonOf(error);
        if (reason !== this.#pollFault) {
          this.#logger.warn('reading the log failed; it is tried again', {
            'error.message': reason,
          });
        }
        this.#pollFault = reason;
        this.#pollFailedAt = this.#clock.monotonic();
        await this.#wakeUp.waitFor(POLL_RETRY_MS);
        continue;
      }
      // Most of them may have to wait, and partitions may be taken away and given anew meanwhile.
      const came = batches.map((batch) => ({ batch, held: this.assignment.held(batch) }));
      for (const { batch, held } of came) await this.#take(batch, held);
    }
  }

  /** Between two refusals of the log there are polls that bring nothing: those show no change. */
  #polled(hasBrought: boolean): void {
    if (this.#pollFault === '') return;
    const isLongAgo = this.#clock.monotonic() - this.#pollFailedAt >= POLL_FAULT_MS;
    if (hasBrought || isLongAgo) this.#pollFault = '';
  }

  /** Puts a partition's batches into windows; waits while all of them are in use. */
  async #take(batches: SourceBatches, held: HeldPartition | null): Promise<void> {
    const { records } = batches;
    const offsets = this.assignment.windowFor(batches, held);
    if (offsets === null) return;
    offsets.endsAt(batches.highWatermark);
    for (let at = 0; at + BATCH_OVERHEAD <= records.length; at += batchSize(records, at)) {
      while (this.#letters.isFull && !this.#stopping) await this.#wakeUp.wait();
      if (batchSize(records, at) > records.length - at) break; // Cut off: it comes again.
      if (offsets.isClosed || this.#stopping) return;
      const next = lastOffset(records, at) + 1;
      if (next <= offsets.nextOffset) continue;
      const from = offsets.nextOffset;
      const range = offsets.open({
        nextOffset: next,
        leaderEpoch: partitionLeaderEpoch(records, at),
        generation: this.#destination.generation,
        source: records,
        position: at,
        bytes: batchSize(records, at),
      });
      let rest = this.#fill({ range, source: records, position: at, fromOffset: from });
      while (rest !== null) {
        await this.#wakeUp.wait();
        if (this.#stopping) return; // Unresolved: it is read again by whoever comes next.
        rest = this.#fill(rest);
      }
      this.assignment.throttle(offsets);
    }
  }

  /** Adds records until the batch is done (null) or no window is free. */
  #fill({ range, source, position, fromOffset }: Unfinished): Unfinished | null {
    let stoppedAt = -1;
    const visit = (record: RecordView): boolean => {
      if (record.offset < fromOffset || this.#add(range, record)) return true;
      stoppedAt = record.offset;
      return false;
    };
    if (!isControl(attributes(source, position))) {
      try {
        forEachPassingRecord(source, position, visit);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return this.#skipBatch(range, error.message);
      }
    }
    if (stoppedAt >= 0) return { range, source, position, fromOffset: stoppedAt };
    this.shipping.linger();
    range.resolve(1);
    return null;
  }

  /** False: no window is free. */
  #add(range: OffsetRange, record: RecordView): boolean {
    for (;;) {
      const window = this.shipping.windowToFill();
      if (window === null) return false;
      const added = window.add(range, record);
      if (added === 'full') {
        if (!this.shipping.full()) return false;
        continue;
      }
      this.probe.read++;
      if (added !== 'added') this.#leaveOut(range, record, added);
      return true;
    }
  }

  /** A record that no window takes. */
  #leaveOut(range: OffsetRange, record: RecordView, refusal: Refusal): void {
    range.hold();
    if (refusal.type === 'null_value' && this.#options.nullValues === 'ignore') {
      this.probe.ignored++;
      range.resolve(1);
    } else this.#refuseRecord(range, record, refusal);
  }

  /** A batch whose records nobody can read, whole as it is: counted and said, as none can be shown. */
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

  #resolved(range: OffsetRange, count: number, duplicates: number): void {
    this.probe.written += count - duplicates;
    this.probe.duplicates += duplicates;
    range.resolve(count);
    this.assignment.throttle(range.window);
  }

  /** Looks the records up in the log's own bytes: key and headers are not in the window. */
  #refused(range: OffsetRange, refusals: ReadonlyMap<number, Refusal>): void {
    const { source, position } = range;
    assert(source !== null, 'an unresolved range has its batch');
    let left = refusals.size;
    forEachPassingRecord(source, position, (record) => {
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
      this.assignment.throttle(range.window);
      return;
    }
    const { connector, task, destinationClass: destination } = this.#options;
    const origin = { topic, partition, connector, task, destination };
    void this.#letters.write(record, origin, refusal, this.shipping.signal).then((isWritten) => {
      if (isWritten) {
        this.probe.deadLetters++;
        range.resolve(1);
        this.assignment.throttle(range.window);
      }
      this.#wakeUp.wake();
    });
  }

  async #revoke(
    partitions: readonly { topic: string; partition: number }[],
    isLost: boolean,
  ): Promise<void> {
    const windows = this.assignment.windowsOf(partitions);
    if (!isLost && !this.#stopping) {
      this.assignment.leave(windows);
      this.shipping.flush();
      const isBusy = (): boolean => windows.some(({ isEmpty }) => !isEmpty) && this.#wayOut === '';
      await this.#wakeUp.whileBusy(isBusy, this.#options.drainTimeoutMs);
      await this.committer.commit();
    }
    this.assignment.remove(windows);
  }
}
