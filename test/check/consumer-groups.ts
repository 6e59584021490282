/** Promises to groups of the consumer protocol (KIP-848). */
import {
  byPartition,
  type Checker,
  type Claim,
  type MemberEpoch,
  partitionName,
  type Violation,
} from './history.ts';

const CHECKER = 'consumer groups';
const violation = (message: string): Violation => ({ checker: CHECKER, message });

/**
 * Nobody is given a partition that another member has, is about to give up, or may still take for
 * its own because its session is not over.
 */
export const oneClaim: Checker = (history) => {
  const violations: Violation[] = [];
  const groups = Map.groupBy(history.claims, ({ group }) => group);
  for (const [group, claims] of groups) {
    for (const [name, of] of byPartition(claims)) {
      const sorted = of.toSorted((a, b) => a.from - b.from);
      let last: Claim | undefined;
      for (const claim of sorted) {
        if (last !== undefined && last.until > claim.from && last.member !== claim.member) {
          violations.push(
            violation(
              `${name} was given to ${claim.member} of ${group} at ${claim.from} in epoch ${claim.epoch}, and ${last.member} had it in epoch ${last.epoch} until ${last.until}`,
            ),
          );
        }
        if (last === undefined || claim.until > last.until) last = claim;
      }
    }
  }
  return violations;
};

/** The epoch of a member never goes back. */
export const memberEpochs: Checker = (history) => {
  const violations: Violation[] = [];
  const last = new Map<string, MemberEpoch>();
  for (const told of history.memberEpochs) {
    const key = `${told.member} of ${told.group}`;
    const before = last.get(key);
    if (before !== undefined && before.epoch > told.epoch) {
      violations.push(
        violation(`${key} was in epoch ${before.epoch}, and in ${told.epoch} at ${told.at}`),
      );
    }
    last.set(key, told);
  }
  return violations;
};

/** Whoever sends heartbeats in time stays a member, whichever broker coordinates the group. */
export const keptMembers: Checker = (history) =>
  history.expulsions.flatMap(({ group, member, at, error, heardAt, unanswered, sessionMs }) => {
    // An answer that was lost may have brought an epoch, and the next one another.
    if (unanswered > 1 || at - heardAt >= sessionMs) return [];
    const since = (at - heardAt).toFixed(0);
    return [violation(`${member} of ${group} was told ${error} at ${at}, ${since} ms after a yes`)];
  });

/** A group has read all that comes before what it has committed: nobody skips anything. */
export const groupReadsAll: Checker = (history) => {
  const read = new Map<string, Set<number>>();
  for (const poll of history.polls) {
    const key = `${groupOf(poll.consumer)}/${partitionName(poll)}`;
    const offsets = read.get(key);
    if (offsets === undefined) read.set(key, new Set([poll.offset]));
    else offsets.add(poll.offset);
  }
  const ends = new Map([...read].map(([key, offsets]) => [key, firstMissing(offsets)]));
  const groups = new Set(history.claims.map(({ group }) => group));
  return history.commits.flatMap((commit) => {
    if (commit.outcome !== 'ok' || !groups.has(commit.group)) return [];
    if (history.deletedTopics.has(commit.topic)) return [];
    const key = `${commit.group}/${partitionName(commit)}`;
    const end = ends.get(key) ?? 0;
    if (commit.offset <= end) return [];
    return [
      violation(`${commit.member} committed ${commit.offset} of ${key}, nobody read @${end}`),
    ];
  });
};

/** Consumers of a group are named `group/member`. */
const groupOf = (consumer: string): string => consumer.split('/')[0]!;

function firstMissing(offsets: ReadonlySet<number>): number {
  let next = 0;
  while (offsets.has(next)) next += 1;
  return next;
}
