/**
 * How many partitions a client may have the controller make and delete (KIP-599). Requests of a
 * version that knows THROTTLING_QUOTA_EXCEEDED are refused once the quota is used up; those before
 * it are carried out, and their client is held back.
 */
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { type Meter, QuotaKind } from '../security/client-quotas.ts';
import { TokenBucket } from '../security/token-bucket.ts';
import type { RequestContext } from './handler.ts';

export class MutationQuota {
  readonly #context: RequestContext;
  readonly #isStrict: boolean;
  readonly #bucket: TokenBucket | null;
  /** How long the client is to be held back. */
  throttleMs = 0;

  /** `strictFrom`: the first version of the API that is refused. */
  constructor(context: RequestContext, strictFrom: number) {
    this.#context = context;
    this.#isStrict = context.apiVersion >= strictFrom;
    const { broker, connection, clientId } = context;
    const meter = broker.quotas.meterOf(QuotaKind.mutation, connection, clientId);
    this.#bucket = meter === null ? null : bucketOf(meter, context);
  }

  /** Counts so many partitions. Throws THROTTLING_QUOTA_EXCEEDED. */
  take(partitions: number): void {
    if (this.#bucket === null) return;
    const now = this.#context.broker.clock.monotonic();
    if (this.#isStrict) {
      this.throttleMs = Math.max(this.throttleMs, this.#bucket.waitMs(now));
      if (this.throttleMs > 0) {
        throw new ProtocolError(
          ErrorCode.THROTTLING_QUOTA_EXCEEDED,
          'The throttling quota has been exceeded.',
        );
      }
      this.#bucket.take(partitions, now);
      return;
    }
    this.#bucket.take(partitions, now);
    this.throttleMs = Math.max(this.throttleMs, this.#bucket.waitMs(now));
  }
}

function bucketOf(meter: Meter, { broker }: RequestContext): TokenBucket {
  const { configs, clock } = broker;
  const burstSeconds =
    configs.number('controller.quota.window.num') *
    configs.number('controller.quota.window.size.seconds');
  const now = clock.monotonic();
  meter.bucket ??= new TokenBucket(meter.limit, burstSeconds, now);
  meter.bucket.setRate(meter.limit, burstSeconds, now);
  return meter.bucket;
}
