/** OffsetFetch, v1-10: how far groups have read, of topics that the client may describe. */
import { ZERO_UUID } from '../../base/bytes.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  offsetFetchRequest,
  offsetFetchResponse,
} from '../../protocol/messages/09-offset-fetch.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler, type RequestContext } from '../handler.ts';
import { splitByRight } from './rights.ts';

type Request = Infer<typeof offsetFetchRequest>;
type Response = Infer<typeof offsetFetchResponse>;
type Topic = Response['groups'][number]['topics'][number];
interface Asked {
  readonly topicId?: string;
  readonly name: string;
  readonly partitionIndexes: readonly number[];
}

/** From here on, an error of the whole group has a place. */
const GROUP_ERROR_VERSION = 2;
/** From here on, one request asks about several groups. */
const SEVERAL_VERSION = 8;
/** From here on, topics go by their ids. */
const TOPIC_ID_VERSION = 10;

export const offsetFetchHandler = handler<Request, Response>(apis.get(9), (request, context) => {
  if (context.broker.access === null) return context.groups.fetchOffsets(request, context);
  return context.apiVersion >= SEVERAL_VERSION
    ? fetchSeveral(request, context)
    : fetchOne(request, context);
});

async function fetchOne(request: Request, context: RequestContext): Promise<Response> {
  const none = { throttleTimeMs: 0, groups: [], topics: [], errorCode: ErrorCode.NONE };
  if (!context.may(AclOperation.describe, AclResource.group, request.groupId)) {
    const errorCode = ErrorCode.GROUP_AUTHORIZATION_FAILED;
    if (context.apiVersion >= GROUP_ERROR_VERSION) return { ...none, errorCode };
    return { ...none, topics: (request.topics ?? []).map(failed(errorCode)) };
  }
  const { topics, refused } = visible(request.topics, context);
  const response = await context.groups.fetchOffsets({ ...request, topics }, context);
  return { ...response, topics: withRefused(response, request.topics === null, refused, context) };
}

/** Asks for all that the client may see, and puts in its place what it may not. */
async function fetchSeveral(request: Request, context: RequestContext): Promise<Response> {
  const mayDescribe = request.groups.map(({ groupId }) =>
    context.may(AclOperation.describe, AclResource.group, groupId),
  );
  const parts = request.groups.map(({ topics }) => visible(topics, context));
  const groups = request.groups
    .map((group, i) => ({ ...group, topics: parts[i]!.topics }))
    .filter((_, i) => mayDescribe[i]);
  const response = await context.groups.fetchOffsets({ ...request, groups }, context);
  const answered = response.groups[Symbol.iterator]();
  const all = request.groups.map(({ groupId, topics }, i) => {
    if (!mayDescribe[i]) {
      return { groupId, topics: [], errorCode: ErrorCode.GROUP_AUTHORIZATION_FAILED };
    }
    const group = answered.next().value!;
    return { ...group, topics: withRefused(group, topics === null, parts[i]!.refused, context) };
  });
  return { ...response, groups: all };
}

/** What is left of the topics that are named, and what may not be described. */
function visible<T extends Asked>(topics: readonly T[] | null, context: RequestContext) {
  if (topics === null) return { topics: null, refused: [] };
  const nameOf = (topic: T): string | undefined =>
    context.apiVersion >= TOPIC_ID_VERSION
      ? context.broker.image.topicById(topic.topicId ?? '')?.name
      : topic.name;
  // An id that is not known is nobody's, and told as such.
  const named = topics.filter((topic) => nameOf(topic) !== undefined);
  const { refused } = splitByRight(
    context,
    AclOperation.describe,
    AclResource.topic,
    named,
    (topic) => nameOf(topic)!,
  );
  const hidden = new Set(refused);
  return { topics: topics.filter((topic) => !hidden.has(topic)), refused };
}

function withRefused<T extends { readonly name: string; readonly topicId?: string }>(
  answer: { readonly topics: T[]; readonly errorCode: number },
  isAll: boolean,
  refused: readonly Asked[],
  context: RequestContext,
): (T | Topic)[] {
  if (answer.errorCode !== ErrorCode.NONE) return answer.topics;
  if (!isAll) {
    return [...answer.topics, ...refused.map(failed(ErrorCode.TOPIC_AUTHORIZATION_FAILED))];
  }
  return answer.topics.filter(({ name, topicId }) => {
    const topic = name === '' ? context.broker.image.topicById(topicId ?? '')?.name : name;
    return topic !== undefined && context.may(AclOperation.describe, AclResource.topic, topic);
  });
}

const failed =
  (errorCode: number) =>
  ({ name, topicId, partitionIndexes }: Asked): Topic => ({
    name,
    topicId: topicId ?? ZERO_UUID,
    partitions: partitionIndexes.map((partitionIndex) => ({
      ...{ partitionIndex, committedOffset: -1, committedLeaderEpoch: -1 },
      ...{ metadata: '', errorCode },
    })),
  });
