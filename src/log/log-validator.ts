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

/** A batch refused because of some of its records. */
export class RecordsError extends ProtocolError {
  override name = 'RecordsError';
  readonly recordErrors: readonly RecordError[];
  constructor(code: number, message: string, recordErrors: readonly RecordError[]) {
    super(code, message);
    this.recordErrors = recordErrors;
  }
}

/** Throws when one of the batches in `records` is torn, damaged, or refused by the topic's rules. */
export function validateRecords(
  records: Buffer,
  origin: 'client' | 'coordinator' | 'replication',
  config: LogConfig,
  nowMs: number,
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
    if (origin === 'client') checkRecords(records, at, config, nowMs);
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
function checkRecords(records: Buffer, at: number, config: LogConfig, nowMs: number): void {
  if (isLogAppendTime(attributes(records, at))) {
    const text = 'producers must not set log append time';
    throw new ProtocolError(ErrorCode.INVALID_TIMESTAMP, text);
  }
  const keysNeeded = config.cleanupPolicy.includes('compact');
  const createTime = config.messageTimestampType === 'CreateTime';
  const latest = nowMs + config.messageTimestampAfterMaxMs;
  const oldest = nowMs - config.messageTimestampBeforeMaxMs;
  const tooYoung = createTime && maxTimestamp(records, at) > latest;
  const mayBeTooOld = createTime && oldest > 0;
  if (!keysNeeded && !tooYoung && !mayBeTooOld) return;
  const errors: RecordError[] = [];
  let code: number = ErrorCode.NONE;
  let index = 0;
  const refuse = (why: number, message: string): void => {
    code = why;
    if (errors.length < RECORD_ERRORS_MAX) {
      errors.push({ batchIndex: index, batchIndexErrorMessage: message });
    }
  };
  visitRecords(records, at, (record) => {
    if (keysNeeded && record.keyEnd < 0) {
      refuse(ErrorCode.INVALID_RECORD, 'compacted topics take no record without a key');
    } else if (createTime && record.timestamp >= 0 && isOutside(record.timestamp, oldest, latest)) {
      const text = `timestamp ${record.timestamp} is not within [${oldest}, ${latest}]`;
      refuse(ErrorCode.INVALID_TIMESTAMP, text);
    }
    index++;
  });
  if (code !== ErrorCode.NONE) {
    throw new RecordsError(code, errors[0]!.batchIndexErrorMessage, errors);
  }
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
