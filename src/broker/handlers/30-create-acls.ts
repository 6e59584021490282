/** CreateAcls, v0-3: adds rules of access control; one that is there already is a success. */
import {
  type Acl,
  AclOperation,
  AclPattern,
  AclPermission,
  AclResource,
  CLUSTER_NAME,
} from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  createAclsRequest,
  createAclsResponse,
} from '../../protocol/messages/30-create-acls.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';
import { checkKnown, SECURITY_DISABLED } from './acl-requests.ts';
import { CLUSTER_DENIED } from './rights.ts';

type Request = Infer<typeof createAclsRequest>;
type Response = Infer<typeof createAclsResponse>;

export const createAclsHandler = controllerHandler<Request, Response>(
  apis.get(30),
  async (request, context) => {
    const acls = aclsOf(request);
    const all = (errorCode: number, errorMessage: string | null): Response => ({
      throttleTimeMs: 0,
      results: acls.map(() => ({ errorCode, errorMessage })),
    });
    if (!context.may(AclOperation.alter, AclResource.cluster, CLUSTER_NAME)) {
      return all(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, CLUSTER_DENIED);
    }
    if (context.broker.access === null) {
      return all(ErrorCode.SECURITY_DISABLED, SECURITY_DISABLED);
    }
    if (acls.some(isFilter)) return all(ErrorCode.UNKNOWN_SERVER_ERROR, null);
    try {
      const outcomes = await context.broker.controller.createAcls(acls);
      const results = outcomes.map((error) => ({
        errorCode: error?.code ?? ErrorCode.NONE,
        errorMessage: error?.message ?? '',
      }));
      return { throttleTimeMs: 0, results };
    } catch (error) {
      return all(codeOfError(error, context.broker.logger), messageOfError(error));
    }
  },
  undefined,
  (request) => checkKnown(aclsOf(request)),
);

const aclsOf = ({ creations }: Request): Acl[] =>
  creations.map(({ resourcePatternType: patternType, ...rest }) => ({ ...rest, patternType }));

/** Kafka's constructors of rules throw on what only a filter may have. */
const isFilter = (acl: Acl): boolean =>
  acl.resourceType === AclResource.any ||
  acl.patternType === AclPattern.any ||
  acl.patternType === AclPattern.match ||
  acl.operation === AclOperation.any ||
  acl.permissionType === AclPermission.any;
