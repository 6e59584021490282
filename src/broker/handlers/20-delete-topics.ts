/**
 * DeleteTopics, v0-6: by name, from v6 also by id. The topic is gone from Metadata when this is
 * answered, and the name free for a new topic with a new id; its files go later.
 */

import { ZERO_UUID } from '../../base/bytes.ts';
import { repeated } from '../../base/repeated.ts';
import { AclOperation, AclResource, CLUSTER_NAME } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  deleteTopicsRequest,
  deleteTopicsResponse,
} from '../../protocol/messages/20-delete-topics.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler, type RequestContext } from '../handler.ts';
import { MutationQuota } from '../mutation-quota.ts';
import { TOPIC_DENIED } from './rights.ts';

type Request = Infer<typeof deleteTopicsRequest>;
type Response = Infer<typeof deleteTopicsResponse>;
type Answer = Response['responses'][number];

const TOPIC_IDS_VERSION = 6;
const MESSAGE_VERSION = 5;
/** Before it, a client that has used up its quota is served, and held back. */
const STRICT_VERSION = 5;

interface Wanted {
  readonly name: string | null;
  readonly id: string;
}

export const deleteTopicsHandler = controllerHandler<Request, Response>(
  apis.get(20),
  async (request, context) => {
    const asked: Wanted[] =
      context.apiVersion >= TOPIC_IDS_VERSION
        ? request.topics.map(({ name, topicId }) => ({ name, id: topicId }))
        : request.topicNames.map((name) => ({ name, id: ZERO_UUID }));
    const { responses, ids } = resolved(asked, context);
    const quota = new MutationQuota(context, STRICT_VERSION);
    responses.push(...(await remove(ids, quota, context)));
    if (context.apiVersion < MESSAGE_VERSION) for (const r of responses) r.errorMessage = null;
    return { throttleTimeMs: quota.throttleMs, responses };
  },
  ({ timeoutMs }) => timeoutMs,
);

interface Resolved {
  /** Of those that are refused. */
  readonly responses: Answer[];
  /** Topics to delete. */
  readonly ids: ReadonlySet<string>;
}

/** What is named twice is not deleted at all, and answered once. */
function resolved(asked: readonly Wanted[], context: RequestContext): Resolved {
  const { image } = context.broker;
  const responses: Answer[] = [];
  const refuse = (wanted: Wanted, code: number, text: string): void => {
    responses.push(answer(wanted, new ProtocolError(code, text)));
  };
  const { INVALID_REQUEST } = ErrorCode;
  const mayAll = context.mayQuietly(AclOperation.delete, AclResource.cluster, CLUSTER_NAME);
  const may = (operation: number, topic: string): boolean =>
    mayAll || context.may(operation, AclResource.topic, topic);
  const names: string[] = [];
  const givenIds: string[] = [];
  for (const wanted of asked) {
    if (wanted.name !== null && wanted.id !== ZERO_UUID) {
      refuse(wanted, INVALID_REQUEST, 'You may not specify both topic name and topic id.');
    } else if (wanted.name !== null) names.push(wanted.name);
    else if (wanted.id !== ZERO_UUID) givenIds.push(wanted.id);
    else refuse(wanted, INVALID_REQUEST, 'Neither topic name nor id were specified.');
  }
  const ids = new Set<string>();
  const uniqueIds = new Set(givenIds);
  const doubleIds = repeated(givenIds);
  for (const id of uniqueIds) {
    const wanted = { name: null, id };
    const topic = image.topicById(id);
    if (doubleIds.has(id)) refuse(wanted, INVALID_REQUEST, 'Duplicate topic id.');
    else if (topic === undefined) {
      refuse(wanted, ErrorCode.UNKNOWN_TOPIC_ID, 'This server does not host this topic ID.');
    } else if (may(AclOperation.delete, topic.name)) ids.add(id);
    else {
      // The name that stands behind an id is told to who may know it.
      const name = may(AclOperation.describe, topic.name) ? topic.name : null;
      refuse({ name, id }, ErrorCode.TOPIC_AUTHORIZATION_FAILED, TOPIC_DENIED);
    }
  }
  const doubleNames = repeated(names);
  for (const name of new Set(names)) {
    const id = image.topic(name)?.id;
    const wanted = { name, id: ZERO_UUID };
    if (doubleNames.has(name)) refuse(wanted, INVALID_REQUEST, 'Duplicate topic name.');
    else if (!may(AclOperation.describe, name)) {
      refuse(wanted, ErrorCode.TOPIC_AUTHORIZATION_FAILED, TOPIC_DENIED);
    } else if (id === undefined) {
      const text = 'This server does not host this topic-partition.';
      refuse(wanted, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, text);
    } else if (!may(AclOperation.delete, name)) {
      refuse(wanted, ErrorCode.TOPIC_AUTHORIZATION_FAILED, TOPIC_DENIED);
    } else if (uniqueIds.has(id)) {
      ids.delete(id);
      const text = 'The provided topic name maps to an ID that was already supplied.';
      refuse({ name, id }, INVALID_REQUEST, text);
    } else ids.add(id);
  }
  return { responses, ids };
}

async function remove(
  wanted: ReadonlySet<string>,
  quota: MutationQuota,
  context: RequestContext,
): Promise<Answer[]> {
  const { controller, logger, image } = context.broker;
  const ids = [...wanted];
  const names = ids.map((id) => image.topicById(id)?.name ?? null);
  try {
    const outcomes = await controller.deleteTopics(ids, (count) => quota.take(count));
    return outcomes.map((outcome, i) =>
      answer({ name: names[i] ?? null, id: ids[i]! }, 'error' in outcome ? outcome.error : null),
    );
  } catch (error) {
    const code = codeOfError(error, logger);
    const refused = new ProtocolError(code, messageOfError(error) ?? undefined);
    return ids.map((id, i) => answer({ name: names[i] ?? null, id }, refused));
  }
}

const answer = ({ name, id }: Wanted, error: ProtocolError | null): Answer => ({
  name,
  topicId: id,
  errorCode: error?.code ?? ErrorCode.NONE,
  errorMessage: error?.message ?? null,
});
