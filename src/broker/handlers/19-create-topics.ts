/**
 * CreateTopics, v0-7. v1 validate only, v4 the broker's defaults (-1), v5 flexible and the settings
 * in force, v7 topic ids. Each topic succeeds or fails by itself; those that succeed are one step.
 */

import { ZERO_UUID } from '../../base/bytes.ts';
import { repeated } from '../../base/repeated.ts';
import { describedValue } from '../../cluster/configs.ts';
import type { Outcome } from '../../cluster/controller/controller.ts';
import type { CreatedTopic } from '../../cluster/controller/topic-planner.ts';
import { topicKeys } from '../../config/topic-keys.ts';
import { AclOperation, AclResource, CLUSTER_NAME } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  createTopicsRequest,
  createTopicsResponse,
} from '../../protocol/messages/19-create-topics.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler, type RequestContext } from '../handler.ts';
import { MutationQuota } from '../mutation-quota.ts';

type Request = Infer<typeof createTopicsRequest>;
type Response = Infer<typeof createTopicsResponse>;
type Topic = Request['topics'][number];
type TopicAnswer = Response['topics'][number];

/** Before it, a client that has used up its quota is served, and held back. */
const STRICT_VERSION = 6;

export const createTopicsHandler = controllerHandler<Request, Response>(
  apis.get(19),
  async (request, context) => {
    const doubles = repeated(request.topics.map(({ name }) => name));
    const single = request.topics.filter(({ name }) => !doubles.has(name));
    const wanted: Topic[] = [];
    const refused: Topic[] = [];
    for (const topic of single) (mayCreate(topic.name, context) ? wanted : refused).push(topic);
    const quota = new MutationQuota(context, STRICT_VERSION);
    const outcomes = await create(wanted, request.validateOnly, quota, context);
    const topics = wanted.map((topic, i) => answer(topic, outcomes[i]!, context));
    for (const name of doubles) {
      topics.push(failure(name, ErrorCode.INVALID_REQUEST, 'Duplicate topic name.'));
    }
    for (const { name } of refused) {
      const code = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
      topics.push(failure(name, code, 'Authorization failed.'));
    }
    return { throttleTimeMs: quota.throttleMs, topics };
  },
  ({ timeoutMs }) => timeoutMs,
);

const mayCreate = (topic: string, context: RequestContext): boolean =>
  context.mayQuietly(AclOperation.create, AclResource.cluster, CLUSTER_NAME) ||
  context.may(AclOperation.create, AclResource.topic, topic);

async function create(
  topics: readonly Topic[],
  validateOnly: boolean,
  quota: MutationQuota,
  context: RequestContext,
): Promise<Outcome<CreatedTopic>[]> {
  try {
    return await context.broker.controller.createTopics(topics, validateOnly, (count) =>
      quota.take(count),
    );
  } catch (error) {
    const code = codeOfError(error, context.broker.logger);
    const refused = new ProtocolError(code, messageOfError(error) ?? undefined);
    return topics.map(() => ({ error: refused }));
  }
}

function answer(
  topic: Topic,
  outcome: Outcome<CreatedTopic>,
  context: RequestContext,
): TopicAnswer {
  if ('error' in outcome) return failure(topic.name, outcome.error.code, outcome.error.message);
  const { topicId, numPartitions, replicationFactor } = outcome.value;
  if (!context.mayQuietly(AclOperation.describeConfigs, AclResource.topic, topic.name)) {
    // It is made, and what it is like is not told.
    const topicConfigErrorCode = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    return { ...failure(topic.name, ErrorCode.NONE, null), topicId, topicConfigErrorCode };
  }
  return {
    name: topic.name,
    topicId,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    topicConfigErrorCode: ErrorCode.NONE,
    numPartitions,
    replicationFactor,
    configs: settings(topic, context),
  };
}

/** What is in force on the new topic; of one that is only validated, what would be. */
function settings(topic: Topic, context: RequestContext): NonNullable<TopicAnswer['configs']> {
  const { configs } = context.broker;
  const own = new Map(topic.configs.map(({ name, value }) => [name, value]));
  return [...topicKeys.values()].map((key) => {
    const chain = configs.topicChain(topic.name, key);
    const set = own.get(key.name);
    return {
      name: key.name,
      value: set ?? describedValue(key, configs.valueIn(key, chain[0])),
      readOnly: false,
      configSource: set === undefined ? (chain[0]?.source ?? 5) : 1,
      isSensitive: false,
    };
  });
}

const failure = (name: string, errorCode: number, errorMessage: string | null): TopicAnswer => ({
  name,
  topicId: ZERO_UUID,
  errorCode,
  errorMessage,
  topicConfigErrorCode: ErrorCode.NONE,
  numPartitions: -1,
  replicationFactor: -1,
  configs: [],
});
