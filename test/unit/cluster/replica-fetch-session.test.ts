import { describe, expect, it } from 'vitest';
import {
  type AskedPartition,
  ReplicaFetchSession,
} from '../../../src/cluster/replica-fetch-session.ts';

const wanted = (partition: number, fetchOffset: number) => ({
  key: `t/${partition}`,
  topicId: 't',
  asked: { partition, fetchOffset } as AskedPartition,
});
const named = (request: ReturnType<ReplicaFetchSession['next']>): number[] =>
  request.topics.flatMap(({ partitions }) => partitions.map(({ partition }) => partition));

describe('the follower’s side of a fetch session', () => {
  it('names everything first, then what has changed, and what it wants no more', () => {
    const session = new ReplicaFetchSession();
    const first = session.next([wanted(0, 5), wanted(1, 7)]);
    expect(first).toMatchObject({ sessionId: 0, sessionEpoch: 0, forgottenTopicsData: [] });
    expect(named(first)).toEqual([0, 1]);
    session.answered(42);
    const second = session.next([wanted(0, 6), wanted(1, 7)]);
    expect(second).toMatchObject({ sessionId: 42, sessionEpoch: 1, forgottenTopicsData: [] });
    expect(named(second)).toEqual([0]);
    session.answered(42);
    const third = session.next([wanted(1, 7), wanted(2, 0)]);
    expect(third).toMatchObject({
      sessionEpoch: 2,
      forgottenTopicsData: [{ topicId: 't', partitions: [0] }],
    });
    expect(named(third)).toEqual([2]);
  });

  it('begins anew after a failure, and has the leader close the former session', () => {
    const session = new ReplicaFetchSession();
    session.next([wanted(0, 5)]);
    session.answered(42);
    session.next([wanted(0, 5)]);
    session.reset();
    const again = session.next([wanted(0, 5)]);
    expect(again).toMatchObject({ sessionId: 42, sessionEpoch: 0 });
    expect(named(again)).toEqual([0]);
    session.answered(43);
    expect(session.next([wanted(0, 5)])).toMatchObject({ sessionId: 43, sessionEpoch: 1 });
    session.forget();
    expect(session.next([wanted(0, 5)])).toMatchObject({ sessionId: 0, sessionEpoch: 0 });
  });

  it('asks for everything each time when the leader keeps no session', () => {
    const session = new ReplicaFetchSession();
    for (let i = 0; i < 3; i++) {
      expect(named(session.next([wanted(0, 5), wanted(1, 5)]))).toEqual([0, 1]);
      session.answered(0);
    }
  });
});
