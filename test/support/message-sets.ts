/** Message sets as old senders write them, from the protocol guide of Kafka 0.8 and 0.10. */
import { crc32 } from 'node:zlib';
import { type CompressionCode, CompressionType, compress } from '../../src/protocol/compression.ts';

export interface OldMessage {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Of magic 1. */
  readonly timestamp?: number;
}

/** One message with its offset. */
export function oldMessage(
  magic: 0 | 1,
  { key, value, timestamp = -1 }: OldMessage,
  attributes = 0,
  offset = 0,
): Buffer {
  const field = (bytes: Buffer | null): Buffer => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes?.length ?? -1);
    return Buffer.concat([length, bytes ?? Buffer.alloc(0)]);
  };
  const time = Buffer.alloc(magic === 1 ? 8 : 0);
  if (magic === 1) time.writeBigInt64BE(BigInt(timestamp));
  const covered = Buffer.concat([Buffer.from([magic, attributes]), time, field(key), field(value)]);
  const head = Buffer.alloc(16);
  head.writeBigInt64BE(BigInt(offset), 0);
  head.writeInt32BE(4 + covered.length, 8);
  head.writeUInt32BE(crc32(covered), 12);
  return Buffer.concat([head, covered]);
}

/** A whole set; packed, it is one message around the set, whose offset is that of the last one. */
export function messageSet(
  magic: 0 | 1,
  messages: readonly OldMessage[],
  codec: CompressionCode = CompressionType.none,
): Buffer {
  // Offsets within a packed set count from 0 in magic 1, and in magic 0 as the sender likes.
  const plain = Buffer.concat(messages.map((m, i) => oldMessage(magic, m, 0, i)));
  if (codec === CompressionType.none) return plain;
  const packed = compress(codec, plain);
  // Of an lz4 frame, the checksum of its header is wrong in magic 0: it covers the frame's magic, too.
  if (magic === 0 && codec === CompressionType.lz4) packed[6]! ^= 0x5a;
  const timestamp = Math.max(...messages.map((m) => m.timestamp ?? -1));
  const outer = { key: null, value: packed, timestamp };
  return oldMessage(magic, outer, codec, messages.length - 1);
}
