import { beforeEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { context, Harness, TOPIC_ID } from '../harness.ts';
import { converge, heartbeatRequest, TestMember } from './member.ts';

const ALL = [0, 1, 2, 3, 4, 5, 6, 7];

const inOrder = (...lists: number[][]): number[] => lists.flat().sort((x, y) => x - y);

let h: Harness;
beforeEach(async () => {
  h = await Harness.start();
});

const describeGroup = async (groupId = 'g') => {
  const { groups } = await h.coordinator.describeConsumerGroups({
    groupIds: [groupId],
    includeAuthorizedOperations: false,
  });
  return groups[0] as (typeof groups)[number];
};

const state = async (): Promise<string> => (await describeGroup()).groupState;

describe('a member of a consumer group', () => {
  it('joins with epoch 0 and is given all partitions when it is alone', async () => {
    const a = new TestMember(h, 'a');
    const response = await a.join();
    expect(response).toMatchObject({ errorCode: 0, memberId: 'a', heartbeatIntervalMs: 5_000 });
    expect(response.memberEpoch).toBeGreaterThan(0);
    expect(a.partitions).toEqual(ALL);
    expect(await describeGroup()).toMatchObject({
      groupState: 'Stable',
      assignorName: 'uniform',
      groupEpoch: a.epoch,
      assignmentEpoch: a.epoch,
      members: [{ memberId: 'a', memberEpoch: a.epoch, memberType: 1 }],
    });
  });

  it('is not told its assignment again while it does not change', async () => {
    const a = new TestMember(h, 'a');
    await a.join();
    expect((await a.beat()).assignment).toBeNull();
    // A whole request comes from a member that is not sure of it.
    const whole = { rebalanceTimeoutMs: 1_000, subscribedTopicNames: ['t'] };
    expect((await a.beat(whole)).assignment).not.toBeNull();
  });

  it('gets no partition before the one that holds it has given it up', async () => {
    const [a, b] = [new TestMember(h, 'a'), new TestMember(h, 'b')];
    await a.join();
    await h.clock.pass(1_000);
    await b.join();
    expect(b.count).toBe(0);
    expect(await state()).toBe('Reconciling');
    // Told to give four up, it has not said yet that it did.
    const before = a.ownedPartitions();
    await a.beat({ topicPartitions: before });
    expect(a.count).toBe(4);
    await b.beat();
    expect(b.count).toBe(0);
    await a.beat();
    await b.beat();
    expect(inOrder(a.partitions, b.partitions)).toEqual(ALL);
    expect(a.epoch).toBe(b.epoch);
    expect(await state()).toBe('Stable');
  });

  it('stays in its epoch until it has given up what it has to', async () => {
    const [a, b] = [new TestMember(h, 'a'), new TestMember(h, 'b')];
    await a.join();
    const { epoch } = a;
    await h.clock.pass(1_000);
    await b.join();
    await a.beat({ topicPartitions: a.ownedPartitions() });
    expect(a.epoch).toBe(epoch);
    await a.beat();
    expect(a.epoch).toBeGreaterThan(epoch);
  });

  it('leaves with epoch -1, and the others share what it had', async () => {
    const members = ['a', 'b', 'c'].map((id) => new TestMember(h, id));
    for (const member of members) await member.join();
    await converge(h, members);
    const [a, b, c] = members as [TestMember, TestMember, TestMember];
    expect(await c.leave()).toMatchObject({ errorCode: 0, memberId: 'c', memberEpoch: -1 });
    await converge(h, [a, b]);
    expect(inOrder(a.partitions, b.partitions)).toEqual(ALL);
    expect((await c.beat()).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('is removed when its session is over, which the server decides', async () => {
    const [a, b] = [new TestMember(h, 'a'), new TestMember(h, 'b')];
    await a.join();
    await b.join();
    await converge(h, [a, b]);
    for (let i = 0; i < 9; i++) {
      await h.clock.pass(5_000);
      await a.beat();
    }
    await converge(h, [a]);
    expect(a.partitions).toEqual(ALL);
    expect((await b.beat()).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(h.coordinator.probe.expiredMembers).toBe(1);
    const { rebalances, consumerRebalances } = h.coordinator.probe;
    expect(consumerRebalances).toBeGreaterThan(2);
    expect(rebalances).toBe(consumerRebalances);
  });

  it('is removed when it does not give partitions up in its rebalance timeout', async () => {
    const [a, b] = [new TestMember(h, 'a'), new TestMember(h, 'b')];
    await a.join({ rebalanceTimeoutMs: 10_000 });
    await h.clock.pass(1_000);
    await b.join();
    const held = a.ownedPartitions();
    for (let i = 0; i < 3; i++) {
      await a.beat({ topicPartitions: held });
      await b.beat();
      await h.clock.pass(5_000);
    }
    expect((await a.beat({ topicPartitions: held })).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    await converge(h, [b]);
    expect(b.partitions).toEqual(ALL);
  });

  it('is fenced with an epoch that it never had, and begins anew', async () => {
    const a = new TestMember(h, 'a');
    await a.join();
    const tooGreat = await a.send({ memberEpoch: a.epoch + 1 });
    expect(tooGreat.errorCode).toBe(ErrorCode.FENCED_MEMBER_EPOCH);
    expect(tooGreat.errorMessage).toContain('greater member epoch');
    const tooSmall = await a.send({ memberEpoch: a.epoch - 1 });
    expect(tooSmall.errorCode).toBe(ErrorCode.FENCED_MEMBER_EPOCH);
    await a.join();
    expect(a.partitions).toEqual(ALL);
  });

  it('may come with its previous epoch once more, as its answer may have been lost', async () => {
    const [a, b] = [new TestMember(h, 'a'), new TestMember(h, 'b')];
    await a.join();
    await h.clock.pass(1_000);
    await b.join();
    await a.beat({ topicPartitions: a.ownedPartitions() });
    const previous = a.epoch;
    const kept = a.ownedPartitions();
    await a.beat();
    expect(a.epoch).toBeGreaterThan(previous);
    const again = await a.send({ memberEpoch: previous, topicPartitions: kept });
    expect(again).toMatchObject({ errorCode: 0, memberEpoch: a.epoch });
    const other = [{ topicId: TOPIC_ID, partitions: ALL }];
    const more = await a.send({ memberEpoch: previous, topicPartitions: other });
    expect(more.errorCode).toBe(ErrorCode.FENCED_MEMBER_EPOCH);
  });

  it('is unknown in a group that it has not joined, and where there is none', async () => {
    const a = new TestMember(h, 'a');
    a.epoch = 3;
    expect((await a.beat()).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    await new TestMember(h, 'b').join();
    expect((await a.beat()).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect((await a.leave()).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('is given an id when it has none, which only the first version allows', async () => {
    const request = heartbeatRequest({
      memberId: '',
      rebalanceTimeoutMs: 1_000,
      subscribedTopicNames: ['t'],
      topicPartitions: [],
    });
    const v0 = await h.coordinator.consumerHeartbeat(request, context(0));
    expect(v0.memberId).toMatch(/^[\w-]{22}$/);
    const v1 = await h.coordinator.consumerHeartbeat(request, context(1));
    expect(v1).toMatchObject({
      errorCode: ErrorCode.INVALID_REQUEST,
      errorMessage: "MemberId can't be empty.",
    });
  });

  it('is refused when the group is full', async () => {
    h = await Harness.start({ consumerGroupMaxSize: 1 });
    await new TestMember(h, 'a').join();
    const refused = await new TestMember(h, 'b').join();
    expect(refused.errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
  });

  it('is told what is wrong with its request', async () => {
    const a = new TestMember(h, 'a');
    const refused = async (more: Parameters<TestMember['join']>[0], code: number) => {
      const response = await a.join(more);
      expect([response.errorCode, response.errorMessage]).toEqual([code, expect.any(String)]);
    };
    const { INVALID_REQUEST } = ErrorCode;
    await refused({ groupId: '' }, INVALID_REQUEST);
    await refused({ instanceId: ' ' }, INVALID_REQUEST);
    await refused({ rackId: '' }, INVALID_REQUEST);
    await refused({ rebalanceTimeoutMs: -1 }, INVALID_REQUEST);
    await refused({ topicPartitions: null }, INVALID_REQUEST);
    await refused({ subscribedTopicNames: null }, INVALID_REQUEST);
    await refused({ memberEpoch: -2 }, INVALID_REQUEST);
    await refused({ memberEpoch: -3 }, INVALID_REQUEST);
    await refused({ serverAssignor: 'best' }, ErrorCode.UNSUPPORTED_ASSIGNOR);
    expect(h.coordinator.probe.groupCount).toBe(0);
  });

  it('gets the assignor that most members ask for', async () => {
    const members = ['a', 'b', 'c'].map((id) => new TestMember(h, id));
    for (const member of members) {
      member.assignor = 'range';
      await member.join();
    }
    await converge(h, members);
    expect(members.map((m) => m.partitions)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 7],
    ]);
    expect((await describeGroup()).assignorName).toBe('range');
  });
});

describe('a static member of a consumer group', () => {
  const join = async (id: string): Promise<TestMember> => {
    const member = new TestMember(h, id, { instanceId: 'i' });
    expect((await member.join()).errorCode).toBe(0);
    return member;
  };

  it('comes back under another id to what it had, and nobody else notices', async () => {
    const other = new TestMember(h, 'other');
    await other.join();
    const first = await join('first');
    await converge(h, [other, first]);
    const { groupEpoch } = await describeGroup();
    expect(await first.leave(-2)).toMatchObject({ errorCode: 0, memberEpoch: -2 });
    const had = first.partitions;
    const second = await join('second');
    expect(second.partitions).toEqual(had);
    expect((await describeGroup()).groupEpoch).toBe(groupEpoch);
    expect((await first.beat()).errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID);
  });

  it('keeps its instance to itself until it has left', async () => {
    const first = await join('first');
    const second = new TestMember(h, 'second', { instanceId: 'i' });
    expect((await second.join()).errorCode).toBe(ErrorCode.UNRELEASED_INSTANCE_ID);
    expect((await first.beat()).errorCode).toBe(0);
  });

  it('may begin anew under its own id, as the answer to its join may have been lost', async () => {
    const other = new TestMember(h, 'other');
    await other.join();
    const first = await join('first');
    await converge(h, [other, first]);
    const had = first.partitions;
    const { groupEpoch } = await describeGroup();
    expect((await first.join()).errorCode).toBe(0);
    expect(first.partitions).toEqual(had);
    expect((await describeGroup()).groupEpoch).toBe(groupEpoch);
    expect((await first.beat()).errorCode).toBe(0);
    const second = new TestMember(h, 'second', { instanceId: 'i' });
    expect((await second.join()).errorCode).toBe(ErrorCode.UNRELEASED_INSTANCE_ID);
  });

  it('loses what it had when it is not back before its session is over', async () => {
    const other = new TestMember(h, 'other');
    await other.join();
    const first = await join('first');
    await converge(h, [other, first]);
    await first.leave(-2);
    for (let i = 0; i < 10; i++) {
      await h.clock.pass(5_000);
      await other.beat();
    }
    await converge(h, [other]);
    expect(other.partitions).toEqual(ALL);
  });

  it('leaves for good with epoch -1', async () => {
    const first = await join('first');
    await first.leave();
    expect(await state()).toBe('Empty');
    const second = new TestMember(h, 'second', { instanceId: 'i' });
    expect((await second.join()).errorCode).toBe(0);
  });
});

describe('topics of a consumer group', () => {
  it('are shared anew when they get partitions, come or go', async () => {
    const [a, b] = [new TestMember(h, 'a'), new TestMember(h, 'b')];
    for (const member of [a, b]) {
      member.topics = ['t', 'later'];
      await member.join();
    }
    await converge(h, [a, b]);
    h.topics.set('t', 10);
    h.coordinator.topicsChanged(['t'], false);
    await converge(h, [a, b]);
    expect(a.partitions.length + b.partitions.length).toBe(10);
    h.topics.set('later', 3);
    h.coordinator.topicsChanged(['later'], true);
    await converge(h, [a, b]);
    expect(inOrder(a.of('later'), b.of('later'))).toEqual([0, 1, 2]);
    const id = h.topics.topicId('t') as string;
    h.topics.remove('t');
    h.coordinator.topicsChanged(['t'], false);
    await converge(h, [a, b]);
    expect([a, b].map((m) => m.owned.get(id) ?? [])).toEqual([[], []]);
  });

  it('do not move members when they change in nothing that matters', async () => {
    const a = new TestMember(h, 'a');
    await a.join();
    const { epoch } = a;
    h.coordinator.topicsChanged(['t', 'other'], false);
    await converge(h, [a]);
    expect(a.epoch).toBe(epoch);
    h.topics.rack = 'r1';
    h.coordinator.topicsChanged(['t'], false);
    await converge(h, [a]);
    expect(a.epoch).toBeGreaterThan(epoch);
  });

  it('are given up when a member stops to read them', async () => {
    const a = new TestMember(h, 'a');
    a.topics = ['t', 'other'];
    await a.join();
    expect(a.count).toBe(16);
    await a.beat({ subscribedTopicNames: ['other'] });
    await converge(h, [a]);
    expect([a.of('t'), a.of('other')]).toEqual([[], ALL]);
  });

  it('are shared at most once in the assignment interval', async () => {
    h = await Harness.start({ consumerAssignmentIntervalMs: 10_000 });
    const [a, b] = [new TestMember(h, 'a'), new TestMember(h, 'b')];
    await a.join();
    await b.join();
    expect(await state()).toBe('Assigning');
    await h.clock.pass(9_000);
    await a.beat();
    expect(await state()).toBe('Assigning');
    await h.clock.pass(1_000);
    await converge(h, [a, b]);
    expect([a.count, b.count]).toEqual([4, 4]);
  });

  it('are shared anew though the wall clock has gone back', async () => {
    const [a, b] = [new TestMember(h, 'a'), new TestMember(h, 'b')];
    await a.join();
    h.clock.jump(-3_600_000);
    await b.join();
    await converge(h, [a, b]);
    expect([a.count, b.count]).toEqual([4, 4]);
  });
});

describe('a regular expression of a consumer group', () => {
  const join = async (id: string, regex: string): Promise<TestMember> => {
    const member = new TestMember(h, id);
    member.topics = null;
    member.regex = regex;
    expect((await member.join()).errorCode).toBe(0);
    await h.clock.pass(1_000);
    return member;
  };

  it('stands for all topics whose whole name it matches, also those that come later', async () => {
    h.topics.set('t2', 2);
    h.topics.set('xt', 2);
    const a = await join('a', 't.*');
    await converge(h, [a]);
    expect([a.of('t').length, a.of('t2').length, a.of('xt').length]).toEqual([8, 2, 0]);
    h.topics.set('t3', 4);
    h.coordinator.topicsChanged(['t3'], true);
    await h.clock.pass(10_001);
    await converge(h, [a]);
    expect(a.of('t3')).toEqual([0, 1, 2, 3]);
    const described = await describeGroup();
    expect(described.members[0]?.subscribedTopicRegex).toBe('t.*');
  });

  it('is looked up when the clock has gone back', async () => {
    const dayMs = 24 * 3_600_000;
    h.clock.jump(dayMs);
    const a = await join('a', 't');
    h.clock.jump(-dayMs);
    const b = await join('b', 'other');
    h.topics.set('other', 3);
    h.coordinator.topicsChanged(['other'], true);
    await converge(h, [a, b]);
    expect([a.of('t').length, b.of('other')]).toEqual([8, [0, 1, 2]]);
  });

  it('is refused when it is none', async () => {
    const a = new TestMember(h, 'a');
    const response = await a.join({ subscribedTopicRegex: '(' });
    expect(response.errorCode).toBe(ErrorCode.INVALID_REGULAR_EXPRESSION);
    expect(response.errorMessage).toContain('SubscribedTopicRegex `(`');
    expect(h.coordinator.probe.groupCount).toBe(0);
  });

  it('takes no longer than its text is long, however it is made', async () => {
    h.topics.set('a'.repeat(240), 1);
    const before = performance.now();
    await join('a', '(a|aa)+(a*)*(a|b|ab)*(a?){50}c');
    expect(performance.now() - before).toBeLessThan(1_000);
  });

  it('shows no topic that the client may not know of', async () => {
    const request = heartbeatRequest({
      memberId: 'a',
      rebalanceTimeoutMs: 1_000,
      subscribedTopicRegex: '.*',
      topicPartitions: [],
    });
    const mayDescribe = (topic: string): boolean => topic !== 'other';
    await h.coordinator.consumerHeartbeat(request, { ...context(1), mayDescribe });
    const a = new TestMember(h, 'a');
    await h.clock.pass(1_000);
    a.epoch = 1;
    await converge(h, [a]);
    expect([a.of('t').length, a.of('other').length]).toEqual([8, 0]);
  });
});

describe('a consumer group', () => {
  it('is what it was after a failover, with fresh sessions', async () => {
    const members = ['a', 'b'].map((id) => new TestMember(h, id));
    const c = new TestMember(h, 'c', { instanceId: 'i' });
    c.topics = null;
    c.regex = 'o.*';
    for (const member of [...members, c]) await member.join();
    await h.clock.pass(1_000);
    await converge(h, [...members, c]);
    const before = await describeGroup();
    await h.restart();
    expect(await describeGroup()).toEqual(before);
    await h.clock.pass(44_000);
    for (const member of [...members, c]) {
      expect((await member.beat()).errorCode).toBe(0);
      expect(member.epoch).toBe(before.groupEpoch);
    }
    expect(await describeGroup()).toEqual(before);
  });

  it('finds out after a failover that topics have changed meanwhile', async () => {
    const a = new TestMember(h, 'a');
    await a.join();
    h.topics.set('t', 9);
    await h.restart();
    await converge(h, [a]);
    expect(a.count).toBe(9);
  });

  it('is as if nothing had been when the log refuses what a heartbeat brings', async () => {
    const [a, b, c] = ['a', 'b', 'c'].map((id) => new TestMember(h, id)) as [
      TestMember,
      TestMember,
      TestMember,
    ];
    await a.join();
    await h.clock.pass(1_000);
    const before = await describeGroup();
    h.log.hold();
    const answers = [b.join(), c.join(), a.beat()];
    h.log.failWith = ErrorCode.NOT_ENOUGH_REPLICAS;
    await h.log.release();
    for (const answer of await Promise.all(answers)) {
      expect(answer.errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    }
    h.log.failWith = 0;
    expect(await describeGroup()).toEqual(before);
    await h.restart();
    expect(await describeGroup()).toEqual(before);
    await b.join();
    await converge(h, [a, b]);
    expect([a.count, b.count]).toEqual([4, 4]);
  });

  it('that the log refuses at once is not there', async () => {
    h.log.failWith = ErrorCode.NOT_ENOUGH_REPLICAS;
    expect((await new TestMember(h, 'a').join()).errorCode).toBe(
      ErrorCode.COORDINATOR_NOT_AVAILABLE,
    );
    expect(h.coordinator.probe.groupCount).toBe(0);
    expect((await describeGroup()).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
  });

  it('takes the place of a classic one without members, and back, and its offsets stay', async () => {
    expect(await h.commit(7)).toBe(0);
    const a = new TestMember(h, 'a');
    await a.join();
    expect(await h.committed()).toBe(7);
    await h.restart();
    expect(await h.committed()).toBe(7);
    expect(await state()).toBe('Stable');
    await a.leave();
    const [classic] = await h.stable(1);
    expect(classic?.errorCode).toBe(0);
    expect(await h.committed()).toBe(7);
    expect((await describeGroup()).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    await h.restart();
    expect(h.describe().groupState).toBe('Stable');
    expect(await h.committed()).toBe(7);
    expect(h.coordinator.probe).toMatchObject({ offsets: 1, members: 1, consumerGroups: 0 });
  });

  it('is listed with its type, and is none for DescribeGroups', async () => {
    await new TestMember(h, 'a').join();
    const list = (typesFilter: string[], statesFilter: string[] = []) =>
      h.coordinator.listGroups({ statesFilter, typesFilter }).groups;
    const listed = { groupId: 'g', groupState: 'Stable', groupType: 'consumer' };
    expect(list([])).toEqual([{ ...listed, protocolType: 'consumer' }]);
    expect(list(['Consumer'], ['stable'])).toHaveLength(1);
    expect(list(['classic'])).toEqual([]);
    expect(h.describe()).toMatchObject({
      groupState: 'Dead',
      errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
      errorMessage: 'Group g is not a classic group.',
    });
  });

  it('is deleted with its offsets once nobody is in it', async () => {
    const a = new TestMember(h, 'a');
    await a.join();
    await h.commit(3, { memberId: 'a', generation: a.epoch });
    const remove = async () =>
      (await h.coordinator.deleteGroups({ groupsNames: ['g'] })).results[0]?.errorCode;
    expect(await remove()).toBe(ErrorCode.NON_EMPTY_GROUP);
    await a.leave();
    expect(await remove()).toBe(0);
    await h.restart();
    expect(h.coordinator.probe.groupCount).toBe(0);
    expect(await h.committed()).toBe(-1);
  });

  it('is not described when there is none of that name and type', async () => {
    await h.commit(1, { groupId: 'simple' });
    expect(await describeGroup('none')).toMatchObject({
      errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
      errorMessage: 'Group none not found.',
    });
    expect(await describeGroup('simple')).toMatchObject({
      errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
      errorMessage: 'Group simple is not a consumer group.',
    });
    expect((await describeGroup('')).errorCode).toBe(ErrorCode.INVALID_GROUP_ID);
  });
});

describe('offsets of a consumer group', () => {
  const commit = (member: TestMember, generation: number, partition: number, apiVersion = 9) =>
    h.commit(5, { memberId: member.id, generation, partition, apiVersion });

  it('are committed by members in their epoch', async () => {
    const a = new TestMember(h, 'a');
    await a.join();
    expect(await commit(a, a.epoch, 0)).toBe(0);
    expect(await commit(a, a.epoch + 1, 0)).toBe(ErrorCode.STALE_MEMBER_EPOCH);
    expect(await commit(a, a.epoch, 0, 8)).toBe(ErrorCode.UNSUPPORTED_VERSION);
    expect(await commit(new TestMember(h, 'x'), 1, 0)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await h.commit(5)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('are taken from an older epoch for partitions that the member has had ever since', async () => {
    const [a, b] = [new TestMember(h, 'a'), new TestMember(h, 'b')];
    await a.join();
    const old = a.epoch;
    await h.clock.pass(1_000);
    await b.join();
    await converge(h, [a, b]);
    const [kept, lost] = [a.partitions[0] as number, b.partitions[0] as number];
    expect(a.epoch).toBeGreaterThan(old);
    expect(await commit(a, old, kept)).toBe(0);
    expect(await commit(a, old, lost)).toBe(ErrorCode.STALE_MEMBER_EPOCH);
    expect(await commit(b, old, lost)).toBe(ErrorCode.STALE_MEMBER_EPOCH);
    expect(await h.committed('g', 't', lost)).toBe(-1);
  });

  it('are told to members in their epoch, and to who is no member', async () => {
    const a = new TestMember(h, 'a');
    await a.join();
    const fetch = async (memberId: string | null, memberEpoch: number) => {
      const topics = [{ name: 't', topicId: TOPIC_ID, partitionIndexes: [0] }];
      const response = await h.coordinator.fetchOffsets(
        {
          groupId: '',
          topics: null,
          groups: [{ groupId: 'g', memberId, memberEpoch, topics }],
          requireStable: false,
        },
        context(9),
      );
      return response.groups[0]?.errorCode;
    };
    expect(await fetch('a', a.epoch)).toBe(0);
    expect(await fetch(null, -1)).toBe(0);
    expect(await fetch('a', a.epoch - 1)).toBe(ErrorCode.STALE_MEMBER_EPOCH);
    expect(await fetch('x', a.epoch)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('expire for topics that no member reads, though the group has members', async () => {
    h = await Harness.start({ offsetsRetentionMs: 60_000 });
    const a = new TestMember(h, 'a');
    await a.join();
    await h.commit(1, { memberId: 'a', generation: a.epoch });
    await h.commit(2, { memberId: 'a', generation: a.epoch, topic: 'other' });
    for (let i = 0; i < 13; i++) {
      await h.clock.pass(5_000);
      await a.beat();
    }
    await h.coordinator.expire();
    expect([await h.committed('g', 't'), await h.committed('g', 'other')]).toEqual([1, -1]);
  });

  it('of a topic that a member reads can not be deleted', async () => {
    await h.commit(1, { topic: 'other' });
    const a = new TestMember(h, 'a');
    await a.join();
    await h.commit(1, { memberId: 'a', generation: a.epoch });
    const response = await h.coordinator.deleteOffsets({
      groupId: 'g',
      topics: ['t', 'other'].map((name) => ({ name, partitions: [{ partitionIndex: 0 }] })),
    });
    expect(response.topics.map((topic) => topic.partitions[0]?.errorCode)).toEqual([
      ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
      0,
    ]);
  });
});

it('a classic member of a classic group leaves the name to no heartbeat of a member', async () => {
  await h.stable(1);
  const a = new TestMember(h, 'a');
  a.epoch = 1;
  expect(await a.beat()).toMatchObject({
    errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
    errorMessage: 'Group g is not a consumer group.',
  });
});
