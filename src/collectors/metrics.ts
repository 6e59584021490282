import { metric } from '../observe/catalogue.ts';
import type { Emit, MetricsRegistry } from '../observe/registry.ts';
import { dropReasons, rejectReasons } from './balance.ts';
import type { Collector } from './collector.ts';

/** Exposes the collectors' books as `weir_collector_*`; they are read when somebody scrapes. */
export function registerCollectorMetrics(
  registry: MetricsRegistry,
  collectors: () => Iterable<Collector>,
): void {
  const each = (
    name: Parameters<typeof metric>[0],
    collect: (collector: Collector, emit: Emit) => void,
  ): void =>
    registry.family(metric(name), (emit) => {
      for (const collector of collectors()) collect(collector, emit);
    });
  each('weir_collector_received_total', ({ name, balance }, emit) => emit(balance.received, name));
  each('weir_collector_received_bytes_total', ({ name, balance }, emit) =>
    emit(balance.receivedBytes, name),
  );
  each('weir_collector_stored_total', ({ name, balance }, emit) => emit(balance.stored, name));
  // Every reason from the start: a series that begins with its first event has no increase to alert on.
  each('weir_collector_rejected_total', ({ name, balance }, emit) => {
    for (const reason of rejectReasons) emit(balance.rejected.get(reason) ?? 0, name, reason);
  });
  each('weir_collector_dropped_total', ({ name, balance }, emit) => {
    for (const reason of dropReasons) emit(balance.dropped.get(reason) ?? 0, name, reason);
  });
  each('weir_collector_in_flight', ({ name, balance }, emit) => emit(balance.inFlight, name));
  each('weir_collector_up', (collector, emit) =>
    emit(collector.status().light === 'green' ? 1 : 0, collector.name),
  );
  each('weir_collector_events_total', (collector, emit) => {
    for (const [event, count] of collector.tallies()) emit(count, collector.name, event);
  });
  each('weir_collector_state', (collector, emit) => {
    for (const [what, value] of collector.gauges()) emit(value, collector.name, what);
  });
}
