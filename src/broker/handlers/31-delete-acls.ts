/** DeleteAcls, v0-3: takes away the rules of access control that match filters, and names them. */
import {
  type AclFilter,
  AclOperation,
  AclResource,
  aclFilterOf,
  CLUSTER_NAME,
} from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  deleteAclsRequest,
  deleteAclsResponse,
} from '../../protocol/messages/31-delete-acls.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';
import { checkKnown, SECURITY_DISABLED } from './acl-requests.ts';
import { CLUSTER_DENIED } from './rights.ts';

type Request = Infer<typeof deleteAclsRequest>;
type Response = Infer<typeof deleteAclsResponse>;
type Matching = Response['filterResults'][number]['matchingAcls'][number];

const NONE = { errorCode: ErrorCode.NONE, errorMessage: null };

export const deleteAclsHandler = controllerHandler<Request, Response>(
  apis.get(31),
  async (request, context) => {
    const filters = filtersOf(request);
    const all = (errorCode: number, errorMessage: string | null): Response => ({
      throttleTimeMs: 0,
      filterResults: filters.map(() => ({ errorCode, errorMessage, matchingAcls: [] })),
    });
    if (!context.may(AclOperation.alter, AclResource.cluster, CLUSTER_NAME)) {
      return all(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, CLUSTER_DENIED);
    }
    if (context.broker.access === null) {
      return all(ErrorCode.SECURITY_DISABLED, SECURITY_DISABLED);
    }
    try {
      const outcomes = await context.broker.controller.deleteAcls(filters);
      const filterResults = outcomes.map((outcome) => {
        if (outcome instanceof ProtocolError) {
          return { errorCode: outcome.code, errorMessage: outcome.message, matchingAcls: [] };
        }
        return { ...NONE, matchingAcls: outcome.map((acl): Matching => ({ ...NONE, ...acl })) };
      });
      return { throttleTimeMs: 0, filterResults };
    } catch (error) {
      return all(codeOfError(error, context.broker.logger), messageOfError(error));
    }
  },
  undefined,
  (request) => checkKnown(filtersOf(request)),
);

const filtersOf = ({ filters }: Request): AclFilter[] => filters.map(aclFilterOf);
