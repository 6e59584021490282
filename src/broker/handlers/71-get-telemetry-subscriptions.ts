/** GetTelemetrySubscriptions, v0: see `telemetry/client-telemetry.ts`. */
import { ZERO_UUID } from '../../base/bytes.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  getTelemetrySubscriptionsRequest,
  getTelemetrySubscriptionsResponse,
} from '../../protocol/messages/71-get-telemetry-subscriptions.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { handler } from '../handler.ts';
import { acceptedCompressions } from '../telemetry/client-telemetry.ts';
import { telemetryClient } from '../telemetry/telemetry-client.ts';

type Request = Infer<typeof getTelemetrySubscriptionsRequest>;
type Response = Infer<typeof getTelemetrySubscriptionsResponse>;

const refused = (errorCode: number): Response => ({
  throttleTimeMs: 0,
  errorCode,
  clientInstanceId: ZERO_UUID,
  subscriptionId: 0,
  acceptedCompressionTypes: [],
  pushIntervalMs: 0,
  telemetryMaxBytes: 0,
  deltaTemporality: false,
  requestedMetrics: [],
});

export const getTelemetrySubscriptionsHandler = handler<Request, Response>(
  apis.get(71),
  ({ clientInstanceId }, context) => {
    const { telemetry, logger } = context.broker;
    try {
      const instance = telemetry.ask(clientInstanceId, telemetryClient(context));
      return {
        throttleTimeMs: 0,
        errorCode: ErrorCode.NONE,
        clientInstanceId: instance.id,
        subscriptionId: instance.subscriptionId,
        acceptedCompressionTypes: [...acceptedCompressions],
        pushIntervalMs: instance.intervalMs,
        telemetryMaxBytes: telemetry.maxBytes,
        deltaTemporality: true,
        requestedMetrics: [...instance.metrics],
      };
    } catch (error) {
      return refused(codeOfError(error, logger));
    }
  },
);
