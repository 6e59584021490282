import type { PartitionImage } from '../../cluster/metadata-image.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';

/**
 * What Metadata and DescribeTopicPartitions tell of a partition. One whose log is not held, or is
 * offline, has no leader; its replicas are offline.
 */
export function describePartition(
  p: PartitionImage,
  held: { readonly isOffline: boolean } | null | undefined,
) {
  const offline = held?.isOffline !== false;
  return {
    errorCode: offline ? ErrorCode.LEADER_NOT_AVAILABLE : ErrorCode.NONE,
    partitionIndex: p.index,
    leaderId: offline ? -1 : p.leader,
    leaderEpoch: p.leaderEpoch,
    replicaNodes: [...p.replicas],
    isrNodes: [...p.isr],
    offlineReplicas: offline ? [...p.replicas] : [],
  };
}
