/**
 * DeleteRecords (key 21): moves the start of partitions up to an offset (KIP-107).
 *
 * Versions: 1 throttled after the answer · 2 flexible.
 */
import { array, int16, int32, int64, message, string } from '../schema.ts';

export const deleteRecordsRequest = message(
  'DeleteRecordsRequest',
  { api: 21, min: 0, max: 2, flexible: 2 },
  {
    topics: array({
      name: string,
      partitions: array({
        partitionIndex: int32,
        offset: int64, // -1: the high watermark.
      }),
    }),
    timeoutMs: int32,
  },
);

export const deleteRecordsResponse = message(
  'DeleteRecordsResponse',
  { api: 21, min: 0, max: 2, flexible: 2 },
  {
    throttleTimeMs: int32,
    topics: array({
      name: string,
      partitions: array({ partitionIndex: int32, lowWatermark: int64, errorCode: int16 }),
    }),
  },
);
