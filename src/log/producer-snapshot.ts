import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { ProducerStateEntry } from './producer-state-entry.ts';

/**
 * The bytes of a `.snapshot` file, version 1: int16 version, uint32 CRC-32C of what follows it,
 * int32 count, then per producer: int64 id, int16 epoch, int32 last sequence, int64 last offset,
 * int32 offset delta, int64 timestamp, int32 coordinator epoch, int64 first offset of the open
 * transaction (-1: none). Only the last batch of a producer is kept.
 */
const VERSION = 1;
const CRC_AT = 2;
const ENTRIES_AT = 6;
const ENTRY_BYTES = 46;

export function encodeSnapshot(entries: Iterable<ProducerStateEntry>): Buffer {
  const writer = new ByteWriter();
  writer.int16(VERSION);
  writer.int32(0);
  writer.int32(0);
  let count = 0;
  for (const entry of entries) {
    const last = entry.lastBatch;
    writer.int64(entry.producerId);
    writer.int16(entry.epoch);
    writer.int32(last?.lastSequence ?? -1);
    writer.int64(last?.lastOffset ?? -1);
    writer.int32(last?.offsetDelta ?? 0);
    writer.int64(entry.lastTimestamp);
    writer.int32(entry.coordinatorEpoch);
    writer.int64(entry.currentTxnFirstOffset);
    count++;
  }
  const bytes = writer.toBuffer();
  bytes.writeInt32BE(count, ENTRIES_AT);
  bytes.writeUInt32BE(crc32c(bytes.subarray(ENTRIES_AT)), CRC_AT);
  return bytes;
}

/** The producers in a snapshot, or null when it is damaged. */
export function decodeSnapshot(bytes: Buffer): ProducerStateEntry[] | null {
  if (bytes.length < ENTRIES_AT + 4 || bytes.readInt16BE(0) !== VERSION) return null;
  if (bytes.readUInt32BE(CRC_AT) !== crc32c(bytes.subarray(ENTRIES_AT))) return null;
  const count = bytes.readInt32BE(ENTRIES_AT);
  if (bytes.length !== ENTRIES_AT + 4 + count * ENTRY_BYTES) return null;
  const reader = new ByteReader(bytes, ENTRIES_AT + 4);
  const entries: ProducerStateEntry[] = [];
  for (let n = 0; n < count; n++) {
    const entry = new ProducerStateEntry(reader.int64());
    const epoch = reader.int16();
    const lastSequence = reader.int32();
    const lastOffset = reader.int64();
    const offsetDelta = reader.int32();
    const timestamp = reader.int64();
    entry.coordinatorEpoch = reader.int32();
    entry.currentTxnFirstOffset = reader.int64();
    entry.setEpoch(epoch);
    if (lastOffset >= 0) entry.addBatch(epoch, lastSequence, lastOffset, offsetDelta, timestamp);
    entry.lastTimestamp = timestamp;
    entries.push(entry);
  }
  return entries;
}
