/**
 * For how long a client is held back after a request (KIP-219): its answer goes out at once and says
 * so, and nothing is read from its connection until then. Requests of brokers among each other are
 * exempt.
 */
import type { Clock } from '../base/clock.ts';
import type { Configs } from '../cluster/configs.ts';
import type { MetadataImage } from '../cluster/metadata-image.ts';
import { ClientQuotas, type Meter, QuotaKind } from '../security/client-quotas.ts';
import type { RequestContext } from './handler.ts';

const PERCENT_A_MS = 0.1;

/** The quotas of the metadata log, measured as the configuration says. */
export function clientQuotas(configs: Configs, image: MetadataImage): ClientQuotas {
  const source = {
    get quotas() {
      return image.quotas.values();
    },
    get version() {
      return image.quotasVersion;
    },
  };
  return new ClientQuotas(source, {
    windows: configs.number('quota.window.num'),
    windowMs: configs.number('quota.window.size.seconds') * 1000,
  });
}

/** Milliseconds for the bytes of a produce request. */
export const produceThrottleMs = (context: RequestContext, bytes: number): number =>
  use(QuotaKind.produce, context, bytes);

/** Milliseconds for the time of the broker's thread that the request has taken. */
export const requestThrottleMs = (context: RequestContext): number =>
  use(QuotaKind.request, context, context.handledMs * PERCENT_A_MS);

/** Milliseconds that a fetch has to wait before it is worth reading for it; 0: it may go on. */
export function fetchThrottleMs(context: RequestContext): number {
  const meter = fetchMeter(context);
  return meter === null ? 0 : throttleOf(meter, context.broker.clock);
}

/** The most bytes that the quota lets one fetch have. */
export const fetchBytesMax = (context: RequestContext): number =>
  fetchMeter(context)?.mostAtOnce ?? Number.POSITIVE_INFINITY;

/**
 * Counts what a fetch has read. When that is too much, the client gets nothing and is told to wait
 * so long, as Kafka does it: then it was not used. A batch that is longer than the quota lets one
 * fetch have comes nevertheless, or it would never come; it is to be waited for afterwards.
 */
export function fetchedThrottleMs(context: RequestContext, bytes: number): number {
  const meter = bytes === 0 ? null : fetchMeter(context);
  if (meter === null) return 0;
  const { clock } = context.broker;
  const now = clock.monotonic();
  meter.record(bytes, now);
  const ms = throttleOf(meter, clock);
  if (ms > 0 && bytes <= meter.mostAtOnce) meter.record(-bytes, now);
  return ms;
}

const fetchMeter = ({ broker, connection, clientId }: RequestContext): Meter | null =>
  broker.quotas.meterOf(QuotaKind.fetch, connection, clientId);

function use(kind: QuotaKind, context: RequestContext, value: number): number {
  const { broker, connection, clientId } = context;
  const meter = broker.quotas.meterOf(kind, connection, clientId);
  if (meter === null) return 0;
  meter.record(value, broker.clock.monotonic());
  return throttleOf(meter, broker.clock);
}

function throttleOf(meter: Meter, clock: Clock): number {
  const now = clock.monotonic();
  const ms = meter.throttleMs(now);
  if (ms > 0) meter.countThrottle(ms, now);
  return ms;
}
