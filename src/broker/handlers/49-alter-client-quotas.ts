/** AlterClientQuotas, v0-1: see `cluster/controller/client-quotas.ts`. */
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  alterClientQuotasRequest,
  alterClientQuotasResponse,
} from '../../protocol/messages/49-alter-client-quotas.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';
import { CLUSTER_DENIED, forCluster } from './rights.ts';

type Request = Infer<typeof alterClientQuotasRequest>;
type Response = Infer<typeof alterClientQuotasResponse>;

export const alterClientQuotasHandler = controllerHandler<Request, Response>(
  apis.get(49),
  forCluster<Request, Response>(
    AclOperation.alterConfigs,
    async (request, context) => {
      const { controller, logger } = context.broker;
      try {
        const { entries, validateOnly } = request;
        const outcomes = await controller.alterClientQuotas(entries, validateOnly);
        return {
          throttleTimeMs: 0,
          entries: entries.map(({ entity }, i) => ({
            errorCode: outcomes[i]?.code ?? ErrorCode.NONE,
            errorMessage: outcomes[i]?.message ?? null,
            entity,
          })),
        };
      } catch (error) {
        return failed(codeOfError(error, logger), messageOfError(error), request);
      }
    },
    (errorCode, request) => failed(errorCode, CLUSTER_DENIED, request),
  ),
);

const failed = (
  errorCode: number,
  errorMessage: string | null,
  { entries }: Request,
): Response => ({
  throttleTimeMs: 0,
  entries: entries.map(({ entity }) => ({ errorCode, errorMessage, entity })),
});
