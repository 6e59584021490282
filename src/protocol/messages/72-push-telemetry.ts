/** PushTelemetry (key 72): a client's metrics as OTLP `MetricsData`, compressed (KIP-714). */
import { bool, bytes, int8, int16, int32, message, uuid } from '../schema.ts';

const at = { api: 72, min: 0, max: 0, flexible: 0 } as const;

export const pushTelemetryRequest = message('PushTelemetryRequest', at, {
  clientInstanceId: uuid,
  subscriptionId: int32,
  terminating: bool,
  compressionType: int8,
  metrics: bytes,
});

export const pushTelemetryResponse = message('PushTelemetryResponse', at, {
  throttleTimeMs: int32,
  errorCode: int16,
});
