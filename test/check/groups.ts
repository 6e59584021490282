/** Promises to consumer groups. */
import {
  byPartition,
  type Checker,
  type History,
  partitionName,
  type Violation,
} from './history.ts';

const byGroup = <T extends { readonly group: string }>(items: readonly T[]): Map<string, T[]> => {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(item.group, [...(groups.get(item.group) ?? []), item]);
  return groups;
};

/**
 * A committed offset never goes back: whoever asks for it is told at least the highest one whose
 * commit was acknowledged before, and at least what others were told before.
 */
export const committedOffsets: Checker = (history) => {
  const violations: Violation[] = [];
  const told = byGroup(history.committedReads);
  for (const [group, commits] of byGroup(history.commits)) {
    const reads = byPartition(told.get(group) ?? []);
    for (const [name, of] of byPartition(commits)) {
      if (history.deletedTopics.has(of[0]!.topic)) continue;
      for (const read of reads.get(name) ?? []) {
        const least = of.reduce(
          (highest, { outcome, offset, doneAt }) =>
            outcome === 'ok' && doneAt < read.at ? Math.max(highest, offset) : highest,
          -1,
        );
        if (read.offset >= least) continue;
        violations.push({
          checker: 'groups',
          message: `${group} had committed ${least} of ${name} and was told ${read.offset} at ${read.doneAt}`,
        });
      }
    }
  }
  return [...violations, ...wentBack(history)];
};

function wentBack(history: History): Violation[] {
  // What was told may have been in a page cache only.
  if (history.facts.powerWasCut) return [];
  const violations: Violation[] = [];
  for (const [group, reads] of byGroup(history.committedReads)) {
    for (const [name, of] of byPartition(reads)) {
      if (history.deletedTopics.has(of[0]!.topic)) continue;
      const sorted = of.toSorted((a, b) => a.at - b.at);
      for (const [i, read] of sorted.entries()) {
        const before = sorted.slice(0, i).find((o) => o.doneAt < read.at && o.offset > read.offset);
        if (before === undefined) continue;
        violations.push({
          checker: 'groups',
          message: `${group} was told ${before.offset} of ${name} at ${before.doneAt} and ${read.offset} at ${read.doneAt}`,
        });
      }
    }
  }
  return violations;
}

/** In one generation a partition is given to one member. */
export const oneOwner: Checker = (history) => {
  const violations: Violation[] = [];
  const owners = new Map<string, string>();
  for (const owned of history.ownerships) {
    const key = `${partitionName(owned)} in generation ${owned.generation} of ${owned.group}`;
    const other = owners.get(key);
    if (other !== undefined && other !== owned.member) {
      violations.push({
        checker: 'groups',
        message: `${key} belongs to ${other} and ${owned.member}`,
      });
    }
    owners.set(key, owned.member);
  }
  return violations;
};
