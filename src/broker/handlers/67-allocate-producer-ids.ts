/** AllocateProducerIds, v0, from other brokers: a block of ids that nobody had before. */
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  allocateProducerIdsRequest,
  allocateProducerIdsResponse,
} from '../../protocol/messages/67-allocate-producer-ids.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';

type Request = Infer<typeof allocateProducerIdsRequest>;
type Response = Infer<typeof allocateProducerIdsResponse>;

export const allocateProducerIdsHandler = controllerHandler<Request, Response>(
  apis.get(67),
  async ({ brokerId, brokerEpoch }, context) => {
    const { controller, logger } = context.broker;
    try {
      const { first, count } = await controller.allocateProducerIds(brokerId, brokerEpoch);
      return {
        throttleTimeMs: 0,
        errorCode: ErrorCode.NONE,
        producerIdStart: first,
        producerIdLen: count,
      };
    } catch (error) {
      const errorCode = codeOfError(error, logger);
      return { throttleTimeMs: 0, errorCode, producerIdStart: 0, producerIdLen: 0 };
    }
  },
);
