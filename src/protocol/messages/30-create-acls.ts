/**
 * CreateAcls (key 30): adds access control entries (KIP-140).
 *
 * Versions: 1 prefixed patterns (KIP-290), 2 flexible, 3 resource type User.
 */
import { AclPattern } from '../acl.ts';
import { array, int8, int16, int32, message, string } from '../schema.ts';

const at = { api: 30, min: 0, max: 3, flexible: 2 } as const;

export const createAclsRequest = message('CreateAclsRequest', at, {
  creations: array({
    resourceType: int8,
    resourceName: string,
    resourcePatternType: int8.since(1).default(AclPattern.literal),
    principal: string,
    host: string,
    operation: int8,
    permissionType: int8,
  }),
});

export const createAclsResponse = message('CreateAclsResponse', at, {
  throttleTimeMs: int32,
  results: array({ errorCode: int16, errorMessage: string.nullable() }),
});
