/**
 * What can be set on a subscription to metrics of clients (KIP-714): which metrics, how often, and
 * of which clients. Kafka's names, defaults and bounds (ClientMetricsConfigs of Kafka 4.3).
 */
import { compileRe2, type Re2 } from '../base/re2.ts';
import { type Key, tableOf } from './table.ts';

/** Shortest and longest `interval.ms` that a subscription may ask for, milliseconds. */
export const PUSH_INTERVAL_MS_MIN = 100;
export const PUSH_INTERVAL_MS_MAX = 3_600_000;
/** Of clients that no subscription matches, too. */
export const PUSH_INTERVAL_MS_DEFAULT = 300_000;

export const clientMetricsKeys: ReadonlyMap<string, Key> = tableOf([
  {
    name: 'interval.ms',
    type: 'int',
    default: PUSH_INTERVAL_MS_DEFAULT,
    doc: 'Milliseconds between two pushes of a client; of several subscriptions that match it, the shortest.',
  },
  {
    name: 'match',
    type: 'list',
    default: [],
    doc: 'Which clients push, as SELECTOR=PATTERN, all of which must match; empty: every client.',
  },
  {
    name: 'metrics',
    type: 'list',
    default: [],
    doc: 'Beginnings of the names of the metrics to push; * is all of them.',
  },
]);

/** What of a client a pattern is matched with. */
export const clientSelectors = [
  'client_instance_id',
  'client_id',
  'client_software_name',
  'client_software_version',
  'client_source_address',
  'client_source_port',
] as const;

export type ClientSelector = (typeof clientSelectors)[number];

/** Of RE2: whatever the pattern, what a client calls itself is matched in linear time. */
export type ClientPatterns = ReadonlyMap<ClientSelector, Re2>;

/**
 * Reads the value of `match`. Of a selector that stands twice, the last one counts. `illegal` is
 * the first element that is no `SELECTOR=PATTERN`.
 */
export function parseClientPatterns(
  match: readonly string[],
): { readonly patterns: ClientPatterns } | { readonly illegal: string } {
  const patterns = new Map<ClientSelector, Re2>();
  for (const item of match) {
    const [name, pattern, ...more] = item.replace(/=+$/, '').split('=');
    const selector = clientSelectors.find((known) => known === name?.trim());
    if (selector === undefined || pattern === undefined || more.length > 0) {
      return { illegal: item };
    }
    const compiled = compileRe2(pattern.trim());
    if ('fault' in compiled) return { illegal: item };
    patterns.set(selector, compiled);
  }
  return { patterns };
}
