/** What a client may do to the cluster, as Metadata and DescribeCluster tell it: a bit an operation. */
import { AclOperation, AclResource, CLUSTER_NAME } from '../protocol/acl.ts';
import type { RequestContext } from './handler.ts';

/** In place of a set of operations that nobody has asked for. */
export const NOT_ASKED = -0x8000_0000;

/** None at all for who may not describe the cluster. */
export function clusterOperations(isAsked: boolean, context: RequestContext): number {
  if (!isAsked) return NOT_ASKED;
  return context.mayToCluster(AclOperation.describe)
    ? context.operationsOn(AclResource.cluster, CLUSTER_NAME)
    : 0;
}
