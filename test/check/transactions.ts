/** Promises of transactions. */
import { type Checker, type CommittedPoll, partitionName, type Violation } from './history.ts';

const CHECKER = 'transactions';

/** What a reader of committed records saw belongs to a transaction that may have been committed. */
export const onlyCommitted: Checker = (history) => {
  const aborted = new Map<string, string>();
  for (const run of history.transactions) {
    if (run.outcome !== 'abort') continue;
    for (const { value } of run.values) aborted.set(value, run.producer);
  }
  return history.committedPolls.flatMap((poll) =>
    aborted.has(poll.value)
      ? [violation(`${poll.consumer} saw ${poll.value}, which was aborted, at ${placeOf(poll)}`)]
      : [],
  );
};

/** Of each transaction all is seen in the end, or nothing; all, where the commit was acknowledged. */
export const allOrNothing: Checker = (history) => {
  const seen = finalValues(history.committedPolls);
  if (seen === null) return [];
  return history.transactions.flatMap((run) => {
    if (run.values.length === 0) return [];
    const missing = run.values.filter(({ value }) => !seen.has(value)).map(({ value }) => value);
    if (missing.length === 0 || run.outcome === 'abort') return [];
    if (run.outcome === 'ok')
      return [violation(`${missing.join()} were committed, and are not there`)];
    if (missing.length === run.values.length) return [];
    const all = run.values.map(({ value }) => value).join();
    return [violation(`of ${all}, one transaction, ${missing.join()} are not there`)];
  });
};

/** Nobody sees a value at two places, and all see the same at the same place, in order. */
export const seenOnce: Checker = (history) => {
  const violations: Violation[] = [];
  const places = new Map<string, string>();
  const last = new Map<string, number>();
  for (const poll of history.committedPolls) {
    const place = placeOf(poll);
    const known = places.get(poll.value);
    if (known !== undefined && known !== place) {
      violations.push(violation(`${poll.value} is at ${known} and at ${place}`));
    }
    places.set(poll.value, place);
    const reader = `${poll.consumer} ${partitionName(poll)}`;
    if ((last.get(reader) ?? -1) >= poll.offset) {
      violations.push(violation(`${poll.consumer} saw ${place} after @${last.get(reader)}`));
    }
    last.set(reader, poll.offset);
  }
  return violations;
};

/** What those saw who read when all had come to rest; null: nobody did. */
function finalValues(polls: readonly CommittedPoll[]): ReadonlySet<string> | null {
  const last = polls.filter(({ consumer }) => consumer.startsWith('final'));
  return last.length === 0 ? null : new Set(last.map(({ value }) => value));
}

const placeOf = (poll: CommittedPoll): string => `${partitionName(poll)}@${poll.offset}`;
const violation = (message: string): Violation => ({ checker: CHECKER, message });
