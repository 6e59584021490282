import { describe, expect, it } from 'vitest';
import {
  type CompactedReplica,
  History,
  type KeyedPoll,
  type KeyedRecord,
  type KeyedWrite,
} from '../../check/history.ts';
import { judge } from '../../check/index.ts';

const place = { topic: 'k', partition: 0 };

const writeOf = (
  index: number,
  key: string,
  value: string | null,
  changes: Partial<KeyedWrite> = {},
): KeyedWrite => ({
  ...place,
  ...{ producer: 'p', key, index, value, at: index, outcome: 'ok' },
  ...{ offset: index, doneAt: index + 1, ...changes },
});
const recordOf = (offset: number, key: string, value: string | null): KeyedRecord => ({
  ...{ offset, epoch: 1, key, value },
});
const pollOf = (offset: number, key: string, value: string | null): KeyedPoll => ({
  ...place,
  ...{ consumer: 'final-k', key, value, offset, at: 99 },
});
const replicaOf = (broker: number, records: readonly KeyedRecord[]): CompactedReplica => ({
  ...place,
  ...{ broker, leaderEpoch: 1, isLeader: broker === 0, inSync: true },
  ...{ logStartOffset: 0, logEndOffset: 4, highWatermark: 4 },
  epochs: [{ epoch: 1, startOffset: 0 }],
  records,
});

/** `a` was written twice, `b` written and deleted; one replica has the tombstone still. */
function goodHistory(): History {
  const history = new History();
  history.keyedWrites.push(
    writeOf(0, 'a', 'p-0'),
    writeOf(1, 'b', 'p-1'),
    writeOf(2, 'b', null),
    writeOf(3, 'a', 'p-3'),
  );
  history.compacted.push(
    replicaOf(0, [recordOf(3, 'a', 'p-3')]),
    replicaOf(1, [recordOf(2, 'b', null), recordOf(3, 'a', 'p-3')]),
  );
  history.keyedPolls.push(pollOf(3, 'a', 'p-3'));
  return history;
}

function faults(spoil: (history: History) => void): string[] {
  const history = goodHistory();
  spoil(history);
  return judge(history).map(({ message }) => message);
}

/** Puts other records into the replica of broker 1. */
const withRecords = (history: History, ...records: KeyedRecord[]): void => {
  history.compacted[1] = replicaOf(1, records);
};

describe('the checker of compaction', () => {
  it('lets pass what has the last value of each key', () => {
    expect(judge(goodHistory())).toEqual([]);
  });

  it('lets a write without an outcome be there or not', () => {
    const maybe = writeOf(4, 'a', 'p-4', { outcome: 'info', offset: -1 });
    expect(faults((h) => h.keyedWrites.push(maybe))).toEqual([]);
    expect(
      faults((h) => {
        h.keyedWrites.push(maybe);
        for (const broker of [0, 1]) {
          h.compacted[broker] = replicaOf(broker, [recordOf(4, 'a', 'p-4')]);
        }
        h.keyedPolls.length = 0;
      }),
    ).toEqual([]);
  });

  it('finds a value that is older than the last one, and one that is gone', () => {
    const old = (h: History): void => withRecords(h, recordOf(0, 'a', 'p-0'));
    expect(faults(old)).toEqual([expect.stringContaining('k-0 a, broker 1: it is p-0')]);
    expect(faults(withRecords)).toEqual([expect.stringContaining('k-0 a, broker 1: it is gone')]);
    expect(faults((h) => h.keyedPolls.splice(0, 1, pollOf(0, 'a', 'p-0')))).toEqual([
      expect.stringContaining('a reader: it is p-0'),
    ]);
  });

  it('finds a deleted key that is back on any replica in sync', () => {
    const back = (h: History): void =>
      withRecords(h, recordOf(1, 'b', 'p-1'), recordOf(3, 'a', 'p-3'));
    expect(faults(back)).toEqual([expect.stringContaining('k-0 b, broker 1: it is p-1')]);
  });

  it('lets go what retention has taken, and nothing else', () => {
    const gone = (start: number) => (h: History) => {
      h.compacted.splice(0, 2, { ...replicaOf(0, []), logStartOffset: start });
      h.keyedPolls.length = 0;
    };
    expect(faults(gone(4))).toEqual([]);
    expect(faults(gone(3))).toHaveLength(1);
  });

  it('finds what was aborted and is shown', () => {
    expect(
      faults((h) => {
        h.keyedWrites.push(writeOf(4, 'c', 'p-4', { outcome: 'abort' }));
        h.keyedPolls.push(pollOf(4, 'c', 'p-4'));
      }),
    ).toContainEqual(expect.stringContaining('p-4, which was aborted'));
  });

  it('finds another record at an offset, and offsets that go back', () => {
    const moved = (h: History): void =>
      withRecords(h, recordOf(2, 'a', 'p-0'), recordOf(3, 'a', 'p-3'));
    expect(faults((h) => h.keyedPolls.unshift(pollOf(2, 'b', null)))).toEqual([]);
    expect(
      faults((h) => {
        moved(h);
        h.keyedPolls.unshift(pollOf(2, 'b', null));
      }),
    ).toEqual([expect.stringContaining('k-0@2 is a=p-0 for broker 1, b=deleted for final-k')]);
    const twice = (h: History): void =>
      withRecords(h, recordOf(3, 'a', 'p-3'), recordOf(3, 'a', 'p-3'));
    expect(faults(twice)).toEqual([expect.stringContaining('has @3 behind @3')]);
  });
});
