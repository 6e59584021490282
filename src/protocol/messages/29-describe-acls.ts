/**
 * DescribeAcls (key 29): lists access control entries that match a filter (KIP-140).
 *
 * Versions: 1 prefixed patterns (KIP-290), 2 flexible, 3 resource type User.
 */
import { AclPattern } from '../acl.ts';
import { array, int8, int16, int32, message, string } from '../schema.ts';

const at = { api: 29, min: 0, max: 3, flexible: 2 } as const;

export const describeAclsRequest = message('DescribeAclsRequest', at, {
  resourceTypeFilter: int8,
  resourceNameFilter: string.nullable(),
  patternTypeFilter: int8.since(1).default(AclPattern.literal),
  principalFilter: string.nullable(),
  hostFilter: string.nullable(),
  operation: int8,
  permissionType: int8,
});

export const describeAclsResponse = message('DescribeAclsResponse', at, {
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: string.nullable(),
  resources: array({
    resourceType: int8,
    resourceName: string,
    patternType: int8.since(1).default(AclPattern.literal),
    acls: array({ principal: string, host: string, operation: int8, permissionType: int8 }),
  }),
});
