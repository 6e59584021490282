/**
 * Writes what a coordinator knows into one partition of its internal topic, and reads it back, for
 * one term of this broker as the partition's leader.
 *
 * One batch is under way at a time; records that come meanwhile share the next one. So records reach
 * the log in the order of `write`, their outcomes are reported in that order, and a slow disk makes
 * batches larger rather than more numerous.
 *
 * A crash leaves a prefix of the batches. What was reported as stored is committed; what was not may
 * be in the log too. So a batch that was appended and not seen to be committed ends this object:
 * `onUncertain` is called, and whoever owns it reads the log anew.
 */
import type { Clock } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import {
  encodeMarkerBatch,
  type MarkerBatch,
  readMarkerBatch,
} from '../protocol/end-transaction-marker.ts';
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import {
  attributes,
  BatchAttribute,
  batchSize,
  forEachRecord,
  isControl,
  isTransactional,
  keyOf,
  LOG_OVERHEAD,
  lastOffset,
  NO_PRODUCER_ID,
  producerId,
  valueOf,
} from '../protocol/record-batch.ts';
import { RecordBatchBuilder } from '../protocol/record-batch-builder.ts';
import type { AppendProof, CoordinatorLog } from './coordinator-log.ts';
import { UncommittedError } from './coordinator-log.ts';
import type { CoordinatorProbe } from './coordinator-probe.ts';
import { LOAD_TURN_BYTES, STORE_BATCH_BYTES_MAX } from './group-settings.ts';
import type { LoadPacer } from './load-pacer.ts';

export interface StoredRecord {
  readonly key: Buffer;
  /** Null: a tombstone. */
  readonly value: Buffer | null;
}

/** Takes what is in the log, in its order. */
export interface LogReplay {
  /**
   * One record; `producerId`: of the transaction that it belongs to, -1 when it belongs to none.
   * Throws RangeError on one that it cannot read.
   */
  replay(key: Buffer, value: Buffer | null, producerId: number): void;
  /** The producer's transaction has ended. */
  replayMarker?(producerId: number, committed: boolean): void;
}

/** Whose transaction the records belong to. */
export interface RecordsProducer extends AppendProof {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** Told once, with an error code: NONE when all records of the operation are in the log. */
export type Stored = (code: number) => void;

export interface WriteOptions {
  /** All records go into one batch: after a crash either all of them are there, or none. */
  readonly whole?: boolean;
  /** The records count once its transaction is committed. */
  readonly producer?: RecordsProducer | null;
}

interface Operation {
  readonly records: readonly StoredRecord[];
  readonly stored: Stored;
  readonly isWhole: boolean;
  readonly producer: RecordsProducer | null;
  /** In place of records. */
  readonly marker: (MarkerBatch & AppendProof) | null;
  /** Records that went into a batch already. */
  sent: number;
  /** First failure of a batch that held some of them. */
  failure: number;
}

const untouched = {
  isWhole: false,
  producer: null,
  marker: null,
  sent: 0,
  failure: ErrorCode.NONE,
} as const;

export interface ShardLogOptions {
  readonly log: CoordinatorLog;
  readonly partition: number;
  /** The leader epoch in which this broker leads the partition. */
  readonly epoch: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly probe: CoordinatorProbe;
  /** Called before the operations of the batch are told: what is in memory may not be in the log. */
  readonly onUncertain: () => void;
}

export class ShardLog {
  readonly partition: number;
  readonly epoch: number;
  readonly #log: CoordinatorLog;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #probe: CoordinatorProbe;
  readonly #onUncertain: () => void;
  readonly #queue: Operation[] = [];
  #writes = 0;
  #isAppending = false;
  #isClosed = false;

  constructor(options: ShardLogOptions) {
    this.partition = options.partition;
    this.epoch = options.epoch;
    this.#log = options.log;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#probe = options.probe;
    this.#onUncertain = options.onUncertain;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** A number for what is written next: the order of such numbers is that of the log. */
  nextOrder(): number {
    return this.#writes++;
  }

  /**
   * Queues records; without any, `stored` is told when all that was queued before is done. Returns
   * what takes them back, which is possible until their batch is on its way: then nobody is told.
   */
  write(
    records: readonly StoredRecord[],
    stored: Stored,
    { whole: isWhole = false, producer = null }: WriteOptions = {},
  ): () => void {
    return this.#enqueue({ ...untouched, records, stored, isWhole, producer });
  }

  /** Queues the marker that ends a transaction. */
  writeMarker(marker: MarkerBatch & AppendProof, stored: Stored): void {
    this.#enqueue({ ...untouched, records: [], stored, marker });
  }

  #enqueue(operation: Operation): () => void {
    if (this.#isClosed) {
      operation.stored(ErrorCode.NOT_COORDINATOR);
      return () => {};
    }
    this.#queue.push(operation);
    if (!this.#isAppending) void this.#drain();
    return () => {
      const at = this.#queue.indexOf(operation);
      if (at !== -1 && operation.sent === 0) this.#queue.splice(at, 1);
    };
  }

  /** What was written is not what those go by who wrote it: it is read anew. */
  abandon(): void {
    if (!this.#isClosed) this.#onUncertain();
  }

  /** Gives up what is queued; what is under way is reported as lost to another coordinator. */
  close(): void {
    this.#isClosed = true;
    for (const operation of this.#queue.splice(0)) operation.stored(ErrorCode.NOT_COORDINATOR);
  }

  async #drain(): Promise<void> {
    this.#isAppending = true;
    while (this.#queue.length > 0) {
      const { batch, done, proof } = this.#nextBatch();
      const failure = batch === null ? ErrorCode.NONE : await this.#append(batch, proof);
      for (const operation of done) {
        if (operation.failure === ErrorCode.NONE) operation.failure = failure;
        operation.stored(operation.failure);
      }
      const head = this.#queue[0];
      if (head !== undefined && head.sent > 0 && failure !== ErrorCode.NONE) head.failure = failure;
    }
    this.#isAppending = false;
  }

  /**
   * Takes queued records up to a batch's size, one at least, and the operations they complete. A
   * marker, and what belongs to a transaction, has a batch of its own.
   */
  #nextBatch(): { batch: Buffer | null; done: Operation[]; proof: AppendProof } {
    const { marker, producer } = this.#queue[0] as Operation;
    if (marker !== null) {
      return { batch: encodeMarkerBatch(marker), done: [this.#queue.shift()!], proof: marker };
    }
    const builder = new RecordBatchBuilder({
      initialBytes: 4096,
      attributes: producer === null ? 0 : BatchAttribute.transactional,
    });
    const done = this.#fill(builder, producer);
    const batch = builder.count === 0 ? null : builder.build(sealOf(producer));
    return { batch, done, proof: producer ?? {} };
  }

  #fill(builder: RecordBatchBuilder, producer: RecordsProducer | null): Operation[] {
    const now = this.#clock.now();
    const done: Operation[] = [];
    const isFull = (size: number): boolean =>
      builder.count > 0 && builder.sizeInBytes + size > STORE_BATCH_BYTES_MAX;
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      if (head.marker !== null || head.producer !== producer) break;
      if (head.isWhole && isFull(sizeOf(head.records))) return done;
      while (head.sent < head.records.length) {
        const record = head.records[head.sent] as StoredRecord;
        const { key, value } = record;
        if (!head.isWhole && isFull(sizeOf([record]))) return done;
        builder.append(now, key, value);
        head.sent++;
      }
      done.push(head);
      this.#queue.shift();
    }
    return done;
  }

  async #append(batch: Buffer, proof: AppendProof): Promise<number> {
    try {
      await this.#log.append(this.partition, batch, this.epoch, proof);
      this.#probe.appends++;
      return this.#isClosed ? ErrorCode.NOT_COORDINATOR : ErrorCode.NONE;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#probe.failedAppends++;
      this.#logger.warn('a coordinator could not write to its log', {
        'kafka.topic': this.#log.topic,
        'kafka.partition': this.partition,
        'error.code': errorName(error.code),
        'error.message': reasonOf(error),
      });
      if (error instanceof UncommittedError && !this.#isClosed) this.#onUncertain();
      return coordinatorError(error.code);
    }
  }

  /**
   * Reads the log up to its end as it is now, and waits until all of that is committed. Ends early
   * when it is closed.
   */
  async replay(to: LogReplay, pacer: LoadPacer): Promise<void> {
    const { start, end } = this.#log.range(this.partition, this.epoch);
    for (let offset = start; offset < end; ) {
      const turn = pacer.admit();
      if (turn !== null) await turn;
      if (this.#isClosed) return;
      const read = this.#log.read(this.partition, offset, LOAD_TURN_BYTES, this.epoch);
      // Without a wait where there is none: what others read in this turn must be known to them.
      const bytes = read instanceof Promise ? await read : read;
      if (this.#isClosed) return;
      pacer.spend(bytes.length);
      const next = this.#replayBatches(bytes, offset, to);
      if (next <= offset) break;
      offset = next;
    }
    // Until then another leader might not have it, and nobody may be shown what could vanish.
    await this.#log.committed(this.partition, end, this.epoch);
  }

  #replayBatches(bytes: Buffer, from: number, to: LogReplay): number {
    let next = from;
    for (let at = 0; at + LOG_OVERHEAD <= bytes.length; at += batchSize(bytes, at)) {
      if (at + batchSize(bytes, at) > bytes.length) break;
      next = lastOffset(bytes, at) + 1;
      const bits = attributes(bytes, at);
      if (isControl(bits)) {
        const marker = readMarkerBatch(bytes, at);
        if (marker !== null) to.replayMarker?.(producerId(bytes, at), marker.committed);
        continue;
      }
      const producer = isTransactional(bits) ? producerId(bytes, at) : NO_PRODUCER_ID;
      forEachRecord(bytes, at, (record) => {
        const key = keyOf(record);
        if (key === null) return;
        try {
          to.replay(key, valueOf(record), producer);
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
    this.#logger.error('a coordinator skipped a record it cannot read', {
      'kafka.topic': this.#log.topic,
      'kafka.partition': this.partition,
      'kafka.offset': offset,
      'error.message': error.message,
    });
  }
}

const sizeOf = (records: readonly StoredRecord[]): number =>
  records.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);
/** Coordinators do not number what they write for producers. */
const sealOf = (producer: RecordsProducer | null) =>
  producer === null
    ? undefined
    : { id: producer.producerId, epoch: producer.producerEpoch, baseSequence: -1 };

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
