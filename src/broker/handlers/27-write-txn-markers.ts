/** WriteTxnMarkers, v1-2: a coordinator, or an administrator, ends transactions in our partitions. */
import { AclOperation, AclResource, CLUSTER_NAME } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  writeTxnMarkersRequest,
  writeTxnMarkersResponse,
} from '../../protocol/messages/27-write-txn-markers.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

export const writeTxnMarkersHandler = handler<
  Infer<typeof writeTxnMarkersRequest>,
  Infer<typeof writeTxnMarkersResponse>
>(apis.get(27), (request, context) => {
  const may =
    context.mayQuietly(AclOperation.alter, AclResource.cluster, CLUSTER_NAME) ||
    context.mayToCluster(AclOperation.clusterAction);
  if (may) return context.broker.markers.write(request);
  const errorCode = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
  return {
    markers: request.markers.map(({ producerId, topics }) => ({
      producerId,
      topics: topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => ({ partitionIndex, errorCode })),
      })),
    })),
  };
});
