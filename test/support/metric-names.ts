/** The metrics that PromQL names, and those of them that may be named without being in the catalogue. */
import { metricNames } from '../../src/observe/catalogue.ts';

/** `up` is Prometheus', `process_*` the exporter's library's. */
const others: ReadonlySet<string> = new Set([
  'up',
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'process_open_fds',
  'process_max_fds',
]);

/** Names in an expression: of what is followed by no bracket, and is no label or word of PromQL. */
export function metricsIn(expression: string): string[] {
  const bare = expression
    .replaceAll(/"[^"]*"/g, '""')
    .replaceAll(/\{[^}]*\}/g, '')
    .replaceAll(/\b(?:by|on|group_left|without|ignoring)\s*\([^)]*\)/g, '');
  const names = bare.match(/\b(?:[a-z_]+:)?(?:kafka|weir|process|nodejs)_[a-z0-9_:]+|\bup\b/g);
  return [...new Set(names ?? [])];
}

/** Those that nothing exposes. `recorded` are the names of recording rules. */
export const unknownMetrics = (
  expressions: readonly string[],
  recorded: ReadonlySet<string> = new Set(),
): string[] =>
  [...new Set(expressions.flatMap(metricsIn))].filter(
    (name) => !metricNames.has(name) && !others.has(name) && !recorded.has(name),
  );
