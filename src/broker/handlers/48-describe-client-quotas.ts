/** DescribeClientQuotas, v0-1: quotas that are set, of the entities that match all of the filter. */
import type { QuotaImage } from '../../cluster/quota-images.ts';
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  describeClientQuotasRequest,
  describeClientQuotasResponse,
} from '../../protocol/messages/48-describe-client-quotas.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';
import { forCluster } from './rights.ts';

type Request = Infer<typeof describeClientQuotasRequest>;
type Response = Infer<typeof describeClientQuotasResponse>;

const EXACT = 0;
const DEFAULT = 1;
const SPECIFIED = 2;

const IP = 'ip';
const types: readonly string[] = [IP, 'user', 'client-id'];

export const describeClientQuotasHandler = handler<Request, Response>(
  apis.get(48),
  forCluster<Request, Response>(
    AclOperation.describeConfigs,
    (request, context) => {
      const problem = problemOf(request);
      if (problem !== null) return failed(problem.code, problem.message);
      const entries = [...context.broker.image.quotas.values()]
        .filter((quota) => isMatch(quota, request))
        .map(({ entity, values }) => ({
          entity: [...entity],
          values: [...values].map(([key, value]) => ({ key, value })),
        }));
      return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: '', entries };
    },
    (errorCode) => failed(errorCode, null),
  ),
);

const failed = (errorCode: number, errorMessage: string | null): Response => ({
  ...{ throttleTimeMs: 0, errorCode, errorMessage, entries: null },
});

const invalid = (message: string): ProtocolError =>
  new ProtocolError(ErrorCode.INVALID_REQUEST, message);

function problemOf({ components }: Request): ProtocolError | null {
  const seen = new Set<string>();
  for (const { entityType, matchType, match } of components) {
    if (entityType === '') return invalid('Invalid empty entity type.');
    if (seen.has(entityType)) {
      return invalid(`Entity type ${entityType} cannot appear more than once in the filter.`);
    }
    seen.add(entityType);
    if (!types.includes(entityType)) {
      const message = `Unsupported entity type ${entityType}`;
      return new ProtocolError(ErrorCode.UNSUPPORTED_VERSION, message);
    }
    if (matchType === EXACT && match === null) {
      return invalid('Request specified MATCH_TYPE_EXACT, but set match string to null.');
    }
    if ((matchType === DEFAULT || matchType === SPECIFIED) && match !== null) {
      const name = matchType === DEFAULT ? 'MATCH_TYPE_DEFAULT' : 'MATCH_TYPE_SPECIFIED';
      return invalid(`Request specified ${name}, but also specified a match string.`);
    }
    if (matchType < EXACT || matchType > SPECIFIED) {
      return invalid(`Unknown match type ${matchType}`);
    }
  }
  return seen.has(IP) && seen.size > 1
    ? invalid(
        'Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.',
      )
    : null;
}

function isMatch({ entity }: QuotaImage, { components, strict }: Request): boolean {
  if (strict && entity.length !== components.length) return false;
  return components.every(({ entityType, matchType, match }) => {
    const part = entity.find((candidate) => candidate.entityType === entityType);
    return part !== undefined && (matchType === SPECIFIED || part.entityName === match);
  });
}
