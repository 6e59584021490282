/** ElectLeaders, v0-2: see `cluster/controller/elections.ts`. */
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import type {
  electLeadersRequest,
  electLeadersResponse,
} from '../../protocol/messages/43-elect-leaders.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';
import { forCluster } from './rights.ts';

type Request = Infer<typeof electLeadersRequest>;
type Response = Infer<typeof electLeadersResponse>;

export const electLeadersHandler = controllerHandler<Request, Response>(
  apis.get(43),
  forCluster(
    AclOperation.alter,
    async (request, context) => {
      const { controller, logger } = context.broker;
      try {
        return await controller.electLeaders(request);
      } catch (error) {
        const errorCode = codeOfError(error, logger);
        return { throttleTimeMs: 0, errorCode, replicaElectionResults: [] };
      }
    },
    (errorCode, { topicPartitions }) => ({
      throttleTimeMs: 0,
      errorCode,
      replicaElectionResults: (topicPartitions ?? []).map(({ topic, partitions }) => ({
        topic,
        partitionResult: partitions.map((partitionId) => ({
          ...{ partitionId, errorCode, errorMessage: null },
        })),
      })),
    }),
  ),
  ({ timeoutMs }) => timeoutMs,
);
