/**
 * InitProducerId, v0-5. Without a transactional id: a producer id that nobody had before, epoch 0; a
 * producer that had one and wants to go on (v3, KIP-360) gets a new one, as nothing ties it to the
 * old. With one, its coordinator gives the same id in a new epoch, and so fences whoever had it.
 */
import { AclOperation, AclResource, CLUSTER_NAME } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  initProducerIdRequest,
  initProducerIdResponse,
} from '../../protocol/messages/22-init-producer-id.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { handler, type RequestContext } from '../handler.ts';

type Request = Infer<typeof initProducerIdRequest>;
type Response = Infer<typeof initProducerIdResponse>;

const NONE = -1;
/** Before this version, clients do not know PRODUCER_FENCED. */
const FENCED_VERSION = 4;

const answer = (errorCode: number, producerId = NONE, producerEpoch = NONE): Response => ({
  throttleTimeMs: 0,
  errorCode,
  producerId,
  producerEpoch,
});

/** Who may write to any topic may do so idempotently. */
function refusalOf({ transactionalId }: Request, context: RequestContext): number {
  const { idempotentWrite, write } = AclOperation;
  if (transactionalId !== null) {
    return context.may(write, AclResource.transactionalId, transactionalId)
      ? ErrorCode.NONE
      : ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  }
  return context.mayQuietly(idempotentWrite, AclResource.cluster, CLUSTER_NAME) ||
    context.mayOnAny(write, AclResource.topic)
    ? ErrorCode.NONE
    : ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
}

export const initProducerIdHandler = handler<Request, Response>(
  apis.get(22),
  async (request, context) => {
    const { producerIds, transactions, logger } = context.broker;
    const refusal = refusalOf(request, context);
    if (refusal !== ErrorCode.NONE) return answer(refusal);
    const { producerId: oldId, producerEpoch: oldEpoch, transactionalId } = request;
    // Who had an id had an epoch too.
    const isHalf = (oldId === NONE) !== (oldEpoch === NONE);
    if (oldId < NONE || oldEpoch < NONE || isHalf) return answer(ErrorCode.INVALID_REQUEST);
    if (transactionalId !== null) {
      const claim = oldId === NONE ? null : { producerId: oldId, producerEpoch: oldEpoch };
      const { code, producerId, producerEpoch } = await transactions.initProducerId(request, claim);
      const isNew = context.apiVersion >= FENCED_VERSION || code !== ErrorCode.PRODUCER_FENCED;
      return answer(isNew ? code : ErrorCode.INVALID_PRODUCER_EPOCH, producerId, producerEpoch);
    }
    try {
      return answer(ErrorCode.NONE, await producerIds.next(), 0);
    } catch (error) {
      return answer(codeOfError(error, logger));
    }
  },
);
