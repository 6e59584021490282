/**
 * AlterReplicaLogDirs (key 34): moves replicas to other log directories of their broker (KIP-113).
 *
 * Versions: 1 throttled after the answer · 2 flexible.
 */
import { array, int16, int32, message, string } from '../schema.ts';

export const alterReplicaLogDirsRequest = message(
  'AlterReplicaLogDirsRequest',
  { api: 34, min: 0, max: 2, flexible: 2 },
  {
    dirs: array({
      path: string,
      topics: array({ name: string, partitions: array(int32) }),
    }),
  },
);

export const alterReplicaLogDirsResponse = message(
  'AlterReplicaLogDirsResponse',
  { api: 34, min: 0, max: 2, flexible: 2 },
  {
    throttleTimeMs: int32,
    results: array({
      topicName: string,
      partitions: array({ partitionIndex: int32, errorCode: int16 }),
    }),
  },
);
