/** AssignReplicasToDirs, v0, from other brokers: see `cluster/controller/assign-replicas.ts`. */
import { apis } from '../../protocol/apis.ts';
import type {
  assignReplicasToDirsRequest,
  assignReplicasToDirsResponse,
} from '../../protocol/messages/73-assign-replicas-to-dirs.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';

type Request = Infer<typeof assignReplicasToDirsRequest>;
type Response = Infer<typeof assignReplicasToDirsResponse>;

export const assignReplicasToDirsHandler = controllerHandler<Request, Response>(
  apis.get(73),
  async (request, context) => {
    const { controller, logger } = context.broker;
    try {
      return await controller.assignReplicas(request);
    } catch (error) {
      return { throttleTimeMs: 0, errorCode: codeOfError(error, logger), directories: [] };
    }
  },
);
