/** UnregisterBroker, v0: see `cluster/controller/broker-registry.ts`. */
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  unregisterBrokerRequest,
  unregisterBrokerResponse,
} from '../../protocol/messages/64-unregister-broker.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';

type Request = Infer<typeof unregisterBrokerRequest>;
type Response = Infer<typeof unregisterBrokerResponse>;

export const unregisterBrokerHandler = controllerHandler<Request, Response>(
  apis.get(64),
  async ({ brokerId }, context) => {
    const { controller, logger } = context.broker;
    try {
      await controller.unregisterBroker(brokerId);
      return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: null };
    } catch (error) {
      const errorCode = codeOfError(error, logger);
      return { throttleTimeMs: 0, errorCode, errorMessage: messageOfError(error) };
    }
  },
);
