/** Histories by hand: everything well, until a test spoils something. */
import {
  type Commit,
  type CommittedRead,
  History,
  type Poll,
  type Replica,
  type Sample,
  type Send,
} from '../../check/history.ts';

export const sendOf = (value: string, changes: Partial<Send> = {}): Send => {
  const [producer = '', index = '0'] = value.split('-');
  return {
    producer,
    index: Number(index),
    value,
    topic: 't',
    partition: 0,
    acks: -1,
    idempotent: true,
    at: 0,
    outcome: 'ok',
    offset: -1,
    doneAt: 1,
    ...changes,
  };
};

export const pollOf = (offset: number, value: string, changes: Partial<Poll> = {}): Poll => ({
  consumer: 'c',
  session: 1,
  topic: 't',
  partition: 0,
  offset,
  value,
  at: 5,
  ...changes,
});

export const replicaOf = (
  broker: number,
  values: readonly string[],
  changes: Partial<Replica> = {},
): Replica => ({
  topic: 't',
  partition: 0,
  broker,
  leaderEpoch: 3,
  isLeader: broker === 0,
  inSync: true,
  logStartOffset: 0,
  logEndOffset: values.length,
  highWatermark: values.length,
  epochs: values.length === 0 ? [] : [{ epoch: 1, startOffset: 0 }],
  records: values.map((value, offset) => ({ offset, epoch: 1, value })),
  ...changes,
});

export const sampleOf = (broker: number, changes: Partial<Sample> = {}): Sample => ({
  topic: 't',
  partition: 0,
  broker,
  life: 1,
  leaderEpoch: 3,
  isLeader: true,
  highWatermark: 0,
  logEndOffset: 0,
  at: 0,
  ...changes,
});

export const commitOf = (
  offset: number,
  doneAt: number,
  changes: Partial<Commit> = {},
): Commit => ({
  topic: 't',
  partition: 0,
  group: 'g',
  member: 'm',
  generation: 1,
  offset,
  at: doneAt - 1,
  outcome: 'ok',
  doneAt,
  ...changes,
});

export const toldOf = (offset: number, at: number): CommittedRead => ({
  topic: 't',
  partition: 0,
  group: 'g',
  offset,
  at,
  doneAt: at + 1,
});

const VALUES = ['a-0', 'a-1', 'b-0', 'a-2'];

/** Four records that two producers have sent and one consumer has read, on three replicas. */
export function goodHistory(): History {
  const history = new History();
  VALUES.forEach((value, offset) => history.sends.push(sendOf(value, { offset })));
  VALUES.forEach((value, offset) => history.polls.push(pollOf(offset, value)));
  for (const broker of [0, 1, 2]) history.replicas.push(replicaOf(broker, VALUES));
  history.samples.push(sampleOf(1, { leaderEpoch: 2, highWatermark: 2 }));
  history.samples.push(sampleOf(1, { leaderEpoch: 3, isLeader: false, highWatermark: 1 }));
  history.samples.push(sampleOf(0, { highWatermark: 1 }), sampleOf(0, { highWatermark: 4 }));
  history.commits.push(commitOf(2, 10), commitOf(4, 20));
  history.committedReads.push(toldOf(2, 11), toldOf(4, 21));
  history.ownerships.push(
    { group: 'g', generation: 1, member: 'm', topic: 't', partition: 0 },
    { group: 'g', generation: 2, member: 'n', topic: 't', partition: 0 },
  );
  history.expectations.push({ what: 'all is well', met: true, detail: '' });
  return history;
}
