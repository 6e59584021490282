/** Metrics of rights and quotas. Without an authorizer and without quotas there is nothing to tell. */
import type { MetricName } from '../observe/catalogue.ts';
import { QuotaKind } from '../security/client-quotas.ts';
import type { Family } from './metrics.ts';
import type { BrokerServices } from './services.ts';

const kinds: readonly [kind: QuotaKind, rate: MetricName, throttle: MetricName][] = [
  [QuotaKind.produce, 'kafka_server_produce_byte_rate', 'kafka_server_produce_throttle_time'],
  [QuotaKind.fetch, 'kafka_server_fetch_byte_rate', 'kafka_server_fetch_throttle_time'],
  [QuotaKind.request, 'kafka_server_request_request_time', 'kafka_server_request_throttle_time'],
];

export function registerSecurityMetrics(family: Family, services: BrokerServices): void {
  const { quotas, clock, connectionStats, access, image } = services;
  for (const [kind, rate, throttle] of kinds) {
    family(rate, (emit) => {
      for (const meter of quotas.metersOf(kind)) {
        emit(meter.rate(clock.monotonic()), meter.user, meter.clientId);
      }
    });
    family(throttle, (emit) => {
      for (const meter of quotas.metersOf(kind)) {
        emit(meter.averageThrottleMs(clock.monotonic()), meter.user, meter.clientId);
      }
    });
  }
  family('weir_broker_connections_throttled', (emit) => emit(connectionStats.throttled));
  if (access === null) return;
  family('weir_authorizer_acls', (emit) => emit(image.acls.size));
  family('weir_authorizer_decisions_total', (emit) => {
    emit(access.allowed, 'allowed');
    emit(access.denied, 'denied');
  });
  family('weir_authorizer_cached_decisions', (emit) => emit(access.authorizer.cached));
  family('weir_authorizer_untold_denials_total', (emit) => emit(access.audit.untold));
}
