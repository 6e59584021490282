/** Promises of compacted topics. */
import {
  byPartition,
  type Checker,
  type CompactedReplica,
  type History,
  type KeyedPoll,
  type KeyedWrite,
  partitionName,
  type Violation,
} from './history.ts';

const CHECKER = 'compaction';
const violation = (message: string): Violation => ({ checker: CHECKER, message });

/** What somebody sees of a key; undefined: nothing. */
type Seen = { readonly value: string | null; readonly offset: number } | undefined;

/** Writes of a key, by their order. */
function writesByKey(writes: readonly KeyedWrite[]): Map<string, KeyedWrite[]> {
  const keys = new Map<string, KeyedWrite[]>();
  for (const write of writes) {
    const list = keys.get(write.key);
    if (list === undefined) keys.set(write.key, [write]);
    else list.push(write);
  }
  for (const list of keys.values()) list.sort((a, b) => a.index - b.index);
  return keys;
}

/**
 * The last write of a key that was acknowledged, and those behind it that may have happened. Where
 * aborted ones show, their tombstones do, too: nothing tells them from others.
 */
function lastOf(
  writes: readonly KeyedWrite[],
  showsAborted: boolean,
): { sure: KeyedWrite | undefined; possible: KeyedWrite[] } {
  const at = writes.findLastIndex(({ outcome }) => outcome === 'ok');
  const possible = writes
    .slice(at + 1)
    .filter(({ outcome, value }) => outcome === 'info' || (showsAborted && value === null));
  return { sure: writes[at], possible };
}

/** Why nobody may see this of the key; null: it is as it should be. */
function wrongView(
  writes: readonly KeyedWrite[],
  seen: Seen,
  logStartOffset: number,
  showsAborted: boolean,
): string | null {
  const { sure, possible } = lastOf(writes, showsAborted);
  const allowed = sure === undefined ? possible : [sure, ...possible];
  const last = sure === undefined ? 'nothing' : textOf(sure);
  if (seen !== undefined && seen.value !== null) {
    if (allowed.some(({ value }) => value === seen.value)) return null;
    return `it is ${seen.value} at @${seen.offset}, though the last that was acknowledged is ${last}`;
  }
  // A key that is gone and one that is marked as deleted are the same to whoever reads.
  if (sure === undefined || allowed.some(({ value }) => value === null)) return null;
  const isExpired = sure.offset < 0 ? logStartOffset > 0 : sure.offset < logStartOffset;
  return isExpired ? null : `it is gone, though the last that was acknowledged is ${last}`;
}

const textOf = ({ value, offset, doneAt }: KeyedWrite): string =>
  `${value ?? 'its deletion'} (offset ${offset}, time ${doneAt})`;

/**
 * On every replica in sync, and for whoever reads at rest, the last value of each key is the last
 * one that was acknowledged, or one that came behind it: so no deleted key is back, on whichever
 * replica may lead next.
 */
export const latestValues: Checker = (history) => {
  const violations: Violation[] = [];
  const aborted = abortedValues(history);
  const replicas = byPartition(history.compacted);
  const polls = byPartition(
    history.keyedPolls.filter(({ consumer }) => consumer.startsWith('final')),
  );
  for (const [name, writes] of byPartition(history.keyedWrites)) {
    const keys = writesByKey(writes);
    const judge = (
      who: string,
      last: ReadonlyMap<string, Seen>,
      start: number,
      showsAborted: boolean,
    ): void => {
      for (const [key, of] of keys) {
        const fault = wrongView(of, last.get(key), start, showsAborted);
        if (fault !== null) violations.push(violation(`${name} ${key}, ${who}: ${fault}`));
      }
    };
    let start = 0;
    for (const replica of replicas.get(name) ?? []) {
      if (!replica.inSync) continue;
      if (replica.isLeader) start = replica.logStartOffset;
      const records = replica.records.filter(({ value }) => value === null || !aborted.has(value));
      judge(`broker ${replica.broker}`, lastByKey(records), replica.logStartOffset, true);
    }
    const read = polls.get(name);
    if (read !== undefined) judge('a reader', lastByKey(read), start, false);
  }
  return violations;
};

function lastByKey(
  records: Iterable<{ key: string; value: string | null; offset: number }>,
): Map<string, Seen> {
  const last = new Map<string, Seen>();
  for (const record of records) last.set(record.key, record);
  return last;
}

function abortedValues(history: History): ReadonlySet<string> {
  const values = new Set<string>();
  for (const { outcome, value } of history.keyedWrites) {
    if (outcome === 'abort' && value !== null) values.add(value);
  }
  return values;
}

/** No reader of committed records sees what was aborted, though compaction went over its marker. */
export const onlyCommittedKeys: Checker = (history) => {
  const aborted = abortedValues(history);
  return history.keyedPolls.flatMap((poll) =>
    poll.value !== null && aborted.has(poll.value)
      ? [violation(`${poll.consumer} saw ${poll.value}, which was aborted, at ${placeOf(poll)}`)]
      : [],
  );
};

/**
 * Records keep their order: offsets go up in every log, and for every reader. A reader sees what is in
 * the page caches of all in sync; where power was cut that may be gone, and others take its place.
 */
export const keptOrder: Checker = (history) => {
  const violations: Violation[] = [];
  const check = (who: string, records: readonly { readonly offset: number }[]): void => {
    for (let i = 1; i < records.length; i++) {
      const [before, record] = [records[i - 1]!, records[i]!];
      if (record.offset > before.offset) continue;
      violations.push(violation(`${who} has @${record.offset} behind @${before.offset}`));
    }
  };
  for (const replica of history.compacted) check(nameOf(replica), replica.records);
  if (history.facts.powerWasCut) return violations;
  const readers = new Map<string, KeyedPoll[]>();
  for (const poll of history.keyedPolls) {
    const reader = `${poll.consumer} of ${partitionName(poll)}`;
    readers.set(reader, [...(readers.get(reader) ?? []), poll]);
  }
  for (const [reader, polls] of readers) check(reader, polls);
  return violations;
};

const nameOf = (replica: CompactedReplica): string =>
  `${partitionName(replica)} of broker ${replica.broker}`;

/**
 * What stands at an offset stays there, or goes: all replicas in sync have the same record at it, if
 * any, and it is what readers saw there.
 */
export const keptOffsets: Checker = (history) => {
  const violations: Violation[] = [];
  const polls = byPartition(history.keyedPolls);
  for (const [name, replicas] of byPartition(history.compacted)) {
    const known = new Map<number, { text: string; who: string }>();
    const check = (offset: number, text: string, who: string): void => {
      const other = known.get(offset);
      if (other === undefined) known.set(offset, { text, who });
      else if (other.text !== text) {
        violations.push(
          violation(`${name}@${offset} is ${other.text} for ${other.who}, ${text} for ${who}`),
        );
      }
    };
    for (const replica of replicas) {
      if (!replica.inSync) continue;
      for (const record of replica.records) {
        check(record.offset, recordText(record), `broker ${replica.broker}`);
      }
    }
    // What was read before a power cut may have been in page caches only.
    if (history.facts.powerWasCut) continue;
    for (const poll of polls.get(name) ?? []) check(poll.offset, recordText(poll), poll.consumer);
  }
  return violations;
};

const recordText = ({ key, value }: { key: string; value: string | null }): string =>
  `${key}=${value ?? 'deleted'}`;
const placeOf = (poll: KeyedPoll): string => `${partitionName(poll)}@${poll.offset}`;
