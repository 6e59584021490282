/** Promises to producers. */
import {
  type Checker,
  finalLogs,
  type History,
  partitionName,
  type Replica,
  type Send,
  type Violation,
} from './history.ts';

/** Acknowledged, and promised to stay whatever happened in this run. */
function isPromised(send: Send, history: History): boolean {
  if (send.outcome !== 'ok' || history.deletedTopics.has(send.topic)) return false;
  if (send.acks === -1) return true;
  const { powerWasCut, leadersMoved } = history.facts;
  return send.acks === 1 && !powerWasCut && !leadersMoved;
}

/** Every send that was acknowledged as promised is in the log at the end. */
export const lostWrites: Checker = (history) => {
  const logs = finalLogs(history);
  const found = new Map<string, Set<string>>();
  for (const [name, log] of logs) found.set(name, new Set(log.records.map(({ value }) => value)));
  const violations: Violation[] = [];
  for (const send of history.sends) {
    if (!isPromised(send, history)) continue;
    const name = partitionName(send);
    const log = logs.get(name);
    // A partition that nobody serves is the liveness checker's.
    if (log === undefined || (send.offset >= 0 && send.offset < log.logStartOffset)) continue;
    if (found.get(name)?.has(send.value) === true) continue;
    violations.push({
      checker: 'lost write',
      message: `${send.value} was acknowledged (acks=${send.acks}) in ${name} at offset ${send.offset}, time ${send.doneAt}, and is gone`,
    });
  }
  return violations;
};

/** What was acknowledged stands where the answer said. */
export const movedWrites: Checker = (history) => {
  const logs = finalLogs(history);
  const values = new Map<string, Map<number, string>>();
  for (const [name, log] of logs) {
    values.set(name, new Map(log.records.map(({ offset, value }) => [offset, value])));
  }
  return history.sends.flatMap((send) => {
    if (!isPromised(send, history) || send.offset < 0) return [];
    const name = partitionName(send);
    const there = values.get(name)?.get(send.offset);
    if (there === undefined || there === send.value) return [];
    const message = `${name}@${send.offset} was acknowledged as ${send.value} and is ${there}`;
    return [{ checker: 'inconsistent offsets', message }];
  });
};

function idempotentSends(history: History): Map<string, Send> {
  const sends = new Map<string, Send>();
  for (const send of history.sends) if (send.idempotent) sends.set(send.value, send);
  return sends;
}

/** A value of an idempotent producer stands at one offset. */
export const duplicates: Checker = (history) => {
  const sends = idempotentSends(history);
  const violations: Violation[] = [];
  for (const [name, log] of finalLogs(history)) {
    const seen = new Map<string, number>();
    for (const { offset, value } of log.records) {
      const first = seen.get(value);
      if (first === undefined) seen.set(value, offset);
      else if (sends.has(value)) {
        violations.push({
          checker: 'duplicate',
          message: `${value} stands in ${name} at ${first} and at ${offset}`,
        });
      }
    }
  }
  return violations;
};

/** Records of one idempotent producer stand in the order in which they were sent. */
export const order: Checker = (history) => {
  const sends = idempotentSends(history);
  const violations: Violation[] = [];
  for (const [name, log] of finalLogs(history)) {
    violations.push(...disordered(name, log, sends));
  }
  return violations;
};

function disordered(name: string, log: Replica, sends: ReadonlyMap<string, Send>): Violation[] {
  const violations: Violation[] = [];
  const last = new Map<string, Send>();
  for (const { value, offset } of log.records) {
    const send = sends.get(value);
    if (send === undefined) continue;
    const before = last.get(send.producer);
    if (before !== undefined && before.index > send.index) {
      violations.push({
        checker: 'order',
        message: `${name}@${offset} is ${send.value}, behind ${before.value}`,
      });
    }
    last.set(send.producer, send);
  }
  return violations;
}

/** Nothing is in a log that nobody has sent there. */
export const unknownValues: Checker = (history) => {
  const sent = new Map(history.sends.map((send) => [send.value, partitionName(send)]));
  const violations: Violation[] = [];
  // Markers are nobody's values; what transactions leave has checkers of its own.
  const transactional = new Set(history.transactions.map(({ topic }) => topic));
  for (const [name, log] of finalLogs(history)) {
    if (transactional.has(log.topic)) continue;
    for (const { offset, value } of log.records) {
      const where = sent.get(value);
      if (where === name) continue;
      const message = `${name}@${offset} is ${value}, sent to ${where ?? 'nowhere'}`;
      violations.push({ checker: 'unknown value', message });
    }
  }
  return violations;
};
