import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { type BatchMetadata, ProducerStateEntry } from './producer-state-entry.ts';

/**
 * The bytes of a `.snapshot` file, version 1: int16 version, uint32 CRC-32C of what follows it,
 * int32 count, then per producer: int64 id, int16 epoch, int32 last sequence, int64 last offset,
 * int32 offset delta, int64 timestamp, int32 coordinator epoch, int64 first offset of the open
 * transaction (-1: none). Kafka keeps only the last batch of a producer, and so a retry of an
 * earlier one that comes after a restart makes a duplicate there. Ours go on with the earlier
 * batches, which Kafka's readers pass over: int32 count, then per batch, oldest first: int32 index
 * of the producer, int32 last sequence, int64 last offset, int32 offset delta, int64 timestamp.
 */
const VERSION = 1;
const CRC_AT = 2;
const ENTRIES_AT = 6;
const ENTRY_BYTES = 46;
const EARLIER_BYTES = 28;

export function encodeSnapshot(entries: Iterable<ProducerStateEntry>): Buffer {
  const writer = new ByteWriter();
  writer.int16(VERSION);
  writer.int32(0);
  writer.int32(0);
  let count = 0;
  const earlier: { readonly index: number; readonly batch: BatchMetadata }[] = [];
  for (const entry of entries) {
    for (const batch of entry.batches.slice(0, -1)) earlier.push({ index: count, batch });
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
  if (earlier.length > 0) writer.int32(earlier.length);
  for (const { index, batch } of earlier) {
    writer.int32(index);
    writer.int32(batch.lastSequence);
    writer.int64(batch.lastOffset);
    writer.int32(batch.offsetDelta);
    writer.int64(batch.timestamp);
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
  const earlierAt = ENTRIES_AT + 4 + count * ENTRY_BYTES;
  if (count < 0 || bytes.length < earlierAt) return null;
  const earlier = decodeEarlier(bytes, earlierAt);
  if (earlier === null) return null;
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
    for (const batch of earlier.get(n) ?? []) {
      entry.addBatch(
        epoch,
        batch.lastSequence,
        batch.lastOffset,
        batch.offsetDelta,
        batch.timestamp,
      );
    }
    if (lastOffset >= 0) entry.addBatch(epoch, lastSequence, lastOffset, offsetDelta, timestamp);
    entry.lastTimestamp = timestamp;
    entries.push(entry);
  }
  return entries;
}

type EarlierBatch = Omit<BatchMetadata, 'firstSequence'>;

/** The batches before the last one, by index of their producer; null when they are damaged. */
function decodeEarlier(bytes: Buffer, at: number): Map<number, EarlierBatch[]> | null {
  const earlier = new Map<number, EarlierBatch[]>();
  if (bytes.length === at) return earlier;
  if (bytes.length < at + 4) return null;
  const count = bytes.readInt32BE(at);
  if (bytes.length !== at + 4 + count * EARLIER_BYTES) return null;
  const reader = new ByteReader(bytes, at + 4);
  for (let n = 0; n < count; n++) {
    const index = reader.int32();
    const lastSequence = reader.int32();
    const lastOffset = reader.int64();
    const batches = earlier.get(index) ?? [];
    batches.push({
      lastSequence,
      lastOffset,
      offsetDelta: reader.int32(),
      timestamp: reader.int64(),
    });
    earlier.set(index, batches);
  }
  return earlier;
}
