/**
 * OffsetDelete (key 47): forgets a group's offsets of single partitions (KIP-496). Never flexible.
 */
import { array, int16, int32, message, string } from '../schema.ts';

export const offsetDeleteRequest = message(
  'OffsetDeleteRequest',
  { api: 47, min: 0, max: 0 },
  {
    groupId: string,
    topics: array({
      name: string,
      partitions: array({ partitionIndex: int32 }),
    }),
  },
);

export const offsetDeleteResponse = message(
  'OffsetDeleteResponse',
  { api: 47, min: 0, max: 0 },
  {
    errorCode: int16,
    throttleTimeMs: int32,
    topics: array({
      name: string,
      partitions: array({ partitionIndex: int32, errorCode: int16 }),
    }),
  },
);
