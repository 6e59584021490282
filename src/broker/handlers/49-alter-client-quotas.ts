/** AlterClientQuotas, v0-1: see `cluster/controller/client-quotas.ts`. */

import { quotaKey } from '../../cluster/quota-images.ts';
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
        const entries = entriesOf(request);
        const outcomes = await controller.alterClientQuotas(entries, request.validateOnly);
        // One answer an entity: where it is named again, that is refused, and told.
        const answers = new Map(
          entries.map(({ entity }, i) => [
            quotaKey(entity),
            {
              errorCode: outcomes[i]?.code ?? ErrorCode.NONE,
              errorMessage: outcomes[i]?.message ?? null,
              entity,
            },
          ]),
        );
        return { throttleTimeMs: 0, entries: [...answers.values()] };
      } catch (error) {
        return failed(codeOfError(error, logger), messageOfError(error), request);
      }
    },
    (errorCode, request) => failed(errorCode, CLUSTER_DENIED, request),
  ),
);

/** Of the parts of an entity that have the same type, the last one counts. */
const entriesOf = ({ entries }: Request): Request['entries'] =>
  entries.map((entry) => ({
    ...entry,
    entity: [...new Map(entry.entity.map((part) => [part.entityType, part])).values()],
  }));

const failed = (errorCode: number, errorMessage: string | null, request: Request): Response => ({
  throttleTimeMs: 0,
  entries: entriesOf(request).map(({ entity }) => ({ errorCode, errorMessage, entity })),
});
