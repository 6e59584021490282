/** AlterPartition, v2-3, from other brokers: see `cluster/controller/alter-partition.ts`. */
import { apis } from '../../protocol/apis.ts';
import type {
  alterPartitionRequest,
  alterPartitionResponse,
} from '../../protocol/messages/56-alter-partition.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';

type Request = Infer<typeof alterPartitionRequest>;
type Response = Infer<typeof alterPartitionResponse>;

export const alterPartitionHandler = controllerHandler<Request, Response>(
  apis.get(56),
  async (request, context) => {
    const { controller, logger } = context.broker;
    try {
      return await controller.alterPartition(request);
    } catch (error) {
      return { throttleTimeMs: 0, errorCode: codeOfError(error, logger), topics: [] };
    }
  },
);
