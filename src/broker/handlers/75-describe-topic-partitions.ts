/**
 * DescribeTopicPartitions, v0 (KIP-966): topics in the order of their names, in pages: an answer
 * names at most so many partitions, and where the next one goes on.
 */

import { ZERO_UUID } from '../../base/bytes.ts';
import type { TopicImage } from '../../cluster/metadata-image.ts';
import { isInternal, topicNameFault } from '../../cluster/topic-names.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
} from '../../protocol/messages/75-describe-topic-partitions.ts';
import type { Infer } from '../../protocol/schema.ts';
import { NOT_ASKED } from '../authorized-operations.ts';
import { handler } from '../handler.ts';
import { PartitionDescriber } from './partition-description.ts';

type Request = Infer<typeof describeTopicPartitionsRequest>;
type Response = Infer<typeof describeTopicPartitionsResponse>;
type TopicAnswer = Response['topics'][number];

export const describeTopicPartitionsHandler = handler<Request, Response>(
  apis.get(75),
  (request, context) => {
    if (!isCursorGood(request)) return refusal(request);
    const { image, configs } = context.broker;
    const { cursor } = request;
    const fetchAll = request.topics.length === 0;
    const asked = fetchAll ? [...image.topics.keys()] : request.topics.map(({ name }) => name);
    const names = [...new Set(asked)]
      .sort()
      .filter((name) => cursor === null || name >= cursor.topicName);
    const allowed: string[] = [];
    const refused: TopicAnswer[] = [];
    for (const name of names) {
      const may = fetchAll
        ? context.mayQuietly(AclOperation.describe, AclResource.topic, name)
        : context.may(AclOperation.describe, AclResource.topic, name);
      if (may) allowed.push(name);
      else if (!fetchAll) refused.push(unauthorized(name));
    }
    let room = Math.min(
      Math.max(request.responsePartitionLimit, 1),
      configs.number('max.request.partition.size.limit'),
    );
    const topics: TopicAnswer[] = [];
    const describer = new PartitionDescriber(context);
    for (const name of allowed) {
      const first = name === cursor?.topicName ? cursor.partitionIndex : 0;
      if (room === 0) return page([...topics, ...refused], name, first);
      const topic = image.topic(name);
      const operations = context.operationsOn(AclResource.topic, name);
      if (topic === undefined) {
        topics.push(absent(name, operations));
        continue;
      }
      const last = Math.min(first + room, topic.partitions.length);
      topics.push(found(topic, first, last, describer, operations));
      room -= Math.max(last - first, 0);
      if (last < topic.partitions.length) {
        return page([...topics, ...refused], name, last);
      }
    }
    return { throttleTimeMs: 0, topics: [...topics, ...refused], nextCursor: null };
  },
);

/** A page goes on within the topics that are asked for. */
const isCursorGood = ({ cursor, topics }: Request): boolean =>
  cursor === null ||
  (cursor.partitionIndex >= 0 &&
    (topics.length === 0 || topics.some(({ name }) => name === cursor.topicName)));

const refusal = ({ topics }: Request): Response => ({
  throttleTimeMs: 0,
  topics: topics.map(({ name }) => ({
    errorCode: ErrorCode.INVALID_REQUEST,
    name,
    topicId: ZERO_UUID,
    isInternal: false,
    partitions: [],
    topicAuthorizedOperations: NOT_ASKED,
  })),
  nextCursor: null,
});

const page = (topics: TopicAnswer[], topicName: string, partitionIndex: number): Response => ({
  throttleTimeMs: 0,
  topics,
  nextCursor: { topicName, partitionIndex },
});

const unauthorized = (name: string): TopicAnswer => ({
  ...absent(name, NOT_ASKED),
  errorCode: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  isInternal: false,
});

const absent = (name: string, operations: number): TopicAnswer => ({
  errorCode:
    topicNameFault(name) === null
      ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      : ErrorCode.INVALID_TOPIC_EXCEPTION,
  name,
  topicId: ZERO_UUID,
  isInternal: isInternal(name),
  partitions: [],
  topicAuthorizedOperations: operations,
});

function found(
  topic: TopicImage,
  first: number,
  last: number,
  describer: PartitionDescriber,
  operations: number,
): TopicAnswer {
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternal(topic.name),
    partitions: topic.partitions.slice(first, last).map((p) => ({
      ...describer.describe(topic.name, p),
      // That it has no leader is all that is said of a partition without one.
      errorCode: ErrorCode.NONE,
      eligibleLeaderReplicas: [...p.elr],
      lastKnownElr: [...p.lastKnownElr],
    })),
    topicAuthorizedOperations: operations,
  };
}
