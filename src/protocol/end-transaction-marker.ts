/**
 * The control batch that ends a transaction in a partition (KIP-98): one record, which says whether
 * the transaction was committed, and the epoch of the coordinator that has decided so.
 *
 * Key: int16 version 0, int16 type. Value: int16 version 0, int32 coordinator epoch.
 */
import {
  attributes,
  BatchAttribute,
  forEachRecord,
  isControl,
  recordCount,
} from './record-batch.ts';
import { RecordBatchBuilder } from './record-batch-builder.ts';

const VERSION = 0;
const TYPE_ABORT = 0;
const TYPE_COMMIT = 1;
const KEY_BYTES = 4;
const VALUE_BYTES = 6;
/** Of a control batch; its records are not counted. */
const NO_SEQUENCE = -1;

export interface EndTransactionMarker {
  readonly committed: boolean;
  readonly coordinatorEpoch: number;
}

export interface MarkerBatch extends EndTransactionMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

export function encodeMarkerBatch(marker: MarkerBatch): Buffer {
  const key = Buffer.alloc(KEY_BYTES);
  key.writeInt16BE(VERSION, 0);
  key.writeInt16BE(marker.committed ? TYPE_COMMIT : TYPE_ABORT, 2);
  const value = Buffer.alloc(VALUE_BYTES);
  value.writeInt16BE(VERSION, 0);
  value.writeInt32BE(marker.coordinatorEpoch, 2);
  const builder = new RecordBatchBuilder({
    attributes: BatchAttribute.transactional | BatchAttribute.control,
    initialBytes: 128,
  });
  builder.append(marker.timestamp, key, value);
  return builder.build({
    id: marker.producerId,
    epoch: marker.producerEpoch,
    baseSequence: NO_SEQUENCE,
  });
}

/**
 * The marker in the batch at `at`, which must have passed `validateBatch`; null when it is no such
 * batch, holds another kind of control record, or none any more (a cleaned log).
 */
export function readMarkerBatch(batch: Buffer, at: number): EndTransactionMarker | null {
  if (!isControl(attributes(batch, at)) || recordCount(batch, at) === 0) return null;
  let marker: EndTransactionMarker | null = null;
  forEachRecord(batch, at, ({ buffer, keyStart, keyEnd, valueStart, valueEnd }) => {
    if (keyEnd - keyStart < KEY_BYTES || valueEnd - valueStart < VALUE_BYTES) return false;
    const type = buffer.readInt16BE(keyStart + 2);
    if (type !== TYPE_ABORT && type !== TYPE_COMMIT) return false;
    const coordinatorEpoch = buffer.readInt32BE(valueStart + 2);
    marker = { committed: type === TYPE_COMMIT, coordinatorEpoch };
    return false;
  });
  return marker;
}
