/**
 * Record batch v2 (KIP-98): the unit that producers send, the log stores and consumers get.
 *
 * A batch is bytes from end to end. What the broker needs of it is in its header of 61 bytes,
 * read and patched in place by the accessors here, each of which takes a buffer and the batch's
 * position in it:
 *
 *   baseOffset 8 | batchLength 4 | partitionLeaderEpoch 4 | magic 1 | crc 4 | attributes 2 |
 *   lastOffsetDelta 4 | baseTimestamp 8 | maxTimestamp 8 | producerId 8 | producerEpoch 2 |
 *   baseSequence 4 | recordCount 4 | records, compressed as a whole
 *
 * The CRC-32C covers everything from `attributes` on, so base offset and leader epoch are patched
 * without touching it. `validateBatch` must have passed before another accessor is believed.
 */
import { crc32c } from '../base/crc32c.ts';
import { CompressionType, decompress, release } from './compression.ts';
import { ErrorCode } from './error-codes.ts';

/** Base offset and length: what precedes the bytes that `batchLength` counts. */
export const LOG_OVERHEAD = 12;
/** The whole header. */
export const BATCH_OVERHEAD = 61;
export const MAGIC = 2;
export const NO_PRODUCER_ID = -1;
export const NO_TIMESTAMP = -1;

export const OFFSET_OF_LENGTH = 8;
const OFFSET_OF_EPOCH = 12;
export const OFFSET_OF_MAGIC = 16;
const OFFSET_OF_CRC = 17;
const OFFSET_OF_ATTRIBUTES = 21;
const OFFSET_OF_LAST_DELTA = 23;
const OFFSET_OF_BASE_TIMESTAMP = 27;
const OFFSET_OF_MAX_TIMESTAMP = 35;
const OFFSET_OF_PRODUCER_ID = 43;
const OFFSET_OF_PRODUCER_EPOCH = 51;
const OFFSET_OF_BASE_SEQUENCE = 53;
const OFFSET_OF_COUNT = 57;

const COMPRESSION_MASK = 0x07;
const LOG_APPEND_TIME_BIT = 0x08;
const TRANSACTIONAL_BIT = 0x10;
const CONTROL_BIT = 0x20;
const DELETE_HORIZON_BIT = 0x40;

/** Attribute bits of a batch, for builders. */
export const BatchAttribute = {
  logAppendTime: LOG_APPEND_TIME_BIT,
  transactional: TRANSACTIONAL_BIT,
  control: CONTROL_BIT,
  /** The base timestamp says when tombstones and markers of the batch may go (KIP-534). */
  deleteHorizon: DELETE_HORIZON_BIT,
} as const;

const int64At = (b: Buffer, at: number): number =>
  b.readInt32BE(at) * 0x1_0000_0000 + b.readUInt32BE(at + 4);

export function writeInt64(b: Buffer, value: number, at: number): void {
  b.writeInt32BE(Math.floor(value / 0x1_0000_0000), at);
  b.writeUInt32BE(value >>> 0, at + 4);
}

export const baseOffset = (b: Buffer, p: number): number => int64At(b, p);
export const setBaseOffset = (b: Buffer, p: number, value: number): void => writeInt64(b, value, p);
/** Value of the length field: the bytes behind it. */
export const batchLength = (b: Buffer, p: number): number => b.readInt32BE(p + OFFSET_OF_LENGTH);
/** Bytes of the whole batch. */
export const batchSize = (b: Buffer, p: number): number => LOG_OVERHEAD + batchLength(b, p);
export const partitionLeaderEpoch = (b: Buffer, p: number): number =>
  b.readInt32BE(p + OFFSET_OF_EPOCH);
export const setPartitionLeaderEpoch = (b: Buffer, p: number, value: number): void => {
  b.writeInt32BE(value, p + OFFSET_OF_EPOCH);
};
export const magic = (b: Buffer, p: number): number => b.readInt8(p + OFFSET_OF_MAGIC);
export const crc = (b: Buffer, p: number): number => b.readUInt32BE(p + OFFSET_OF_CRC);
export const attributes = (b: Buffer, p: number): number => b.readInt16BE(p + OFFSET_OF_ATTRIBUTES);
export const lastOffsetDelta = (b: Buffer, p: number): number =>
  b.readInt32BE(p + OFFSET_OF_LAST_DELTA);
export const lastOffset = (b: Buffer, p: number): number =>
  baseOffset(b, p) + lastOffsetDelta(b, p);
export const baseTimestamp = (b: Buffer, p: number): number =>
  int64At(b, p + OFFSET_OF_BASE_TIMESTAMP);
export const maxTimestamp = (b: Buffer, p: number): number =>
  int64At(b, p + OFFSET_OF_MAX_TIMESTAMP);
export const producerId = (b: Buffer, p: number): number => int64At(b, p + OFFSET_OF_PRODUCER_ID);
export const producerEpoch = (b: Buffer, p: number): number =>
  b.readInt16BE(p + OFFSET_OF_PRODUCER_EPOCH);
export const baseSequence = (b: Buffer, p: number): number =>
  b.readInt32BE(p + OFFSET_OF_BASE_SEQUENCE);
export const recordCount = (b: Buffer, p: number): number => b.readInt32BE(p + OFFSET_OF_COUNT);

export const setAttributes = (b: Buffer, p: number, bits: number): void => {
  b.writeInt16BE(bits, p + OFFSET_OF_ATTRIBUTES);
};
export const setBaseTimestamp = (b: Buffer, p: number, value: number): void =>
  writeInt64(b, value, p + OFFSET_OF_BASE_TIMESTAMP);
export const setMaxTimestamp = (b: Buffer, p: number, value: number): void =>
  writeInt64(b, value, p + OFFSET_OF_MAX_TIMESTAMP);
export const setRecordCount = (b: Buffer, p: number, value: number): void => {
  b.writeInt32BE(value, p + OFFSET_OF_COUNT);
};

export const compressionOf = (attributeBits: number): number => attributeBits & COMPRESSION_MASK;
export const isLogAppendTime = (attributeBits: number): boolean =>
  (attributeBits & LOG_APPEND_TIME_BIT) !== 0;
export const isTransactional = (attributeBits: number): boolean =>
  (attributeBits & TRANSACTIONAL_BIT) !== 0;
export const isControl = (attributeBits: number): boolean => (attributeBits & CONTROL_BIT) !== 0;
export const hasDeleteHorizon = (attributeBits: number): boolean =>
  (attributeBits & DELETE_HORIZON_BIT) !== 0;

const contents = (b: Buffer, p: number): Buffer =>
  b.subarray(p + OFFSET_OF_ATTRIBUTES, p + batchSize(b, p));

export const verifyCrc = (b: Buffer, p: number): boolean => crc32c(contents(b, p)) === crc(b, p);

/** Writes the checksum of what lies there: the last thing to do to a batch. */
export const seal = (b: Buffer, p: number): void => {
  b.writeUInt32BE(crc32c(contents(b, p)), p + OFFSET_OF_CRC);
};

/** The batch's records all get `time` (`message.timestamp.type=LogAppendTime`). */
export function setLogAppendTime(b: Buffer, p: number, time: number): void {
  b.writeInt16BE(attributes(b, p) | LOG_APPEND_TIME_BIT, p + OFFSET_OF_ATTRIBUTES);
  writeInt64(b, time, p + OFFSET_OF_MAX_TIMESTAMP);
  seal(b, p);
}

export interface BatchFault {
  /** A Kafka error code: CORRUPT_MESSAGE, INVALID_RECORD, UNSUPPORTED_COMPRESSION_TYPE. */
  readonly error: number;
  readonly reason: string;
}

const corrupt = (reason: string): BatchFault => ({ error: ErrorCode.CORRUPT_MESSAGE, reason });
const invalid = (reason: string): BatchFault => ({ error: ErrorCode.INVALID_RECORD, reason });

/** Checks that a whole, undamaged v2 batch lies at `p`, before `end`. Null: it does. */
export function validateBatch(b: Buffer, p: number, end: number): BatchFault | null {
  if (end - p < BATCH_OVERHEAD) {
    return corrupt(`expected a batch header of ${BATCH_OVERHEAD} bytes, saw ${end - p}`);
  }
  const version = magic(b, p);
  if (version !== MAGIC) return corrupt(`expected magic ${MAGIC}, saw ${version}`);
  const size = batchSize(b, p);
  if (size < BATCH_OVERHEAD || size > end - p) {
    return corrupt(`batch of ${size} bytes in ${end - p}`);
  }
  if (!verifyCrc(b, p)) return corrupt('CRC-32C does not match');
  if (recordCount(b, p) < 0 || lastOffsetDelta(b, p) < 0) {
    return corrupt(`${recordCount(b, p)} records up to delta ${lastOffsetDelta(b, p)}`);
  }
  return null;
}

/**
 * What a client's batch must fulfil beyond being whole: at least one record, offsets without gaps,
 * a known codec, no control batch, sane timestamps (Kafka's LogValidator) and a sane producer id.
 */
export function validateClientBatch(b: Buffer, p: number, end: number): BatchFault | null {
  const fault = validateBatch(b, p, end);
  if (fault !== null) return fault;
  const bits = attributes(b, p);
  if (isControl(bits)) return invalid('clients must not send control batches');
  if (compressionOf(bits) > CompressionType.zstd) {
    return {
      error: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
      reason: `unknown compression ${compressionOf(bits)}`,
    };
  }
  const count = recordCount(b, p);
  if (count < 1) return invalid('batch without records');
  if (lastOffsetDelta(b, p) !== count - 1) {
    return invalid(`${count} records, but last offset delta ${lastOffsetDelta(b, p)}`);
  }
  const latest = maxTimestamp(b, p);
  if (!Number.isSafeInteger(latest) || latest < NO_TIMESTAMP) return invalid(`timestamp ${latest}`);
  const producer = producerId(b, p);
  // No cluster gives such an id, and what is kept of producers could not hold it.
  if (!Number.isSafeInteger(producer)) return invalid(`producer id ${producer}`);
  if (isTransactional(bits) && producer < 0) {
    return invalid('transactional batch without producer id');
  }
  return null;
}

export interface Header {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** Headers in their wire form: encode once what many records share. */
export function encodeHeaders(headers: readonly Header[]): Buffer {
  let size = varintSize(headers.length);
  for (const { key, value } of headers) {
    const keyBytes = Buffer.byteLength(key);
    size += varintSize(keyBytes) + keyBytes;
    size += value === null ? 1 : varintSize(value.length) + value.length;
  }
  const out = Buffer.allocUnsafe(size);
  let at = writeVarint(out, headers.length, 0);
  for (const { key, value } of headers) {
    at = writeVarint(out, Buffer.byteLength(key), at);
    at += out.write(key, at, 'utf8');
    at = writeVarint(out, value === null ? -1 : value.length, at);
    if (value !== null) {
      out.set(value, at);
      at += value.length;
    }
  }
  return out;
}

export const NO_HEADERS: Buffer = encodeHeaders([]);

/** One record of a decompressed batch; the same object for every record, so copy what must stay. */
export interface RecordView {
  /** Absolute offset. */
  offset: number;
  /** Milliseconds since 1970; the batch's time when it has log append time. */
  timestamp: number;
  /** Holds key and value; `[start, end)` each, `end` -1 for null. */
  buffer: Buffer;
  keyStart: number;
  keyEnd: number;
  valueStart: number;
  valueEnd: number;
  headersStart: number;
  headersEnd: number;
}

export const keyOf = (r: RecordView): Buffer | null =>
  r.keyEnd < 0 ? null : r.buffer.subarray(r.keyStart, r.keyEnd);
export const valueOf = (r: RecordView): Buffer | null =>
  r.valueEnd < 0 ? null : r.buffer.subarray(r.valueStart, r.valueEnd);

export function headersOf(r: RecordView): Header[] {
  const cursor: Cursor = { at: r.headersStart };
  const headers: Header[] = [];
  for (let n = readVarint(r.buffer, cursor, r.headersEnd); n > 0; n--) {
    const key = readSlice(r.buffer, cursor, r.headersEnd);
    if (key === null) throw new RangeError('null header key');
    headers.push({
      key: key.toString('utf8'),
      value: readSlice(r.buffer, cursor, r.headersEnd),
    });
  }
  return headers;
}

/** The most one batch may unpack to; beyond it the batch is refused as a bomb. */
export const DECOMPRESSED_BYTES_MAX = 128 * 1024 * 1024;

/** The records of a batch, decompressed; a view where there is no compression. */
export function recordBytes(b: Buffer, p: number, maxBytes = DECOMPRESSED_BYTES_MAX): Buffer {
  const packed = b.subarray(p + BATCH_OVERHEAD, p + batchSize(b, p));
  return decompress(compressionOf(attributes(b, p)), packed, maxBytes);
}

/**
 * Calls `visit` for every record of the batch at `p`, which must have passed `validateBatch`.
 * `visit` may return false to stop. Throws RangeError where the records are not what the header
 * says they are.
 */
export function forEachRecord(
  b: Buffer,
  p: number,
  visit: (record: RecordView) => boolean | void,
  maxBytes = DECOMPRESSED_BYTES_MAX,
): void {
  visitRecords(recordBytes(b, p, maxBytes), b, p, visit);
}

/**
 * The same for a `visit` that keeps no view of the bytes: they are gone when this returns, and
 * large batches in a row cost no garbage collections.
 */
export function forEachPassingRecord(
  b: Buffer,
  p: number,
  visit: (record: RecordView) => boolean | void,
  maxBytes = DECOMPRESSED_BYTES_MAX,
): void {
  const bytes = recordBytes(b, p, maxBytes);
  try {
    visitRecords(bytes, b, p, visit);
  } finally {
    release(bytes, b);
  }
}

function visitRecords(
  bytes: Buffer,
  b: Buffer,
  p: number,
  visit: (record: RecordView) => boolean | void,
): void {
  const count = recordCount(b, p);
  const firstOffset = baseOffset(b, p);
  const firstTimestamp = baseTimestamp(b, p);
  const appendTime = isLogAppendTime(attributes(b, p)) ? maxTimestamp(b, p) : NO_TIMESTAMP;
  const cursor: Cursor = { at: 0 };
  const view: RecordView = {
    offset: 0,
    timestamp: 0,
    buffer: bytes,
    keyStart: 0,
    keyEnd: 0,
    valueStart: 0,
    valueEnd: 0,
    headersStart: 0,
    headersEnd: 0,
  };
  for (let n = 0; n < count; n++) {
    const length = readVarint(bytes, cursor, bytes.length);
    const end = cursor.at + length;
    if (length < 0 || end > bytes.length) throw new RangeError(`record of ${length} bytes`);
    cursor.at++; // Attributes: none are defined.
    const timestampDelta = readVarlong(bytes, cursor, end);
    view.offset = firstOffset + readVarint(bytes, cursor, end);
    view.timestamp = appendTime === NO_TIMESTAMP ? firstTimestamp + timestampDelta : appendTime;
    const keyLength = readVarint(bytes, cursor, end);
    view.keyStart = cursor.at;
    view.keyEnd = keyLength < 0 ? -1 : (cursor.at += keyLength);
    const valueLength = readVarint(bytes, cursor, end);
    view.valueStart = cursor.at;
    view.valueEnd = valueLength < 0 ? -1 : (cursor.at += valueLength);
    view.headersStart = cursor.at;
    view.headersEnd = end;
    if (cursor.at > end) throw new RangeError(`record ${n} is longer than its ${length} bytes`);
    if (visit(view) === false) return;
    cursor.at = end;
  }
}

export interface Cursor {
  at: number;
}

function readUvarint(b: Buffer, c: Cursor, end: number): number {
  let value = 0;
  let shift = 0;
  let at = c.at;
  for (;;) {
    if (at >= end || shift > 28) throw new RangeError(`varint at ${c.at}`);
    const byte = b[at++]!;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
    shift += 7;
  }
  c.at = at;
  return value >>> 0;
}

/** A zigzag varint at the cursor, which moves behind it; RangeError when it does not end by `end`. */
export function readVarint(b: Buffer, c: Cursor, end: number): number {
  const value = readUvarint(b, c, end);
  return (value >>> 1) ^ -(value & 1);
}

export function readVarlong(b: Buffer, c: Cursor, end: number): number {
  const first = c.at < end ? b[c.at]! : 0x80;
  if (first < 0x80) {
    c.at++;
    return (first >>> 1) ^ -(first & 1);
  }
  let scale = 1;
  let value = 0;
  for (let at = c.at; at < end && at < c.at + 10; at++) {
    const byte = b[at]!;
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte < 0x80) {
      c.at = at + 1;
      // `first` has the sign; above 2^53 the sum is rounded, which no sane timestamp reaches.
      return (first & 1) === 1 ? -(value + 1) / 2 : value / 2;
    }
  }
  throw new RangeError(`varlong at ${c.at}`);
}

function readSlice(b: Buffer, c: Cursor, end: number): Buffer | null {
  const length = readVarint(b, c, end);
  if (length < 0) return null;
  if (length > end - c.at) throw new RangeError(`${length} bytes of ${end - c.at}`);
  c.at += length;
  return b.subarray(c.at - length, c.at);
}

/** Bytes that a zigzag varint takes. */
export function varintSize(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x20_0000) return 3;
  return zigzag < 0x1000_0000 ? 4 : 5;
}

/** Writes a zigzag varint at `at`; returns the position behind it. */
export function writeVarint(b: Buffer, value: number, at: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  while (zigzag > 0x7f) {
    b[at++] = (zigzag & 0x7f) | 0x80;
    zigzag >>>= 7;
  }
  b[at++] = zigzag;
  return at;
}

/** Zigzag of 64 bits, for values within 2^52. */
export function varlongSize(value: number): number {
  let zigzag = value < 0 ? -value * 2 - 1 : value * 2;
  let size = 1;
  while (zigzag > 0x7f) {
    zigzag = Math.floor(zigzag / 128);
    size++;
  }
  return size;
}

export function writeVarlong(b: Buffer, value: number, at: number): number {
  let zigzag = value < 0 ? -value * 2 - 1 : value * 2;
  while (zigzag > 0x7f) {
    b[at++] = (zigzag % 128) | 0x80;
    zigzag = Math.floor(zigzag / 128);
  }
  b[at++] = zigzag;
  return at;
}
