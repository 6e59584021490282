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
import { AclOperation, AclResource, CLUSTER_NAME } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { metadataRequest, metadataResponse } from '../../protocol/messages/03-metadata.ts';
import type { Infer } from '../../protocol/schema.ts';
import { clusterOperations, NOT_ASKED } from '../authorized-operations.ts';
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
    clusterAuthorizedOperations: clusterOperations(
      request.includeClusterAuthorizedOperations,
      context,
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
    ...absent(name ?? '', topicId, ErrorCode.INVALID_REQUEST),
    isInternal: false,
  })),
  clusterAuthorizedOperations: NOT_ASKED,
  errorCode: ErrorCode.NONE,
});

/** What the client may do to topics, if it asks for that. */
type OperationsOf = (topic: string) => number;

/**
 * Each topic once, however often it is named; names count only where there are no ids. What the
 * client may not describe is left out of all topics, and refused by name whether it exists or not.
 */
function topicsOf(request: Request, context: RequestContext): TopicAnswer[] {
  const { image, autoTopics, hot } = context.broker;
  const { topics } = request;
  const describer = new PartitionDescriber(context);
  const operations: OperationsOf = (name) =>
    request.includeTopicAuthorizedOperations
      ? context.operationsOn(AclResource.topic, name)
      : NOT_ASKED;
  if (topics === null || (context.apiVersion === 0 && topics.length === 0)) {
    return [...image.topics.values()]
      .filter(({ name }) => context.mayQuietly(AclOperation.describe, AclResource.topic, name))
      .map((topic) => found(topic, describer, operations));
  }
  const ids = new Set(topics.map(({ topicId }) => topicId).filter((id) => id !== ZERO_UUID));
  if (ids.size > 0) return [...ids].map((id) => byId(id, context, describer, operations));
  const answers: TopicAnswer[] = [];
  const missing: string[] = [];
  const create = request.allowAutoTopicCreation && hot.autoCreateTopics;
  for (const name of new Set(topics.map((topic) => topic.name))) {
    if (name === null) {
      answers.push(absent(null, ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_ID));
      continue;
    }
    const topic = image.topic(name);
    if (!context.may(AclOperation.describe, AclResource.topic, name)) {
      answers.push({ ...absent(name, ZERO_UUID, REFUSED), isInternal: false });
    } else if (topic !== undefined) answers.push(found(topic, describer, operations));
    else if (create && !mayCreate(name, context)) answers.push(absent(name, ZERO_UUID, REFUSED));
    else {
      const isValid = topicNameFault(name) === null;
      if (isValid) missing.push(name);
      const code = isValid
        ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        : ErrorCode.INVALID_TOPIC_EXCEPTION;
      answers.push(absent(name, ZERO_UUID, code, operations(name)));
    }
  }
  if (create && missing.length > 0) autoTopics.create(missing);
  return answers;
}

const REFUSED = ErrorCode.TOPIC_AUTHORIZATION_FAILED;

const mayCreate = (topic: string, context: RequestContext): boolean =>
  context.mayQuietly(AclOperation.create, AclResource.cluster, CLUSTER_NAME) ||
  context.may(AclOperation.create, AclResource.topic, topic);

function byId(
  id: string,
  context: RequestContext,
  describer: PartitionDescriber,
  operations: OperationsOf,
): TopicAnswer {
  const topic = context.broker.image.topicById(id);
  if (topic === undefined) return absent(null, id, ErrorCode.UNKNOWN_TOPIC_ID);
  if (!context.may(AclOperation.describe, AclResource.topic, topic.name)) {
    return absent(null, id, REFUSED);
  }
  return found(topic, describer, operations);
}

const absent = (
  name: string | null,
  topicId: string,
  errorCode: number,
  operations: number = NOT_ASKED,
): TopicAnswer => ({
  errorCode,
  name,
  topicId,
  isInternal: name !== null && isInternal(name),
  partitions: [],
  topicAuthorizedOperations: operations,
});

function found(
  topic: TopicImage,
  describer: PartitionDescriber,
  operations: OperationsOf,
): TopicAnswer {
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternal(topic.name),
    partitions: topic.partitions.map((p) => describer.describe(topic.name, p)),
    topicAuthorizedOperations: operations(topic.name),
  };
}
