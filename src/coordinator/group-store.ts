/**
 * Writes the groups of one partition of `__consumer_offsets`, and reads them back.
 *
 * One batch is under way at a time; records that come meanwhile share the next one. So records reach
 * the log in the order of `write`, their outcomes are reported in that order, and a slow disk makes
 * batches larger rather than more numerous.
 *
 * A crash leaves a prefix of the batches. What was reported as stored is in the log; what was not may
 * be there too.
 */
import type { Clock } from '../base/clock.ts';
import { sleep } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import {
  attributes,
  batchSize,
  forEachRecord,
  isControl,
  keyOf,
  LOG_OVERHEAD,
  lastOffset,
  valueOf,
} from '../protocol/record-batch.ts';
import { RecordBatchBuilder } from '../protocol/record-batch-builder.ts';
import type { CoordinatorLog } from './coordinator-log.ts';
import { OFFSETS_TOPIC } from './coordinator-log.ts';
import type { GroupProbe } from './group-probe.ts';
import type { RecordVisitor, StoredRecord } from './group-records.ts';
import { visitRecord } from './group-records.ts';
import { LOAD_BYTES, STORE_BATCH_BYTES_MAX } from './group-settings.ts';

/** Told once, with an error code: NONE when all records of the operation are in the log. */
export type Stored = (code: number) => void;

interface Operation {
  readonly records: readonly StoredRecord[];
  readonly stored: Stored;
  /** Records that went into a batch already. */
  sent: number;
  /** First failure of a batch that held some of them. */
  failure: number;
}

export interface GroupStoreOptions {
  readonly log: CoordinatorLog;
  readonly partition: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly probe: GroupProbe;
}

export class GroupStore {
  readonly partition: number;
  readonly #log: CoordinatorLog;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #probe: GroupProbe;
  readonly #queue: Operation[] = [];
  #isAppending = false;
  #isClosed = false;

  constructor(options: GroupStoreOptions) {
    this.partition = options.partition;
    this.#log = options.log;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#probe = options.probe;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Queues records; without any, `stored` is told when all that was queued before is done. */
  write(records: readonly StoredRecord[], stored: Stored): void {
    if (this.#isClosed) return stored(ErrorCode.NOT_COORDINATOR);
    this.#queue.push({ records, stored, sent: 0, failure: ErrorCode.NONE });
    if (!this.#isAppending) void this.#drain();
  }

  /** Gives up what is queued; what is under way is reported as lost to another coordinator. */
  close(): void {
    this.#isClosed = true;
    for (const operation of this.#queue.splice(0)) operation.stored(ErrorCode.NOT_COORDINATOR);
  }

  async #drain(): Promise<void> {
    this.#isAppending = true;
    while (this.#queue.length > 0) {
      const { batch, done } = this.#nextBatch();
      const failure = batch === null ? ErrorCode.NONE : await this.#append(batch);
      for (const operation of done) {
        if (operation.failure === ErrorCode.NONE) operation.failure = failure;
        operation.stored(operation.failure);
      }
      const head = this.#queue[0];
      if (head !== undefined && head.sent > 0 && failure !== ErrorCode.NONE) head.failure = failure;
    }
    this.#isAppending = false;
  }

  /** Takes queued records up to a batch's size, one at least, and the operations they complete. */
  #nextBatch(): { batch: Buffer | null; done: Operation[] } {
    const builder = new RecordBatchBuilder({ initialBytes: 4096 });
    const now = this.#clock.now();
    const done: Operation[] = [];
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      while (head.sent < head.records.length) {
        const { key, value } = head.records[head.sent] as StoredRecord;
        const size = key.length + (value?.length ?? 0);
        if (builder.count > 0 && builder.sizeInBytes + size > STORE_BATCH_BYTES_MAX) {
          return { batch: builder.build(), done };
        }
        builder.append(now, key, value);
        head.sent++;
      }
      done.push(head);
      this.#queue.shift();
    }
    return { batch: builder.count === 0 ? null : builder.build(), done };
  }

  async #append(batch: Buffer): Promise<number> {
    try {
      await this.#log.append(this.partition, batch);
      this.#probe.appends++;
      return this.#isClosed ? ErrorCode.NOT_COORDINATOR : ErrorCode.NONE;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#probe.failedAppends++;
      this.#logger.warn('group coordinator could not write to its log', {
        'kafka.topic': OFFSETS_TOPIC,
        'kafka.partition': this.partition,
        'error.code': errorName(error.code),
        'error.message': reasonOf(error),
      });
      return coordinatorError(error.code);
    }
  }

  /** Reads the whole log. Ends early when the store is closed. */
  async replay(visitor: RecordVisitor): Promise<void> {
    const { start, end } = this.#log.range(this.partition);
    for (let offset = start; offset < end && !this.#isClosed; ) {
      const bytes = await this.#log.read(this.partition, offset, LOAD_BYTES);
      if (this.#isClosed) return;
      const next = this.#replayBatches(bytes, offset, visitor);
      if (next <= offset) break;
      offset = next;
      // Other partitions' requests must not wait for a large log.
      if (offset < end) await sleep(this.#clock, 0);
    }
  }

  #replayBatches(bytes: Buffer, from: number, visitor: RecordVisitor): number {
    let next = from;
    for (let at = 0; at + LOG_OVERHEAD <= bytes.length; at += batchSize(bytes, at)) {
      if (at + batchSize(bytes, at) > bytes.length) break;
      next = lastOffset(bytes, at) + 1;
      if (isControl(attributes(bytes, at))) continue;
      forEachRecord(bytes, at, (record) => {
        const key = keyOf(record);
        if (key === null) return;
        try {
          visitRecord(key, valueOf(record), visitor);
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
          this.#unreadable(record.offset, error);
        }
      });
    }
    return next;
  }

  #unreadable(offset: number, error: RangeError): void {
    this.#probe.unreadableRecords++;
    this.#logger.error('group coordinator skipped a record it cannot read', {
      'kafka.topic': OFFSETS_TOPIC,
      'kafka.partition': this.partition,
      'kafka.offset': offset,
      'error.message': error.message,
    });
  }
}

/** What clients of the coordinator are told about an append that failed. */
function coordinatorError(code: number): number {
  switch (code) {
    case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
    case ErrorCode.NOT_ENOUGH_REPLICAS:
    case ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case ErrorCode.REQUEST_TIMED_OUT:
      return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    case ErrorCode.NOT_LEADER_OR_FOLLOWER:
    case ErrorCode.KAFKA_STORAGE_ERROR:
      return ErrorCode.NOT_COORDINATOR;
    case ErrorCode.MESSAGE_TOO_LARGE:
    case ErrorCode.RECORD_LIST_TOO_LARGE:
    case ErrorCode.INVALID_FETCH_SIZE:
      return ErrorCode.UNKNOWN_SERVER_ERROR;
    default:
      return code;
  }
}
