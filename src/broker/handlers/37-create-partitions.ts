/** CreatePartitions, v0-3: more partitions for topics; there is no way to have fewer again. */
import { repeated } from '../../base/repeated.ts';
import type { Outcome } from '../../cluster/controller/controller.ts';
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  createPartitionsRequest,
  createPartitionsResponse,
} from '../../protocol/messages/37-create-partitions.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler, type RequestContext } from '../handler.ts';
import { MutationQuota } from '../mutation-quota.ts';
import { splitByRight } from './rights.ts';

type Request = Infer<typeof createPartitionsRequest>;
type Response = Infer<typeof createPartitionsResponse>;

/** Before it, a client that has used up its quota is served, and held back. */
const STRICT_VERSION = 3;

export const createPartitionsHandler = controllerHandler<Request, Response>(
  apis.get(37),
  async (request, context) => {
    const doubles = repeated(request.topics.map(({ name }) => name));
    const { allowed: wanted, refused } = splitByRight(
      context,
      AclOperation.alter,
      AclResource.topic,
      request.topics.filter(({ name }) => !doubles.has(name)),
      ({ name }) => name,
    );
    const quota = new MutationQuota(context, STRICT_VERSION);
    const outcomes = await create(wanted, request.validateOnly, quota, context);
    const results: Response['results'] = [...doubles].map((name) => ({
      name,
      errorCode: ErrorCode.INVALID_REQUEST,
      errorMessage: 'Duplicate topic name.',
    }));
    for (const { name } of refused) {
      const errorCode = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
      results.push({ name, errorCode, errorMessage: null });
    }
    wanted.forEach(({ name }, i) => {
      const outcome = outcomes[i]!;
      const error = 'error' in outcome ? outcome.error : null;
      results.push({
        name,
        errorCode: error?.code ?? ErrorCode.NONE,
        errorMessage: error === null ? null : textOf(error),
      });
    });
    return { throttleTimeMs: quota.throttleMs, results };
  },
  ({ timeoutMs }) => timeoutMs,
);

/** Kafka's clients have words of their own for a topic that is not there. */
const textOf = (error: ProtocolError): string | null =>
  error.code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION ? null : error.message;

async function create(
  topics: readonly Request['topics'][number][],
  validateOnly: boolean,
  quota: MutationQuota,
  context: RequestContext,
): Promise<Outcome<null>[]> {
  try {
    return await context.broker.controller.createPartitions(topics, validateOnly, (count) =>
      quota.take(count),
    );
  } catch (error) {
    const code = codeOfError(error, context.broker.logger);
    const refused = new ProtocolError(code, messageOfError(error) ?? undefined);
    return topics.map(() => ({ error: refused }));
  }
}
