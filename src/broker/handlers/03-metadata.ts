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
import { handler, type RequestContext } from '../handler.ts';

type Request = Infer<typeof metadataRequest>;
type Response = Infer<typeof metadataResponse>;
type TopicAnswer = Response['topics'][number];

export const metadataHandler = handler<Request, Response>(apis.get(3), (request, context) => {
  const { broker, endpoint } = context;
  const topics = topicsOf(request, context);
  return {
    throttleTimeMs: 0,
    brokers: [{ ...endpoint, rack: broker.rack }],
    clusterId: broker.clusterId,
    controllerId: broker.nodeId,
    topics,
    clusterAuthorizedOperations: operationsOf(
      'cluster',
      request.includeClusterAuthorizedOperations,
    ),
    errorCode: ErrorCode.NONE,
  };
});

function topicsOf(request: Request, context: RequestContext): TopicAnswer[] {
  const { image } = context.broker;
  const { topics } = request;
  const operations = operationsOf('topic', request.includeTopicAuthorizedOperations);
  if (topics === null || (context.apiVersion === 0 && topics.length === 0)) {
    return [...image.topics.values()].map((topic) => found(topic, context, operations));
  }
  const missing: string[] = [];
  const answers = topics.map(({ name, topicId }): TopicAnswer => {
    if (name !== null) return byName(name, topicId, context, operations, missing);
    const topic = topicId === ZERO_UUID ? undefined : image.topicById(topicId);
    if (topic !== undefined) return found(topic, context, operations);
    return absent(null, topicId, ErrorCode.UNKNOWN_TOPIC_ID, context.apiVersion);
  });
  const create = request.allowAutoTopicCreation && context.broker.hot.autoCreateTopics;
  if (create && missing.length > 0) context.broker.controller.autoCreate(missing);
  return answers;
}

function byName(
  name: string,
  topicId: string,
  context: RequestContext,
  operations: number,
  missing: string[],
): TopicAnswer {
  const topic = context.broker.image.topic(name);
  const { apiVersion } = context;
  if (topic === undefined) {
    if (topicNameFault(name) !== null) {
      return absent(name, ZERO_UUID, ErrorCode.INVALID_TOPIC_EXCEPTION, apiVersion);
    }
    missing.push(name);
    return absent(name, ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, apiVersion);
  }
  if (topicId !== ZERO_UUID && topicId !== topic.id) {
    return absent(name, topicId, ErrorCode.INCONSISTENT_TOPIC_ID, apiVersion);
  }
  return found(topic, context, operations);
}

const NULL_NAME_VERSION = 12;

const absent = (
  name: string | null,
  topicId: string,
  errorCode: number,
  version: number,
): TopicAnswer => ({
  errorCode,
  name: name ?? (version >= NULL_NAME_VERSION ? null : ''),
  topicId,
  isInternal: name !== null && isInternal(name),
  partitions: [],
  topicAuthorizedOperations: operationsOf('topic', false),
});

function found(topic: TopicImage, context: RequestContext, operations: number): TopicAnswer {
  const held = context.broker.partitions.topic(topic.name);
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternal(topic.name),
    partitions: topic.partitions.map((p) => {
      const offline = held?.partitions[p.index]?.isOffline !== false;
      return {
        errorCode: offline ? ErrorCode.LEADER_NOT_AVAILABLE : ErrorCode.NONE,
        partitionIndex: p.index,
        leaderId: offline ? -1 : p.leader,
        leaderEpoch: p.leaderEpoch,
        replicaNodes: [...p.replicas],
        isrNodes: [...p.isr],
        offlineReplicas: offline ? [...p.replicas] : [],
      };
    }),
    topicAuthorizedOperations: operations,
  };
}
