/**
 * The formats before record batch v2: message sets of magic 0 (Kafka 0.8) and 1 (0.10, with times).
 * Old senders and network appliances still write them; here they become one record batch, and are
 * never written (KIP-724 has Kafka itself refuse them since 4.0).
 *
 *   offset 8 | size 4 | crc-32 4 | magic 1 | attributes 1 | timestamp 8 (magic 1) | key | value
 *
 * Key and value are an int32 length (-1: null) and bytes. The CRC covers what follows it. A message
 * with a codec in its attributes holds, as its value, a set that was packed as a whole; offsets are
 * the broker's to give, so those in the sets mean nothing. Of lz4 in magic 0, the checksum in the
 * frame's header is wrong (KAFKA-3160), and is not looked at.
 */
import { crc32 } from 'node:zlib';
import { reasonOf } from '../base/errors.ts';
import { type CompressionCode, CompressionType, decompress } from './compression.ts';
import { ErrorCode, ProtocolError } from './error-codes.ts';
import { BatchAttribute, DECOMPRESSED_BYTES_MAX, NO_TIMESTAMP } from './record-batch.ts';
import { RecordBatchBuilder } from './record-batch-builder.ts';

const OFFSET_OF_SIZE = 8;
const OFFSET_OF_CRC = 12;
export const OFFSET_OF_SET_MAGIC = 16;
const OFFSET_OF_ATTRIBUTES = 17;
const LOG_OVERHEAD = 12;
const TIMESTAMP_BYTES = 8;
/** Checksum, magic, attributes and two lengths. */
const MESSAGE_BYTES_MIN = 14;
const CODEC_MASK = 0x07;
const LOG_APPEND_TIME_BIT = 0x08;

const corrupt = (text: string): ProtocolError => new ProtocolError(ErrorCode.CORRUPT_MESSAGE, text);
const invalid = (text: string): ProtocolError => new ProtocolError(ErrorCode.INVALID_RECORD, text);

/** A message set begins there, rather than a record batch. */
export const isMessageSet = (records: Buffer): boolean =>
  records.length > OFFSET_OF_SET_MAGIC && records.readInt8(OFFSET_OF_SET_MAGIC) < 2;

/** One message; the same object for each, so what must stay is to be copied. */
interface Message {
  magic: number;
  attributes: number;
  timestamp: number;
  key: Buffer | null;
  value: Buffer | null;
}

/**
 * The messages as one record batch with the codec that they came in. Throws CORRUPT_MESSAGE where a
 * length or checksum is wrong, INVALID_RECORD where the sets are not what the format allows,
 * UNSUPPORTED_COMPRESSION_TYPE.
 */
export function convertMessageSet(records: Buffer): Buffer {
  const { codec, isStamped } = outermost(records);
  const builder = new RecordBatchBuilder({
    compression: codec,
    attributes: isStamped ? BatchAttribute.logAppendTime : 0,
    initialBytes: records.length * 2,
  });
  forEachMessage(records, (message) => {
    const { key, value, timestamp } = message;
    const packedBy = message.attributes & CODEC_MASK;
    if (packedBy === CompressionType.none) return builder.append(timestamp, key, value);
    for (const inner of unpacked(message, packedBy)) {
      builder.append(inner.timestamp, inner.key, inner.value);
    }
  });
  if (builder.count === 0) throw invalid('a message set without messages');
  return builder.build();
}

/** What the first message says of all. */
function outermost(records: Buffer): { codec: CompressionCode; isStamped: boolean } {
  let bits = 0;
  let magic = 0;
  forEachMessage(records, (message) => {
    bits = message.attributes;
    magic = message.magic;
    return false;
  });
  const codec = bits & CODEC_MASK;
  checkCodec(codec);
  const isStamped = magic === 1 && (bits & LOG_APPEND_TIME_BIT) !== 0;
  return { codec: codec as CompressionCode, isStamped };
}

function checkCodec(codec: number): void {
  if (codec <= CompressionType.lz4) return;
  throw new ProtocolError(
    ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
    `a message set with compression ${codec}, expected one up to ${CompressionType.lz4} (lz4)`,
  );
}

/** The messages in the packed one; each is a copy of the one object that they are read into. */
function unpacked(outer: Message, codec: number): Message[] {
  checkCodec(codec);
  if (outer.value === null) throw invalid('a packed message without a value');
  const inside: Message[] = [];
  forEachMessage(unpack(codec, outer.value), (message) => {
    if (message.magic !== outer.magic) {
      throw invalid(`a message of magic ${message.magic} inside one of magic ${outer.magic}`);
    }
    if ((message.attributes & CODEC_MASK) !== CompressionType.none) {
      throw invalid('a packed message inside a packed one');
    }
    // With the time of the append, all have that of the outer one.
    const isStamped = (outer.attributes & LOG_APPEND_TIME_BIT) !== 0 && outer.magic === 1;
    inside.push({ ...message, timestamp: isStamped ? outer.timestamp : message.timestamp });
  });
  if (inside.length === 0) throw invalid('a packed message with nothing in it');
  return inside;
}

function unpack(codec: number, bytes: Buffer): Buffer {
  try {
    return decompress(codec, bytes, DECOMPRESSED_BYTES_MAX);
  } catch (error) {
    throw corrupt(`a packed message: ${reasonOf(error)}`);
  }
}

/** Visits the messages of one level, each checked; `false` from the visitor stops it. */
function forEachMessage(bytes: Buffer, visit: (message: Message) => boolean | void): void {
  const message: Message = { magic: 0, attributes: 0, timestamp: 0, key: null, value: null };
  for (let at = 0; at < bytes.length; ) {
    const left = bytes.length - at;
    if (left < LOG_OVERHEAD + MESSAGE_BYTES_MIN) {
      throw corrupt(`expected a message, saw ${left} bytes`);
    }
    const size = bytes.readInt32BE(at + OFFSET_OF_SIZE);
    if (size < MESSAGE_BYTES_MIN || size > left - LOG_OVERHEAD) {
      throw corrupt(`a message of ${size} bytes in ${left - LOG_OVERHEAD}`);
    }
    const end = at + LOG_OVERHEAD + size;
    read(bytes, at, end, message);
    if (visit(message) === false) return;
    at = end;
  }
}

function read(bytes: Buffer, at: number, end: number, message: Message): void {
  const expected = bytes.readUInt32BE(at + OFFSET_OF_CRC);
  const actual = crc32(bytes.subarray(at + OFFSET_OF_SET_MAGIC, end));
  if (expected !== actual) throw corrupt('CRC-32 of a message does not match');
  message.magic = bytes.readInt8(at + OFFSET_OF_SET_MAGIC);
  if (message.magic !== 0 && message.magic !== 1) {
    throw invalid(`a message of magic ${message.magic} in a message set`);
  }
  message.attributes = bytes.readInt8(at + OFFSET_OF_ATTRIBUTES);
  let next = at + OFFSET_OF_ATTRIBUTES + 1;
  message.timestamp = NO_TIMESTAMP;
  if (message.magic === 1) {
    if (next + TIMESTAMP_BYTES > end) throw corrupt('a message that ends before its timestamp');
    message.timestamp = Number(bytes.readBigInt64BE(next));
    if (!Number.isSafeInteger(message.timestamp) || message.timestamp < NO_TIMESTAMP) {
      throw invalid(`a message with timestamp ${message.timestamp}`);
    }
    next += TIMESTAMP_BYTES;
  }
  message.key = field(bytes, next, end);
  next += 4 + (message.key?.length ?? 0);
  message.value = field(bytes, next, end);
  next += 4 + (message.value?.length ?? 0);
  if (next !== end) throw corrupt(`a message with ${end - next} bytes behind its value`);
}

function field(bytes: Buffer, at: number, end: number): Buffer | null {
  if (at + 4 > end) throw corrupt('a message that ends before a length');
  const length = bytes.readInt32BE(at);
  if (length === -1) return null;
  if (length < -1 || length > end - at - 4) throw corrupt(`${length} bytes in a message`);
  return bytes.subarray(at + 4, at + 4 + length);
}
