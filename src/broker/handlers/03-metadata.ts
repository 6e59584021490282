/**
 * Metadata, v0-13: the brokers, and topics with their partitions, by name, by id, or all.
 *
 * v0 an empty list asks for all, v1 null does; v4 may forbid automatic creation, v8 authorized
 * operations, v9 flexible, v10 topic ids, v12 null names, v13 a top-level error.
 * A topic that is created by being asked for is first answered UNKNOWN_TOPIC_OR_PARTITION.
 */

import { ZERO_UUID } from '../../base/bytes.ts';
import type { TopicImage } from '../../cluster/metadata-image.ts';
import { isInternal, topicNameFault } from '../../cluster/topic-names.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { metadataRequest, metadataResponse } from '../../protocol/messages/03-metadata.ts';
import type { Infer } from '../../protocol/schema.ts';
import { operationsOf } from '../authorized-operations.ts';
import { nodes } from '../endpoints.ts';
import { handler, type RequestContext } from '../handler.ts';
import { PartitionDescriber } from './partition-description.ts';

type Request = Infer<typeof metadataRequest>;
type Response = Infer<typeof metadataResponse>;
type TopicAnswer = Response['topics'][number];

export const metadataHandler = handler<Request, Response>(apis.get(3), (request, context) => {
  const { broker, apiVersion } = context;
  if (apiVersion < TOPIC_ID_REQUEST_VERSION && request.topics?.some(hasIdOnly) === true) {
    return refusal(request.topics);
  }
  const topics = topicsOf(request, context);
  return {
    throttleTimeMs: 0,
    brokers: nodes(context),
    clusterId: broker.clusterId,
    // Every broker takes what is for the controller; this one has the shortest way.
    controllerId: broker.store.leaderId,
    topics,
    clusterAuthorizedOperations: operationsOf(
      'cluster',
      request.includeClusterAuthorizedOperations,
    ),
    errorCode: ErrorCode.NONE,
  };
});

type Wanted = NonNullable<Request['topics']>[number];

/** Versions 10 and 11 have a field for ids, and take none. */
const TOPIC_ID_REQUEST_VERSION = 12;
const hasIdOnly = ({ name, topicId }: Wanted): boolean => name === null || topicId !== ZERO_UUID;

const refusal = (topics: readonly Wanted[]): Response => ({
  throttleTimeMs: 0,
  brokers: [],
  clusterId: null,
  controllerId: -1,
  topics: topics.map(({ name, topicId }) => ({
    ...absent(name ?? '', topicId, ErrorCode.INVALID_REQUEST, operationsOf('topic', false)),
    isInternal: false,
  })),
  clusterAuthorizedOperations: operationsOf('cluster', false),
  errorCode: ErrorCode.NONE,
});

/** Each topic once, however often it is named; names count only where there are no ids. */
function topicsOf(request: Request, context: RequestContext): TopicAnswer[] {
  const { image, autoTopics, hot } = context.broker;
  const { topics } = request;
  const describer = new PartitionDescriber(context);
  const operations = operationsOf('topic', request.includeTopicAuthorizedOperations);
  if (topics === null || (context.apiVersion === 0 && topics.length === 0)) {
    return [...image.topics.values()].map((topic) => found(topic, describer, operations));
  }
  const ids = new Set(topics.map(({ topicId }) => topicId).filter((id) => id !== ZERO_UUID));
  if (ids.size > 0) return [...ids].map((id) => byId(id, context, describer, operations));
  const answers: TopicAnswer[] = [];
  const missing: string[] = [];
  for (const name of new Set(topics.map((topic) => topic.name))) {
    if (name === null) {
      answers.push(
        absent(null, ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_ID, operationsOf('topic', false)),
      );
      continue;
    }
    const topic = image.topic(name);
    if (topic !== undefined) answers.push(found(topic, describer, operations));
    else {
      const isValid = topicNameFault(name) === null;
      if (isValid) missing.push(name);
      const code = isValid
        ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        : ErrorCode.INVALID_TOPIC_EXCEPTION;
      answers.push(absent(name, ZERO_UUID, code, operations));
    }
  }
  const create = request.allowAutoTopicCreation && hot.autoCreateTopics;
  if (create && missing.length > 0) autoTopics.create(missing);
  return answers;
}

function byId(
  id: string,
  context: RequestContext,
  describer: PartitionDescriber,
  operations: number,
): TopicAnswer {
  const topic = context.broker.image.topicById(id);
  if (topic !== undefined) return found(topic, describer, operations);
  return absent(null, id, ErrorCode.UNKNOWN_TOPIC_ID, operationsOf('topic', false));
}

const absent = (
  name: string | null,
  topicId: string,
  errorCode: number,
  operations: number,
): TopicAnswer => ({
  errorCode,
  name,
  topicId,
  isInternal: name !== null && isInternal(name),
  partitions: [],
  topicAuthorizedOperations: operations,
});

function found(topic: TopicImage, describer: PartitionDescriber, operations: number): TopicAnswer {
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternal(topic.name),
    partitions: topic.partitions.map((p) => describer.describe(topic.name, p)),
    topicAuthorizedOperations: operations,
  };
}
