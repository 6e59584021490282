import { reasonOf } from '../base/errors.ts';
import { CompressionType } from '../protocol/compression.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import {
  attributes,
  BATCH_OVERHEAD,
  BatchAttribute,
  baseOffset,
  baseSequence,
  batchSize,
  compressionOf,
  forEachPassingRecord,
  isLogAppendTime,
  isTransactional,
  keyOf,
  maxTimestamp,
  producerEpoch,
  producerId,
  type RecordView,
  validateBatch,
  validateClientBatch,
  valueOf,
} from '../protocol/record-batch.ts';
import { RecordBatchBuilder } from '../protocol/record-batch-builder.ts';
import type { LogConfig } from './log-config.ts';

/** Which record of a batch was refused, and why (KIP-467). */
export interface RecordError {
  readonly batchIndex: number;
  readonly batchIndexErrorMessage: string;
}

/** Most records that one answer names; the batch is refused as a whole anyway. */
const RECORD_ERRORS_MAX = 100;

/** Of so many records, the words beside the code tell what is wrong. */
const QUOTED_ERRORS_MAX = 3;

/** A batch refused because of some of its records, in Kafka's words: clients print them. */
export class RecordsError extends ProtocolError {
  override name = 'RecordsError';
  readonly recordErrors: readonly RecordError[];
  /** `count` is of all records that are refused; `recordErrors` the first of them. */
  constructor(code: number, count: number, recordErrors: readonly RecordError[]) {
    super(code, wordsOf(code, count, recordErrors));
    this.recordErrors = recordErrors;
  }
}

function wordsOf(code: number, count: number, recordErrors: readonly RecordError[]): string {
  const start = 'One or more records have been rejected due to';
  if (code === ErrorCode.INVALID_TIMESTAMP) return `${start} invalid timestamp`;
  const quoted = recordErrors
    .slice(0, QUOTED_ERRORS_MAX)
    .map((e) => `RecordError(batchIndex=${e.batchIndex}, message='${e.batchIndexErrorMessage}')`);
  return `${start} ${count} record errors in total, and only showing the first three errors at most: [${quoted.join(', ')}]`;
}

/**
 * Throws when one of the batches in `records` is torn, damaged, or refused by the topic's rules.
 * `name` is the partition's, `topic-partition`.
 */
export function validateRecords(
  records: Buffer,
  origin: 'client' | 'coordinator' | 'replication',
  config: LogConfig,
  nowMs: number,
  name: string,
): void {
  if (records.length < BATCH_OVERHEAD) {
    const text = `expected a record batch, saw ${records.length} bytes`;
    throw new ProtocolError(ErrorCode.CORRUPT_MESSAGE, text);
  }
  for (let at = 0; at < records.length; at += batchSize(records, at)) {
    const fault =
      origin === 'client'
        ? validateClientBatch(records, at, records.length)
        : validateBatch(records, at, records.length);
    if (fault !== null) throw new ProtocolError(fault.error, fault.reason);
    if (origin === 'client') checkStart(records, at);
  }
  if (origin === 'replication') return;
  if (origin === 'client' && batchSize(records, 0) !== records.length) {
    const text = 'expected exactly one record batch for a partition';
    throw new ProtocolError(ErrorCode.INVALID_RECORD, text);
  }
  for (let at = 0; at < records.length; at += batchSize(records, at)) {
    checkSize(batchSize(records, at), config);
    if (origin === 'client') checkRecords(records, at, config, nowMs, name);
  }
  if (records.length > config.segmentBytes) {
    throw new ProtocolError(
      ErrorCode.RECORD_LIST_TOO_LARGE,
      `${records.length} bytes do not fit into a segment of ${config.segmentBytes}`,
    );
  }
}

/** Offsets are the log's to give, and who has a producer id counts its records. */
function checkStart(records: Buffer, at: number): void {
  const offset = baseOffset(records, at);
  if (offset !== 0) {
    throw new ProtocolError(ErrorCode.INVALID_RECORD, `expected base offset 0, saw ${offset}`);
  }
  const sequence = baseSequence(records, at);
  if (producerId(records, at) >= 0 && sequence < 0) {
    throw new ProtocolError(ErrorCode.INVALID_RECORD, `sequence ${sequence} of a producer`);
  }
}

function checkSize(size: number, config: LogConfig): void {
  if (size <= config.maxMessageBytes) return;
  throw new ProtocolError(
    ErrorCode.MESSAGE_TOO_LARGE,
    `batch of ${size} bytes, at most ${config.maxMessageBytes} are allowed`,
  );
}

/** Rules that are about single records. They are looked at only where the header can't tell. */
function checkRecords(
  records: Buffer,
  at: number,
  config: LogConfig,
  nowMs: number,
  name: string,
): void {
  const keysNeeded = config.cleanupPolicy.includes('compact');
  const createTime = config.messageTimestampType === 'CreateTime';
  const latest = nowMs + config.messageTimestampAfterMaxMs;
  const oldest = nowMs - config.messageTimestampBeforeMaxMs;
  const tooYoung = createTime && maxTimestamp(records, at) > latest;
  const mayBeTooOld = createTime && oldest > 0;
  // Only the log says that a time is its own; Kafka takes it as the producer's where the topic wants that.
  const misstamped = isLogAppendTime(attributes(records, at));
  if (!keysNeeded && !tooYoung && !mayBeTooOld && !misstamped) return;
  const errors: RecordError[] = [];
  let code: number = ErrorCode.INVALID_RECORD;
  let count = 0;
  let index = 0;
  const refuse = (why: () => string): void => {
    count++;
    if (errors.length < RECORD_ERRORS_MAX) {
      errors.push({ batchIndex: index, batchIndexErrorMessage: why() });
    }
  };
  visitRecords(records, at, (record) => {
    if (keysNeeded && record.keyEnd < 0) {
      refuse(() => `Compacted topic cannot accept message without key in topic partition ${name}`);
    } else if (misstamped) {
      code = ErrorCode.INVALID_TIMESTAMP;
      refuse(() => misstampedWords(index, maxTimestamp(records, at), record));
    } else if (createTime && record.timestamp >= 0 && isOutside(record.timestamp, oldest, latest)) {
      code = ErrorCode.INVALID_TIMESTAMP;
      refuse(
        () =>
          `Timestamp ${record.timestamp} of message with offset ${index} is out of range. The timestamp should be within ${timesAllowed(config, nowMs)}`,
      );
    }
    index++;
  });
  if (count > 0) throw new RecordsError(code, count, errors);
}

const misstampedWords = (index: number, timestamp: number, record: RecordView): string => {
  const key = Math.max(0, record.keyEnd - record.keyStart);
  const value = Math.max(0, record.valueEnd - record.valueStart);
  return `Invalid timestamp type in message DefaultRecord(offset=${index}, timestamp=${timestamp}, key=${key} bytes, value=${value} bytes). Producer should not set timestamp type to LogAppendTime.`;
};

const LARGEST = 2n ** 63n - 1n;

/** In Java's numbers: what has no limit is the largest of them, and a sum may overflow. */
function timesAllowed(config: LogConfig, nowMs: number): string {
  const java = (ms: number): bigint => (Number.isFinite(ms) ? BigInt(ms) : LARGEST);
  const now = BigInt(Math.trunc(nowMs));
  const oldest = BigInt.asIntN(64, now - java(config.messageTimestampBeforeMaxMs));
  const latest = BigInt.asIntN(64, now + java(config.messageTimestampAfterMaxMs));
  return `[${oldest}, ${latest}]`;
}

const isOutside = (value: number, low: number, high: number): boolean =>
  value < low || value > high;

/** `forEachPassingRecord`, with what does not decode as the protocol's error. */
function visitRecords(
  records: Buffer,
  at: number,
  visit: Parameters<typeof forEachPassingRecord>[2],
): void {
  try {
    forEachPassingRecord(records, at, visit);
  } catch (error) {
    throw new ProtocolError(ErrorCode.INVALID_RECORD, `records don't decode: ${reasonOf(error)}`);
  }
}

/** The batch as the topic's `compression.type` wants it: the same bytes, or packed anew. */
export function recompressed(records: Buffer, config: LogConfig): Buffer {
  const bits = attributes(records, 0);
  const name = config.compressionType;
  if (name === 'producer') return records;
  const target = name === 'uncompressed' ? CompressionType.none : CompressionType[name];
  if (compressionOf(bits) === target) return records;
  const builder = new RecordBatchBuilder({
    compression: target,
    level: config.compressionLevel,
    attributes: isTransactional(bits) ? BatchAttribute.transactional : 0,
    initialBytes: records.length,
  });
  visitRecords(records, 0, (record) => {
    const headers = record.buffer.subarray(record.headersStart, record.headersEnd);
    builder.append(record.timestamp, keyOf(record), valueOf(record), headers);
  });
  const batch = builder.build({
    id: producerId(records, 0),
    epoch: producerEpoch(records, 0),
    baseSequence: baseSequence(records, 0),
  });
  checkSize(batch.length, config);
  return batch;
}
