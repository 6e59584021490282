/**
 * InitProducerId, v0-5, for idempotent producers: a producer id that nobody had before, epoch 0. A
 * producer that had one and wants to go on (v3, KIP-360) gets a new one: nothing ties it to the old.
 *
 * Transactional ids are refused: there is no transaction coordinator.
 */
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  initProducerIdRequest,
  initProducerIdResponse,
} from '../../protocol/messages/22-init-producer-id.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { handler } from '../handler.ts';

type Request = Infer<typeof initProducerIdRequest>;
type Response = Infer<typeof initProducerIdResponse>;

const NO_ID = -1;

const refused = (errorCode: number): Response => ({
  throttleTimeMs: 0,
  errorCode,
  producerId: NO_ID,
  producerEpoch: -1,
});

export const initProducerIdHandler = handler<Request, Response>(
  apis.get(22),
  async (request, context) => {
    const { producerIds, logger } = context.broker;
    if (request.transactionalId === '') return refused(ErrorCode.INVALID_REQUEST);
    if (request.transactionalId !== null) {
      return refused(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    const { producerId: oldId, producerEpoch: oldEpoch } = request;
    // Who had an id had an epoch too.
    const isHalf = (oldId === NO_ID) !== (oldEpoch === NO_ID);
    if (oldId < NO_ID || oldEpoch < NO_ID || isHalf) {
      return refused(ErrorCode.INVALID_REQUEST);
    }
    try {
      const producerId = await producerIds.next();
      return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, producerId, producerEpoch: 0 };
    } catch (error) {
      return refused(codeOfError(error, logger));
    }
  },
);
