import { describe, expect, it } from 'vitest';
import type { History, Replica } from '../../check/history.ts';
import { judge } from '../../check/index.ts';
import {
  commitOf,
  goodHistory,
  pollOf,
  replicaOf,
  sampleOf,
  sendOf,
  toldOf,
} from './build-history.ts';

/** Names of the checkers that find something wrong after the change. */
function found(spoil: (history: History) => void): string[] {
  const history = goodHistory();
  spoil(history);
  return [...new Set(judge(history).map(({ checker }) => checker))];
}

/** Replaces a broker's replica. */
const withReplica = (history: History, broker: number, changes: Partial<Replica>): void => {
  const at = history.replicas.findIndex((replica) => replica.broker === broker);
  history.replicas[at] = { ...history.replicas[at]!, ...changes };
};

describe('a history in which all is well', () => {
  it('is let pass', () => {
    expect(judge(goodHistory())).toEqual([]);
  });

  it('may have sends without an outcome, in the log or not', () => {
    expect(found((h) => h.sends.push(sendOf('c-0', { outcome: 'info' })))).toEqual([]);
    expect(
      found((h) => {
        h.sends[3] = sendOf('a-2', { outcome: 'info' });
      }),
    ).toEqual([]);
  });

  it('may lose what only the leader had acknowledged once leaders have moved', () => {
    const lose = (h: History): void => {
      h.sends.push(sendOf('c-0', { acks: 1, offset: 4 }));
    };
    expect(found(lose)).toEqual(['lost write']);
    expect(
      found((h) => {
        lose(h);
        h.facts.leadersMoved = true;
      }),
    ).toEqual([]);
  });

  it('may have what was deleted with its topic or by retention gone', () => {
    expect(
      found((h) => {
        h.sends.push(sendOf('c-0', { topic: 'gone', offset: 0 }));
        h.deletedTopics.add('gone');
      }),
    ).toEqual([]);
    expect(
      found((h) => {
        h.replicas.length = 0;
        const records = [{ offset: 3, epoch: 1, value: 'a-2' }];
        const changes = { logStartOffset: 3, logEndOffset: 4, highWatermark: 4, records };
        h.replicas.push(replicaOf(0, [], { ...changes, epochs: [{ epoch: 1, startOffset: 3 }] }));
      }),
    ).toEqual([]);
  });

  it('may have been read twice, from an earlier offset on', () => {
    expect(found((h) => h.polls.push(pollOf(1, 'a-1', { session: 2 })))).toEqual([]);
  });

  it('may have been seen otherwise before a power cut, but not if it was acknowledged', () => {
    expect(
      found((h) => {
        h.facts.powerWasCut = true;
        h.polls[3] = pollOf(3, 'x-9');
      }),
    ).toEqual([]);
    expect(
      found((h) => {
        h.facts.powerWasCut = true;
        for (const replica of h.replicas) (replica.records as unknown[]).pop();
      }),
    ).toContain('lost write');
  });
});

describe('a broken promise to producers', () => {
  it('is found: an acknowledged write is gone', () => {
    expect(found((h) => h.sends.push(sendOf('c-0', { offset: 4 })))).toEqual(['lost write']);
  });

  it('is found: another value stands where one was acknowledged', () => {
    expect(
      found((h) => {
        h.sends[0] = sendOf('a-0', { offset: 1 });
      }),
    ).toEqual(['inconsistent offsets']);
  });

  const stored =
    (...values: string[]) =>
    (h: History) => {
      h.polls.length = 0;
      h.replicas.length = 0;
      h.replicas.push(replicaOf(0, values));
      for (const send of h.sends) send.offset = -1;
    };

  it('is found: a value of an idempotent producer stands twice', () => {
    expect(found(stored('a-0', 'a-1', 'b-0', 'a-2', 'a-2'))).toEqual(['duplicate']);
  });

  it('is found: records of an idempotent producer stand in another order', () => {
    expect(found(stored('a-1', 'a-0', 'b-0', 'a-2'))).toEqual(['order']);
  });

  it('is no duplicate and no disorder without idempotence', () => {
    expect(
      found((h) => {
        stored('a-0', 'a-1', 'b-0', 'a-2', 'a-1')(h);
        h.sends[1] = sendOf('a-1', { idempotent: false });
      }),
    ).toEqual([]);
  });

  it('is found: a value that nobody sent, or sent elsewhere', () => {
    expect(found(stored('a-0', 'a-1', 'b-0', 'a-2', 'z-0'))).toEqual(['unknown value']);
    expect(
      found((h) => {
        h.sends[2] = sendOf('b-0', { partition: 1, outcome: 'info' });
      }),
    ).toEqual(['unknown value']);
  });
});

describe('a broken promise to consumers', () => {
  it('is found: an offset is passed over', () => {
    expect(
      found((h) => {
        h.polls.splice(1, 1);
      }),
    ).toEqual(['gapless']);
  });

  it('is found: offsets go back within a session', () => {
    expect(found((h) => h.polls.push(pollOf(2, 'b-0')))).toEqual(['order']);
  });

  it('is found: an offset has two values', () => {
    expect(found((h) => h.polls.push(pollOf(0, 'a-1', { consumer: 'd' })))).toEqual([
      'inconsistent offsets',
      'prefix',
    ]);
  });

  it('is found: what was read is not in the log', () => {
    expect(found((h) => h.polls.push(pollOf(4, 'x-1')))).toContain('prefix');
  });
});

describe('a broken promise among replicas', () => {
  it('is found: the high watermark goes back within a term', () => {
    expect(found((h) => h.samples.push(sampleOf(0, { highWatermark: 3 })))).toEqual([
      'high watermark',
    ]);
  });

  it('is found: the high watermark is behind what was read', () => {
    expect(found((h) => withReplica(h, 0, { highWatermark: 3 }))).toEqual(['high watermark']);
  });

  it('is found: a replica in sync has another record, another epoch or fewer records', () => {
    const other = (value: string, epoch: number) => (h: History) =>
      withReplica(h, 1, {
        records: [...h.replicas[1]!.records.slice(0, 3), { offset: 3, epoch, value }],
        epochs:
          epoch === 1
            ? [{ epoch: 1, startOffset: 0 }]
            : [
                { epoch: 1, startOffset: 0 },
                { epoch, startOffset: 3 },
              ],
      });
    expect(found(other('x-0', 1))).toEqual(['replicas equal']);
    expect(found(other('a-2', 2))).toEqual(['replicas equal']);
    expect(found((h) => withReplica(h, 2, { logEndOffset: 3 }))).toEqual(['replicas equal']);
  });

  it('is none when the replica is not in sync', () => {
    expect(found((h) => withReplica(h, 2, { logEndOffset: 3, inSync: false }))).toEqual([]);
  });

  it('is found: two leaders in one epoch', () => {
    expect(found((h) => h.samples.push(sampleOf(2)))).toEqual(['one leader']);
  });

  it('is found: epochs of records go back, or are of the future', () => {
    const epochsOf =
      (...epochs: number[]) =>
      (h: History) => {
        h.replicas.length = 0;
        const records = epochs.map((epoch, i) => ({ offset: i, epoch, value: h.sends[i]!.value }));
        const starts = epochs.flatMap((epoch, i) =>
          epoch > (epochs[i - 1] ?? -1) ? [{ epoch, startOffset: i }] : [],
        );
        h.replicas.push(
          replicaOf(0, [], { records, epochs: starts, logEndOffset: 4, highWatermark: 4 }),
        );
      };
    expect(found(epochsOf(0, 1, 1, 3))).toEqual([]);
    expect(found(epochsOf(0, 2, 1, 3))).toEqual(['epochs']);
    expect(found(epochsOf(0, 1, 1, 4))).toEqual(['epochs']);
  });

  it('is found: the list of epochs does not rise, or does not say what the records say', () => {
    const listed =
      (...epochs: [number, number][]) =>
      (h: History) =>
        withReplica(h, 0, {
          epochs: epochs.map(([epoch, startOffset]) => ({ epoch, startOffset })),
        });
    expect(found(listed([1, 0], [2, 4], [3, 4]))).toEqual(['epochs']);
    expect(found(listed([1, 0], [2, 2]))).toEqual(['epochs']);
    expect(found(listed([1, 1]))).toEqual(['epochs']);
    expect(found(listed([1, 0], [3, 4]))).toEqual([]);
  });

  it('is found: a hole in a log', () => {
    expect(
      found((h) => {
        h.polls.length = 0;
        h.sends[1] = sendOf('a-1', { outcome: 'info' });
        for (const replica of h.replicas) (replica.records as unknown[]).splice(1, 1);
      }),
    ).toEqual(['gapless']);
  });
});

describe('a broken promise to groups', () => {
  it('is found: a committed offset goes back', () => {
    expect(found((h) => h.committedReads.push(toldOf(3, 30)))).toEqual(['groups']);
    expect(found((h) => h.committedReads.push(toldOf(-1, 30)))).toEqual(['groups']);
  });

  it('is none while the commit is under way or without an outcome', () => {
    expect(found((h) => h.committedReads.push(toldOf(2, 19)))).toEqual([]);
    expect(found((h) => h.commits.push(commitOf(9, 25, { outcome: 'info' })))).toEqual([]);
  });

  it('is found: what was told without an acknowledged commit goes back', () => {
    expect(found((h) => h.committedReads.push(toldOf(7, 30), toldOf(5, 40)))).toEqual(['groups']);
  });

  it('is found: two members own a partition in one generation', () => {
    const owned = { group: 'g', generation: 2, topic: 't', partition: 0 };
    expect(found((h) => h.ownerships.push({ ...owned, member: 'o' }))).toEqual(['groups']);
  });
});

describe('a run that does not come to its end', () => {
  it('is found', () => {
    const missing = { what: 'a leader', met: false, detail: 'none' };
    expect(found((h) => h.expectations.push(missing))).toEqual(['liveness']);
  });
});
