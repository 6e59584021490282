/**
 * DeleteTopics, v0-6: by name, from v6 also by id. The topic is gone from Metadata when this is
 * answered, and the name free for a new topic with a new id; its files go later.
 */
import { ZERO_UUID } from '../../base/bytes.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  deleteTopicsRequest,
  deleteTopicsResponse,
} from '../../protocol/messages/20-delete-topics.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { handler, type RequestContext } from '../handler.ts';

type Request = Infer<typeof deleteTopicsRequest>;
type Response = Infer<typeof deleteTopicsResponse>;
type Answer = Response['responses'][number];

const TOPIC_IDS_VERSION = 6;
const MESSAGE_VERSION = 5;

interface Wanted {
  readonly name: string | null;
  readonly id: string;
}

export const deleteTopicsHandler = handler<Request, Response>(
  apis.get(20),
  async (request, context) => {
    const asked: Wanted[] =
      context.apiVersion >= TOPIC_IDS_VERSION
        ? request.topics.map(({ name, topicId }) => ({ name, id: topicId }))
        : request.topicNames.map((name) => ({ name, id: ZERO_UUID }));
    const responses: Answer[] = [];
    const ids = new Set<string>();
    const doubles = doublesOf(asked);
    for (const wanted of asked) {
      const resolved = resolve(wanted, doubles, context);
      if (resolved instanceof ProtocolError) responses.push(answer(wanted, resolved));
      else if (ids.has(resolved)) {
        const text = 'The provided topic name maps to an ID that was already supplied.';
        responses.push(answer(wanted, new ProtocolError(ErrorCode.INVALID_REQUEST, text)));
      } else ids.add(resolved);
    }
    responses.push(...(await remove([...ids], context)));
    if (context.apiVersion < MESSAGE_VERSION) for (const r of responses) r.errorMessage = null;
    return { throttleTimeMs: 0, responses };
  },
);

function doublesOf(asked: readonly Wanted[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const doubles = new Set<string>();
  for (const { name, id } of asked) {
    const key = name ?? id;
    if (seen.has(key)) doubles.add(key);
    seen.add(key);
  }
  return doubles;
}

/** The topic's id, or why there is none. */
function resolve(
  { name, id }: Wanted,
  doubles: ReadonlySet<string>,
  context: RequestContext,
): string | ProtocolError {
  const { image } = context.broker;
  if (name === null && id === ZERO_UUID) {
    return new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      'Neither topic name nor id were specified.',
    );
  }
  if (name !== null && id !== ZERO_UUID) {
    return new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      'You may not specify both topic name and topic id.',
    );
  }
  if (doubles.has(name ?? id)) {
    const what = name === null ? 'id' : 'name';
    return new ProtocolError(ErrorCode.INVALID_REQUEST, `Duplicate topic ${what}.`);
  }
  const topic = name === null ? image.topicById(id) : image.topic(name);
  if (topic !== undefined) return topic.id;
  return new ProtocolError(
    name === null ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    name === null
      ? 'This server does not host this topic ID.'
      : 'This server does not host this topic-partition.',
  );
}

async function remove(ids: readonly string[], context: RequestContext): Promise<Answer[]> {
  const { controller, logger, image } = context.broker;
  const names = ids.map((id) => image.topicById(id)?.name ?? null);
  try {
    const outcomes = await controller.deleteTopics(ids);
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
