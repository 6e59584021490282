/** BrokerRegistration, v0-4, from other brokers: see `cluster/controller/broker-registry.ts`. */
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  brokerRegistrationRequest,
  brokerRegistrationResponse,
} from '../../protocol/messages/62-broker-registration.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';

type Request = Infer<typeof brokerRegistrationRequest>;
type Response = Infer<typeof brokerRegistrationResponse>;

export const brokerRegistrationHandler = controllerHandler<Request, Response>(
  apis.get(62),
  async (request, context) => {
    const { controller, logger } = context.broker;
    try {
      const brokerEpoch = await controller.registerBroker(request);
      return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, brokerEpoch };
    } catch (error) {
      return { throttleTimeMs: 0, errorCode: codeOfError(error, logger), brokerEpoch: -1 };
    }
  },
);
