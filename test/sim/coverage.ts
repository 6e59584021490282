/** What a run has put to the test, as numbers to compare runs by. */
import type { History } from '../check/history.ts';

interface Operation {
  readonly at: number;
  readonly doneAt: number;
  readonly outcome: string;
}

/** Operations that were acknowledged, and those that were under way when something went wrong. */
export function coverageOf(
  history: History,
  faultTimes: readonly number[],
): Record<string, number> {
  const counts: Record<string, number> = {};
  const { sends, transactions, keyedWrites, commits } = history;
  for (const [name, operations] of Object.entries({ sends, transactions, keyedWrites, commits })) {
    const isStruck = ({ at, doneAt }: Operation): boolean =>
      faultTimes.some((time) => time >= at && time <= doneAt);
    counts[name] = operations.filter(({ outcome }) => outcome === 'ok').length;
    counts[`${name}Struck`] = operations.filter(isStruck).length;
  }
  counts['elections'] = new Set(
    history.samples
      .filter(({ isLeader }) => isLeader)
      .map(({ topic, partition, leaderEpoch }) => `${topic}-${partition}@${leaderEpoch}`),
  ).size;
  return counts;
}
