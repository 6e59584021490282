/**
 * FetchSnapshot (key 59): pieces of a snapshot of the metadata, for a follower that lacks records
 * which the leader's log no longer has (KIP-630). Always flexible.
 *
 * Versions: 1 directory id, the leader's address (KIP-853).
 */
import {
  array,
  int16,
  int32,
  int64,
  message,
  records,
  string,
  struct,
  uint16,
  uuid,
} from '../schema.ts';

export const fetchSnapshotRequest = message(
  'FetchSnapshotRequest',
  { api: 59, min: 0, max: 1, flexible: 0 },
  {
    clusterId: string.nullable().default(null).tag(0),
    replicaId: int32.default(-1),
    maxBytes: int32.default(0x7fff_ffff),
    topics: array({
      name: string,
      partitions: array({
        partition: int32,
        currentLeaderEpoch: int32,
        snapshotId: struct({ endOffset: int64, epoch: int32 }),
        position: int64,
        replicaDirectoryId: uuid.since(1).tag(0),
      }),
    }),
  },
);

export const fetchSnapshotResponse = message(
  'FetchSnapshotResponse',
  { api: 59, min: 0, max: 1, flexible: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    topics: array({
      name: string,
      partitions: array({
        index: int32,
        errorCode: int16,
        snapshotId: struct({ endOffset: int64, epoch: int32 }),
        currentLeader: struct({ leaderId: int32, leaderEpoch: int32 }).tag(0),
        size: int64,
        position: int64,
        // Bytes from anywhere in the file, and so not cut at the bounds of batches.
        // Never null.
        unalignedRecords: records.nullable(Infinity),
      }),
    }),
    nodeEndpoints: array({ nodeId: int32, host: string, port: uint16 }).since(1).tag(0),
  },
);
