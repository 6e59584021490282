/** OffsetDelete, v0: single offsets are forgotten (KIP-496). */
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  offsetDeleteRequest,
  offsetDeleteResponse,
} from '../../protocol/messages/47-offset-delete.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';
import { forGroup, splitByRight } from './rights.ts';

export const offsetDeleteHandler = handler<
  Infer<typeof offsetDeleteRequest>,
  Infer<typeof offsetDeleteResponse>
>(
  apis.get(47),
  forGroup(
    AclOperation.delete,
    async (request, context) => {
      const { allowed, refused } = splitByRight(
        context,
        AclOperation.read,
        AclResource.topic,
        request.topics,
        ({ name }) => name,
      );
      const response = await context.groups.deleteOffsets({ ...request, topics: [...allowed] });
      if (response.errorCode !== ErrorCode.NONE) return response;
      const errorCode = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
      const failures = refused.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      }));
      return { ...response, topics: [...response.topics, ...failures] };
    },
    (errorCode) => ({ errorCode, throttleTimeMs: 0, topics: [] }),
  ),
);
