/** ElectLeaders, v0-2: see `cluster/controller/elections.ts`. */
import { apis } from '../../protocol/apis.ts';
import type {
  electLeadersRequest,
  electLeadersResponse,
} from '../../protocol/messages/43-elect-leaders.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';

type Request = Infer<typeof electLeadersRequest>;
type Response = Infer<typeof electLeadersResponse>;

export const electLeadersHandler = controllerHandler<Request, Response>(
  apis.get(43),
  async (request, context) => {
    const { controller, logger } = context.broker;
    try {
      return await controller.electLeaders(request);
    } catch (error) {
      const errorCode = codeOfError(error, logger);
      return { throttleTimeMs: 0, errorCode, replicaElectionResults: [] };
    }
  },
  ({ timeoutMs }) => timeoutMs,
);
