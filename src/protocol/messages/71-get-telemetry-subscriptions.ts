/** GetTelemetrySubscriptions (key 71): which of its metrics a client is to push, and how (KIP-714). */
import { array, bool, int8, int16, int32, message, string, uuid } from '../schema.ts';

const at = { api: 71, min: 0, max: 0, flexible: 0 } as const;

export const getTelemetrySubscriptionsRequest = message('GetTelemetrySubscriptionsRequest', at, {
  // Zero: the client wants an id.
  clientInstanceId: uuid,
});

export const getTelemetrySubscriptionsResponse = message('GetTelemetrySubscriptionsResponse', at, {
  throttleTimeMs: int32,
  errorCode: int16,
  clientInstanceId: uuid,
  subscriptionId: int32,
  // Of `CompressionType`, the preferred one first.
  acceptedCompressionTypes: array(int8),
  pushIntervalMs: int32,
  telemetryMaxBytes: int32,
  deltaTemporality: bool,
  // Beginnings of names; empty: none. `*`: all.
  requestedMetrics: array(string),
});
