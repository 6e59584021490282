/** The items that come more than once, each once, in time that grows with their number. */
export function repeated<T>(items: Iterable<T>): Set<T> {
  const seen = new Set<T>();
  const again = new Set<T>();
  for (const item of items) (seen.has(item) ? again : seen).add(item);
  return again;
}
