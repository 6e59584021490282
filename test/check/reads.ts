/** Promises to consumers. */
import {
  byPartition,
  type Checker,
  finalLogs,
  type History,
  type Poll,
  partitionName,
  type Violation,
} from './history.ts';

/** Polls by consumer, session and partition, in the order in which they came. */
function sessions(history: History): Poll[][] {
  const lists = new Map<string, Poll[]>();
  for (const poll of history.polls) {
    const key = `${poll.consumer}/${poll.session}/${partitionName(poll)}`;
    const list = lists.get(key);
    if (list === undefined) lists.set(key, [poll]);
    else list.push(poll);
  }
  return [...lists.values()];
}

/** Within a session offsets go up by one: there is no compaction and there are no markers. */
export const gapless: Checker = (history) => {
  const violations: Violation[] = [];
  for (const polls of sessions(history)) {
    for (let i = 1; i < polls.length; i++) {
      const [before, poll] = [polls[i - 1]!, polls[i]!];
      if (poll.offset === before.offset + 1) continue;
      const name = partitionName(poll);
      violations.push({
        checker: poll.offset <= before.offset ? 'order' : 'gapless',
        message: `${poll.consumer} saw ${name}@${poll.offset} right after @${before.offset}`,
      });
    }
  }
  return violations;
};

/**
 * An offset has one value for everybody and for ever. After a power cut only what was promised is
 * for ever: see `movedWrites`.
 */
export const inconsistentReads: Checker = (history) => {
  if (history.facts.powerWasCut) return [];
  const violations: Violation[] = [];
  for (const [name, polls] of byPartition(history.polls)) {
    const values = new Map<number, Poll>();
    for (const poll of polls) {
      const other = values.get(poll.offset);
      if (other === undefined) values.set(poll.offset, poll);
      else if (other.value !== poll.value) {
        violations.push({
          checker: 'inconsistent offsets',
          message: `${name}@${poll.offset} was ${other.value} for ${other.consumer} at ${other.at} and ${poll.value} for ${poll.consumer} at ${poll.at}`,
        });
      }
    }
  }
  return violations;
};

/** What a consumer has seen is part of the log at the end: it saw a prefix of it. */
export const prefix: Checker = (history) => {
  if (history.facts.powerWasCut) return [];
  const violations: Violation[] = [];
  const logs = finalLogs(history);
  for (const [name, polls] of byPartition(history.polls)) {
    const log = logs.get(name);
    if (log === undefined || history.deletedTopics.has(log.topic)) continue;
    const values = new Map(log.records.map(({ offset, value }) => [offset, value]));
    for (const poll of polls) {
      if (poll.offset < log.logStartOffset || values.get(poll.offset) === poll.value) continue;
      violations.push({
        checker: 'prefix',
        message: `${poll.consumer} saw ${poll.value} at ${name}@${poll.offset}, time ${poll.at}; the log has ${values.get(poll.offset) ?? 'nothing'}`,
      });
    }
  }
  return violations;
};
