/**
 * OffsetCommit, v2-10: a group stores how far it has read, of topics that the client may read.
 */
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  offsetCommitRequest,
  offsetCommitResponse,
} from '../../protocol/messages/08-offset-commit.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';
import { forGroup, splitByRight } from './rights.ts';

type Request = Infer<typeof offsetCommitRequest>;
type Response = Infer<typeof offsetCommitResponse>;
type Topic = Request['topics'][number];

/** From here on, topics go by their ids. */
const TOPIC_ID_VERSION = 10;

export const offsetCommitHandler = handler<Request, Response>(
  apis.get(8),
  forGroup(
    AclOperation.read,
    async (request, context) => {
      const { image } = context.broker;
      const byId = context.apiVersion >= TOPIC_ID_VERSION;
      // An id that is not known is nobody's, and told as such.
      const named = request.topics.filter((t) => !byId || image.topicById(t.topicId) !== undefined);
      const { refused } = splitByRight(
        context,
        AclOperation.read,
        AclResource.topic,
        named,
        ({ name, topicId }) => (byId ? image.topicById(topicId)!.name : name),
      );
      if (refused.length === 0) return context.groups.commitOffsets(request, context);
      const denied = new Set(refused);
      const topics = request.topics.filter((topic) => !denied.has(topic));
      const response = await context.groups.commitOffsets({ ...request, topics }, context);
      const failures = refused.map(failed(ErrorCode.TOPIC_AUTHORIZATION_FAILED));
      return { ...response, topics: [...response.topics, ...failures] };
    },
    (errorCode, { topics }) => ({ throttleTimeMs: 0, topics: topics.map(failed(errorCode)) }),
  ),
);

const failed =
  (errorCode: number) =>
  ({ name, topicId, partitions }: Topic): Response['topics'][number] => ({
    name,
    topicId,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  });
