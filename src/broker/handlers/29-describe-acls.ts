/** DescribeAcls, v0-3: the rules of access control that match a filter, by resource. */
import {
  type Acl,
  AclOperation,
  AclResource,
  aclFilterOf,
  CLUSTER_NAME,
  matches,
} from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  describeAclsRequest,
  describeAclsResponse,
} from '../../protocol/messages/29-describe-acls.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';
import { checkKnown } from './acl-requests.ts';
import { CLUSTER_DENIED } from './rights.ts';

type Request = Infer<typeof describeAclsRequest>;
type Response = Infer<typeof describeAclsResponse>;

export const describeAclsHandler = handler<Request, Response>(apis.get(29), (request, context) => {
  const filter = aclFilterOf(request);
  checkKnown([filter]);
  if (!context.may(AclOperation.describe, AclResource.cluster, CLUSTER_NAME)) {
    return answer(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, CLUSTER_DENIED);
  }
  if (context.broker.access === null) {
    return answer(ErrorCode.SECURITY_DISABLED, 'No Authorizer is configured on the broker');
  }
  const matching: Acl[] = [];
  for (const acl of context.broker.image.acls.values()) {
    if (matches(filter, acl)) matching.push(acl);
  }
  return { ...answer(ErrorCode.NONE, ''), resources: byResource(matching) };
});

const answer = (errorCode: number, errorMessage: string | null): Response => ({
  throttleTimeMs: 0,
  errorCode,
  errorMessage,
  resources: [],
});

function byResource(acls: readonly Acl[]): Response['resources'] {
  const resources = new Map<string, Response['resources'][number]>();
  for (const { resourceType, resourceName, patternType, ...entry } of acls) {
    const { principal, host, operation, permissionType } = entry;
    const key = `${resourceType}/${patternType}/${resourceName}`;
    let resource = resources.get(key);
    if (resource === undefined) {
      resource = { resourceType, resourceName, patternType, acls: [] };
      resources.set(key, resource);
    }
    resource.acls.push({ principal, host, operation, permissionType });
  }
  return [...resources.values()];
}
