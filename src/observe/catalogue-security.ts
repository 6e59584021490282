/** Metrics of rights and quotas: of quotas only those that are set, and of their clients only so many. */
import type { FamilySpec } from './registry.ts';

type Row = readonly [type: FamilySpec['type'], help: string, labels?: readonly string[]];

/** Empty: all users, or all client ids, share the quota. */
const CLIENT = ['user', 'client_id'] as const;

export const securityMetrics = {
  kafka_server_produce_byte_rate: [
    'gauge',
    'Bytes a second that clients with a quota send.',
    CLIENT,
  ],
  kafka_server_produce_throttle_time: [
    'gauge',
    'Milliseconds for which such clients are held back, on average.',
    CLIENT,
  ],
  kafka_server_fetch_byte_rate: ['gauge', 'Bytes a second that clients with a quota get.', CLIENT],
  kafka_server_fetch_throttle_time: [
    'gauge',
    'Milliseconds for which such clients are held back, on average.',
    CLIENT,
  ],
  kafka_server_request_request_time: [
    'gauge',
    'Percentage of the broker’s thread that clients with a quota take.',
    CLIENT,
  ],
  kafka_server_request_throttle_time: [
    'gauge',
    'Milliseconds for which such clients are held back, on average.',
    CLIENT,
  ],
  weir_broker_connections_throttled: ['gauge', 'Connections that are held back by a quota.'],
  weir_authorizer_acls: ['gauge', 'ACLs.'],
  weir_authorizer_decisions_total: [
    'counter',
    'Questions whether a client may do something, by the answer.',
    ['result'],
  ],
  weir_authorizer_cached_decisions: ['gauge', 'Decisions that are kept, of at most 100,000.'],
  weir_authorizer_untold_denials_total: [
    'counter',
    'Denials that the log does not tell, because they repeat others or there were too many.',
  ],
} as const satisfies Readonly<Record<string, Row>>;
