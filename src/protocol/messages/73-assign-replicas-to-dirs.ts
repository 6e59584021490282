/** AssignReplicasToDirs (key 73): a broker tells which of its directories hold which replicas (KIP-858). */
import { array, int16, int32, int64, message, uuid } from '../schema.ts';

const at = { api: 73, min: 0, max: 0, flexible: 0 } as const;

export const assignReplicasToDirsRequest = message('AssignReplicasToDirsRequest', at, {
  brokerId: int32,
  brokerEpoch: int64.default(-1),
  directories: array({
    id: uuid,
    topics: array({ topicId: uuid, partitions: array({ partitionIndex: int32 }) }),
  }),
});

export const assignReplicasToDirsResponse = message('AssignReplicasToDirsResponse', at, {
  throttleTimeMs: int32,
  errorCode: int16,
  directories: array({
    id: uuid,
    topics: array({
      topicId: uuid,
      partitions: array({ partitionIndex: int32, errorCode: int16 }),
    }),
  }),
});
