/** AlterPartitionReassignments, v0-1: see `cluster/controller/reassignments.ts`. */
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import type {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from '../../protocol/messages/45-alter-partition-reassignments.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';
import { CLUSTER_DENIED, forCluster } from './rights.ts';

type Request = Infer<typeof alterPartitionReassignmentsRequest>;
type Response = Infer<typeof alterPartitionReassignmentsResponse>;

export const alterPartitionReassignmentsHandler = controllerHandler<Request, Response>(
  apis.get(45),
  forCluster(
    AclOperation.alter,
    async (request, context) => {
      const { controller, logger } = context.broker;
      try {
        return await controller.alterReassignments(request);
      } catch (error) {
        return {
          throttleTimeMs: 0,
          allowReplicationFactorChange: request.allowReplicationFactorChange,
          errorCode: codeOfError(error, logger),
          errorMessage: messageOfError(error),
          responses: [],
        };
      }
    },
    (errorCode, { topics, allowReplicationFactorChange }) => ({
      ...{
        throttleTimeMs: 0,
        allowReplicationFactorChange,
        errorCode,
        errorMessage: CLUSTER_DENIED,
      },
      responses: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({
          ...{ partitionIndex, errorCode, errorMessage: CLUSTER_DENIED },
        })),
      })),
    }),
  ),
  ({ timeoutMs }) => timeoutMs,
);
