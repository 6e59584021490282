/**
 * PushTelemetry, v0: a client's metrics become series for Prometheus and records of the topic of
 * metrics. What can't be read is answered with INVALID_RECORD, as by Kafka when its plugin fails.
 */
import { type ClientSample, sampleOf } from '../../observe/client-series.ts';
import { type OtlpPoint, readOtlpMetrics } from '../../observe/otlp-metrics.ts';
import { apis } from '../../protocol/apis.ts';
import { decompress } from '../../protocol/compression.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  pushTelemetryRequest,
  pushTelemetryResponse,
} from '../../protocol/messages/72-push-telemetry.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { handler, type RequestContext } from '../handler.ts';
import { telemetryClient } from '../telemetry/telemetry-client.ts';

type Request = Infer<typeof pushTelemetryRequest>;
type Response = Infer<typeof pushTelemetryResponse>;

/** How many times its compressed limit a push may unpack to. */
const EXPANSION_MAX = 8;

export const pushTelemetryHandler = handler<Request, Response>(
  apis.get(72),
  (request, context) => {
    const { telemetry, logger } = context.broker;
    try {
      const instance = telemetry.accept(request, telemetryClient(context));
      if (request.metrics.length === 0) return { throttleTimeMs: 0, errorCode: ErrorCode.NONE };
      const points = pointsOf(request, telemetry.maxBytes * EXPANSION_MAX);
      if (points === null) {
        telemetry.failed(instance);
        return { throttleTimeMs: 0, errorCode: ErrorCode.INVALID_RECORD };
      }
      keep(points, instance.intervalMs, request.clientInstanceId, context);
      telemetry.counts.exported += 1;
      return { throttleTimeMs: 0, errorCode: ErrorCode.NONE };
    } catch (error) {
      return { throttleTimeMs: 0, errorCode: codeOfError(error, logger) };
    }
  },
  { keepsRequest: false },
);

/** Null: they can't be read. */
function pointsOf({ compressionType, metrics }: Request, bytesMax: number): OtlpPoint[] | null {
  const points: OtlpPoint[] = [];
  try {
    readOtlpMetrics(decompress(compressionType, metrics, bytesMax), (point) => {
      points.push(point);
    });
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
  return points;
}

function keep(
  points: readonly OtlpPoint[],
  intervalMs: number,
  clientInstanceId: string,
  context: RequestContext,
): void {
  const { clientSeries, telemetryTopic } = context.broker;
  const { softwareName, softwareVersion, clientHost } = context.connection;
  const client = { clientId: context.clientId, softwareName, softwareVersion };
  const records = points.map((point) => {
    const sample: ClientSample = sampleOf(point, client);
    clientSeries.record(sample, point, client, intervalMs);
    const { value, timeMs } = point;
    const labels = { ...sample.labels, client_instance_id: clientInstanceId };
    return { name: sample.name, type: sample.type, value, timeMs, labels };
  });
  telemetryTopic.append(records, clientHost);
}
