/**
 * WriteTxnMarkers (key 27): a coordinator ends transactions in the partitions that a broker leads.
 *
 * Versions: 1 flexible · 2 version of the transaction (KIP-1228).
 */
import { array, bool, int8, int16, int32, int64, message, string } from '../schema.ts';

export const writeTxnMarkersRequest = message(
  'WriteTxnMarkersRequest',
  { api: 27, min: 1, max: 2, flexible: 1 },
  {
    markers: array({
      producerId: int64,
      producerEpoch: int16,
      transactionResult: bool, // True: committed.
      topics: array({ name: string, partitionIndexes: array(int32) }),
      coordinatorEpoch: int32,
      transactionVersion: int8.since(2),
    }),
  },
);

export const writeTxnMarkersResponse = message(
  'WriteTxnMarkersResponse',
  { api: 27, min: 1, max: 2, flexible: 1 },
  {
    markers: array({
      producerId: int64,
      topics: array({
        name: string,
        partitions: array({ partitionIndex: int32, errorCode: int16 }),
      }),
    }),
  },
);
