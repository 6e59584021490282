/**
 * Messages that are stored rather than sent: an int16 version, then the body. In a key the version
 * also tells the type of the record.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { codec } from '../codec.ts';
import type { Message } from '../schema.ts';

const VERSION_BYTES = 2;

export function encodeVersioned<T>(message: Message<T>, version: number, value: T): Buffer {
  const writer = new ByteWriter();
  writer.int16(version);
  codec(message, version).write(writer, value);
  return writer.toBuffer();
}

/**
 * Throws RangeError on bytes that are no such message and on a version below the lowest. A version above the
 * highest is read as the highest, as Kafka's consumer protocol asks: newer ones only append fields.
 * Where that does not hold (`__consumer_offsets`), look at `storedVersion` first.
 */
export function decodeVersioned<T>(message: Message<T>, bytes: Buffer): T {
  const version = storedVersion(bytes);
  const reader = new ByteReader(bytes, VERSION_BYTES);
  return codec(message, Math.min(version, message.max)).read(reader);
}

/** The version that leads `bytes`; RangeError when there is none. */
export const storedVersion = (bytes: Buffer): number => bytes.readInt16BE(0);
