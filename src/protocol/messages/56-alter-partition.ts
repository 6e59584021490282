/**
 * AlterPartition (key 56): a leader tells the active controller who is in sync (KIP-497, KIP-704,
 * KIP-841).
 *
 * Versions: 3 with the epoch of every broker (KIP-903).
 */
import { array, int8, int16, int32, int64, message, uuid } from '../schema.ts';

const at = { api: 56, min: 2, max: 3, flexible: 0 } as const;

export const alterPartitionRequest = message('AlterPartitionRequest', at, {
  brokerId: int32,
  brokerEpoch: int64.default(-1),
  topics: array({
    topicId: uuid,
    partitions: array({
      partitionIndex: int32,
      leaderEpoch: int32,
      newIsr: array(int32).until(2),
      newIsrWithEpochs: array({ brokerId: int32, brokerEpoch: int64.default(-1) }).since(3),
      leaderRecoveryState: int8, // 0 recovered, 1 recovering from an unclean election.
      partitionEpoch: int32,
    }),
  }),
});

export const alterPartitionResponse = message('AlterPartitionResponse', at, {
  throttleTimeMs: int32,
  errorCode: int16,
  topics: array({
    topicId: uuid,
    partitions: array({
      partitionIndex: int32,
      errorCode: int16,
      leaderId: int32,
      leaderEpoch: int32,
      isr: array(int32),
      leaderRecoveryState: int8,
      partitionEpoch: int32,
    }),
  }),
});
