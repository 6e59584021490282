/** ListPartitionReassignments, v0: see `cluster/controller/reassignments.ts`. */
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import type {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from '../../protocol/messages/46-list-partition-reassignments.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';
import { CLUSTER_DENIED, forCluster } from './rights.ts';

type Request = Infer<typeof listPartitionReassignmentsRequest>;
type Response = Infer<typeof listPartitionReassignmentsResponse>;

export const listPartitionReassignmentsHandler = controllerHandler<Request, Response>(
  apis.get(46),
  forCluster(
    AclOperation.describe,
    async (request, context) => {
      const { controller, logger } = context.broker;
      try {
        return await controller.listReassignments(request);
      } catch (error) {
        const errorCode = codeOfError(error, logger);
        return { throttleTimeMs: 0, errorCode, errorMessage: messageOfError(error), topics: [] };
      }
    },
    (errorCode, { topics }) => ({
      ...{ throttleTimeMs: 0, errorCode, errorMessage: CLUSTER_DENIED },
      topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => ({
          ...{ partitionIndex, replicas: [], addingReplicas: [], removingReplicas: [] },
        })),
      })),
    }),
  ),
  ({ timeoutMs }) => timeoutMs,
);
