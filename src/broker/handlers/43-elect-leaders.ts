/** ElectLeaders, v0-2: see `cluster/controller/elections.ts`. */
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import type {
  electLeadersRequest,
  electLeadersResponse,
} from '../../protocol/messages/43-elect-leaders.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';
import { CLUSTER_DENIED, forCluster } from './rights.ts';

type Request = Infer<typeof electLeadersRequest>;
type Response = Infer<typeof electLeadersResponse>;

/** The first version has no code but those of the partitions. */
const failed = (
  { topicPartitions }: Request,
  errorCode: number,
  errorMessage: string | null,
): Response => ({
  throttleTimeMs: 0,
  errorCode,
  replicaElectionResults: (topicPartitions ?? []).map(({ topic, partitions }) => ({
    topic,
    partitionResult: partitions.map((partitionId) => ({ partitionId, errorCode, errorMessage })),
  })),
});

export const electLeadersHandler = controllerHandler<Request, Response>(
  apis.get(43),
  forCluster(
    AclOperation.alter,
    async (request, context) => {
      const { controller, logger } = context.broker;
      try {
        return await controller.electLeaders(request);
      } catch (error) {
        return failed(request, codeOfError(error, logger), messageOfError(error));
      }
    },
    (errorCode, request) => failed(request, errorCode, CLUSTER_DENIED),
  ),
  ({ timeoutMs }) => timeoutMs,
);
