/** Metrics of the collectors: `received = stored + rejected + dropped + in flight`, for each. */
import type { FamilySpec } from './registry.ts';

type Row = readonly [type: FamilySpec['type'], help: string, labels?: readonly string[]];

const COLLECTOR = ['collector'] as const;

export const collectorMetrics = {
  weir_collector_received_total: ['counter', 'Records that came in, good or bad.', COLLECTOR],
  weir_collector_received_bytes_total: [
    'counter',
    'Bytes of source text of the records that came in.',
    COLLECTOR,
  ],
  weir_collector_stored_total: [
    'counter',
    'Records that the log has taken; at acks=0, that went to its socket.',
    COLLECTOR,
  ],
  weir_collector_rejected_total: [
    'counter',
    'Records that were refused to their sender.',
    ['collector', 'reason'],
  ],
  weir_collector_dropped_total: ['counter', 'Records that were lost.', ['collector', 'reason']],
  weir_collector_in_flight: ['gauge', 'Records that came in and have no outcome yet.', COLLECTOR],
  weir_collector_up: [
    'gauge',
    'Whether the collector works without a warning (1) or not (0).',
    COLLECTOR,
  ],
  weir_collector_events_total: [
    'counter',
    'What else happened to a collector, such as truncated messages, rotations, kernel drops.',
    ['collector', 'event'],
  ],
  weir_collector_state: [
    'gauge',
    'What a collector holds, such as connections, files, buffered bytes.',
    ['collector', 'what'],
  ],
} as const satisfies Readonly<Record<string, Row>>;
