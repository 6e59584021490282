/**
 * DeleteAcls (key 31): removes the access control entries that match filters (KIP-140).
 *
 * Versions: 1 prefixed patterns (KIP-290), 2 flexible, 3 resource type User.
 */
import { AclPattern } from '../acl.ts';
import { array, int8, int16, int32, message, string } from '../schema.ts';

const at = { api: 31, min: 0, max: 3, flexible: 2 } as const;

export const deleteAclsRequest = message('DeleteAclsRequest', at, {
  filters: array({
    resourceTypeFilter: int8,
    resourceNameFilter: string.nullable(),
    patternTypeFilter: int8.since(1).default(AclPattern.literal),
    principalFilter: string.nullable(),
    hostFilter: string.nullable(),
    operation: int8,
    permissionType: int8,
  }),
});

export const deleteAclsResponse = message('DeleteAclsResponse', at, {
  throttleTimeMs: int32,
  filterResults: array({
    errorCode: int16,
    errorMessage: string.nullable(),
    matchingAcls: array({
      errorCode: int16,
      errorMessage: string.nullable(),
      resourceType: int8,
      resourceName: string,
      patternType: int8.since(1).default(AclPattern.literal),
      principal: string,
      host: string,
      operation: int8,
      permissionType: int8,
    }),
  }),
});
