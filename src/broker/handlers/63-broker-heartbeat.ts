/**
 * BrokerHeartbeat, v0-1, from other brokers: see `cluster/controller/broker-registry.ts`. The
 * connection that brings it is the broker's sign of life until the next one.
 */
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  brokerHeartbeatRequest,
  brokerHeartbeatResponse,
} from '../../protocol/messages/63-broker-heartbeat.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';

type Request = Infer<typeof brokerHeartbeatRequest>;
type Response = Infer<typeof brokerHeartbeatResponse>;

export const brokerHeartbeatHandler = controllerHandler<Request, Response>(
  apis.get(63),
  async (request, context) => {
    const { connection } = context;
    const { controller, logger } = context.broker;
    connection.onClosed.set('heartbeats', () =>
      controller.connectionClosed(request.brokerId, connection.id),
    );
    try {
      const answer = await controller.heartbeat(request, connection.id);
      return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, ...answer };
    } catch (error) {
      return {
        throttleTimeMs: 0,
        errorCode: codeOfError(error, logger),
        isCaughtUp: false,
        isFenced: true,
        shouldShutDown: false,
        metadataOffset: -1,
      };
    }
  },
);
