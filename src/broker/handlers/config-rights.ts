/** Which right a client needs to see or change the settings of a resource. */
import { ResourceType } from '../../cluster/metadata-image.ts';
import { AclResource, CLUSTER_NAME } from '../../protocol/acl.ts';
import type { RequestContext } from '../handler.ts';

/** Throws the error to answer. Of a type that there is not, the caller has something else to say. */
export function demandConfigRight(
  operation: number,
  resource: { readonly resourceType: number; readonly resourceName: string },
  context: RequestContext,
): void {
  const { resourceType, resourceName } = resource;
  switch (resourceType) {
    case ResourceType.topic:
      return context.demand(operation, AclResource.topic, resourceName);
    case ResourceType.group:
      return context.demand(operation, AclResource.group, resourceName);
    case ResourceType.broker:
    case ResourceType.brokerLogger:
    case ResourceType.clientMetrics:
      return context.demand(operation, AclResource.cluster, CLUSTER_NAME);
    default:
  }
}
