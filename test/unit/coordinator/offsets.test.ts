import { describe, expect, it } from 'vitest';
import { ZERO_UUID } from '../../../src/base/bytes.ts';
import { ErrorCode, errorName } from '../../../src/protocol/error-codes.ts';
import { context, Harness, isDone, OTHER_ID, subscription, TOPIC_ID } from './harness.ts';

const name = (code: number): string => errorName(code);
const DAY_MS = 24 * 3_600_000;
const WEEK_MS = 7 * DAY_MS;
const none = { topics: null, groups: [], requireStable: false };

/** Of the one producer that there is. */
const commitInTransaction = (h: Harness, topic: string, partitionIndex: number, offset: number) => {
  const what = { committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: null };
  return h.coordinator.commitInTransaction(
    {
      ...{ transactionalId: 'x', groupId: 'g', producerId: 7, producerEpoch: 0 },
      ...{ generationId: -1, memberId: '', groupInstanceId: null },
      topics: [{ name: topic, partitions: [{ partitionIndex, ...what }] }],
    },
    context(4),
  );
};
const commitTransaction = (h: Harness) =>
  h.coordinator.completeTransaction(h.coordinator.partitionFor('g'), {
    ...{ producerId: 7, producerEpoch: 0, coordinatorEpoch: 0, transactionVersion: 0 },
    ...{ committed: true, timestamp: h.clock.now() },
  });

describe('committing', () => {
  it('of a consumer without a group makes a simple one', async () => {
    const h = await Harness.start();
    expect(await h.commit(42)).toBe(0);
    expect(await h.committed()).toBe(42);
    expect(h.describe()).toMatchObject({ groupState: 'Empty', protocolType: '', members: [] });
    expect(h.coordinator.probe.commits).toBe(1);
  });

  it('needs the generation the group is in', async () => {
    const h = await Harness.start();
    const [m] = await h.stable();
    const { memberId } = m!;
    expect(await h.commit(1, { generation: 1, memberId })).toBe(0);
    expect(name(await h.commit(2, { generation: 2, memberId }))).toBe('ILLEGAL_GENERATION');
    expect(name(await h.commit(2, { generation: 1, memberId: 'x' }))).toBe('UNKNOWN_MEMBER_ID');
    expect(name(await h.commit(2))).toBe('UNKNOWN_MEMBER_ID');
    expect(await h.committed()).toBe(1);
  });

  it('waits for the assignment, and may go on while members join again', async () => {
    const h = await Harness.start();
    const join = h.enter();
    await h.clock.pass(1);
    const m = await join;
    const member = { generation: 1, memberId: m.memberId };
    expect(name(await h.commit(1, member))).toBe('REBALANCE_IN_PROGRESS');
    await h.syncAll([m]);
    void h.enter();
    await h.clock.pass(1);
    expect(h.describe().groupState).toBe('PreparingRebalance');
    expect(await h.commit(1, member)).toBe(0);
  });

  it('with a generation of a group that is missing is an error by version', async () => {
    const h = await Harness.start();
    const member = { generation: 3, memberId: 'm' };
    expect(name(await h.commit(1, { ...member, apiVersion: 8 }))).toBe('ILLEGAL_GENERATION');
    expect(name(await h.commit(1, { ...member, apiVersion: 9 }))).toBe('GROUP_ID_NOT_FOUND');
    expect(h.coordinator.probe.groupCount).toBe(0);
  });

  it('keeps the member’s session', async () => {
    const h = await Harness.start();
    const [m] = await h.stable();
    for (let i = 0; i < 5; i++) {
      await h.clock.pass(9_000);
      expect(await h.commit(i, { generation: 1, memberId: m?.memberId ?? '' })).toBe(0);
    }
    expect(h.heartbeat(m!)).toBe(0);
  });

  it('returns the text beside the offset, and refuses one that is too long', async () => {
    const h = await Harness.start();
    expect(await h.commit(1, { metadata: 'x'.repeat(4_096) })).toBe(0);
    expect(name(await h.commit(2, { metadata: 'x'.repeat(4_097) }))).toBe(
      'OFFSET_METADATA_TOO_LARGE',
    );
    expect(h.coordinator.probe.refusedMetadata).toBe(1);
    const fetched = await h.coordinator.fetchOffsets({ ...none, groupId: 'g' }, context(7));
    expect(fetched.topics).toEqual([
      {
        name: 't',
        topicId: ZERO_UUID,
        partitions: [
          {
            partitionIndex: 0,
            committedOffset: 1,
            committedLeaderEpoch: 3,
            metadata: 'x'.repeat(4_096),
            errorCode: 0,
          },
        ],
      },
    ]);
  });

  it('refuses topics and partitions that do not exist, and takes the rest', async () => {
    const h = await Harness.start();
    const partition = (partitionIndex: number) => ({
      partitionIndex,
      committedOffset: 7,
      committedLeaderEpoch: -1,
      committedMetadata: null,
    });
    const request = {
      groupId: 'g',
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      retentionTimeMs: -1,
    };
    const byName = await h.coordinator.commitOffsets(
      {
        ...request,
        topics: [
          { name: 't', topicId: ZERO_UUID, partitions: [partition(0), partition(99)] },
          { name: 'none', topicId: ZERO_UUID, partitions: [partition(0)] },
        ],
      },
      context(9),
    );
    expect(byName.topics).toEqual([
      {
        name: 't',
        topicId: TOPIC_ID,
        partitions: [
          { partitionIndex: 0, errorCode: 0 },
          { partitionIndex: 99, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION },
        ],
      },
      {
        name: 'none',
        topicId: ZERO_UUID,
        partitions: [{ partitionIndex: 0, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }],
      },
    ]);
    const unknownId = 'CCCCCCCCCCCCCCCCCCCCCA';
    const byId = await h.coordinator.commitOffsets(
      {
        ...request,
        topics: [
          { name: '', topicId: OTHER_ID, partitions: [partition(1)] },
          { name: '', topicId: unknownId, partitions: [partition(0)] },
        ],
      },
      context(10),
    );
    expect(byId.topics.map((t) => t.partitions[0]?.errorCode)).toEqual([
      0,
      ErrorCode.UNKNOWN_TOPIC_ID,
    ]);
    expect(await h.committed('g', 'other', 1)).toBe(7);
  });

  it('is answered, and seen, when it is in the log', async () => {
    const h = await Harness.start();
    await h.commit(1);
    h.log.hold();
    const commit = h.commit(2);
    expect(await isDone(commit)).toBe(false);
    expect(await h.committed()).toBe(1);
    const stable = h.coordinator.fetchOffsets(
      { ...none, groupId: 'g', requireStable: true },
      context(7),
    );
    expect(await isDone(stable)).toBe(false);
    await h.log.release();
    expect(await commit).toBe(0);
    expect((await stable).topics[0]?.partitions[0]?.committedOffset).toBe(2);
  });

  it('is not told to be nothing by a coordinator that was dismissed meanwhile', async () => {
    const h = await Harness.start();
    await h.commit(1);
    h.log.hold();
    const commit = h.commit(2);
    const stable = h.coordinator.fetchOffsets(
      { ...none, groupId: 'g', requireStable: true },
      context(7),
    );
    h.coordinator.unload(h.log.partitionFor('g'), 2);
    await h.log.release();
    expect(await commit).toBe(ErrorCode.NOT_COORDINATOR);
    expect((await stable).errorCode).toBe(ErrorCode.NOT_COORDINATOR);
  });

  it('changes nothing when the log refuses it, and says why in the coordinator’s words', async () => {
    const h = await Harness.start();
    await h.commit(1);
    for (const [failure, answer] of [
      ['KAFKA_STORAGE_ERROR', 'NOT_COORDINATOR'],
      ['NOT_LEADER_OR_FOLLOWER', 'NOT_COORDINATOR'],
      ['NOT_ENOUGH_REPLICAS', 'COORDINATOR_NOT_AVAILABLE'],
      ['REQUEST_TIMED_OUT', 'COORDINATOR_NOT_AVAILABLE'],
      ['MESSAGE_TOO_LARGE', 'UNKNOWN_SERVER_ERROR'],
    ] as const) {
      h.log.failWith = ErrorCode[failure];
      expect(name(await h.commit(2))).toBe(answer);
    }
    h.log.failWith = 0;
    expect(await h.committed()).toBe(1);
    h.log.failWith = ErrorCode.KAFKA_STORAGE_ERROR;
    await h.commit(1, { groupId: 'fresh' });
    expect(h.describe('fresh').groupState).toBe('Dead');
  });

  it('shares one batch among those that come while another is under way', async () => {
    const h = await Harness.start();
    h.log.hold();
    const commits = Array.from({ length: 50 }, (_, i) => h.commit(i, { partition: i % 8 }));
    await h.log.release();
    expect(await Promise.all(commits)).toEqual(Array(50).fill(0));
    expect(h.log.appends).toBe(2);
    expect(h.log.recordsIn(h.log.partitionFor('g'))).toBe(50);
    expect(await h.committed('g', 't', 1)).toBe(49);
  });
});

describe('fetching', () => {
  it('shows nothing of a topic that was deleted to who asks for its successor by its name', async () => {
    const h = await Harness.start();
    await h.commit(5);
    // What was to take its offsets away has failed.
    h.topics.remove('t');
    expect(await h.committed()).toBe(5);
    h.topics.set('t', 8, 'bmV3LXRvcGljLWlkLTEyMw');
    expect(await h.committed()).toBe(-1);
    await h.commit(1);
    expect(await h.committed()).toBe(1);
  });

  it('shows -1 without an error where nothing is committed', async () => {
    const h = await Harness.start();
    expect(await h.committed('none')).toBe(-1);
    await h.commit(1);
    expect(await h.committed('g', 't', 5)).toBe(-1);
    expect(await h.committed('g', 'other')).toBe(-1);
  });

  it('answers for many groups at once, by name and by id', async () => {
    const h = await Harness.start();
    await h.commit(1, { groupId: 'a' });
    await h.commit(2, { groupId: 'b' });
    const ask = (groupId: string, topics: { name: string; topicId: string }[] | null) => ({
      groupId,
      memberId: null,
      memberEpoch: -1,
      topics: topics?.map((t) => ({ ...t, partitionIndexes: [0] })) ?? null,
    });
    const fetch = (groups: ReturnType<typeof ask>[], version: number) =>
      h.coordinator.fetchOffsets(
        { groupId: '', topics: [], groups, requireStable: true },
        context(version),
      );
    const byName = await fetch([ask('a', [{ name: 't', topicId: ZERO_UUID }]), ask('b', null)], 9);
    expect(byName.groups.map((g) => g.topics[0]?.partitions[0]?.committedOffset)).toEqual([1, 2]);
    const unknown = 'CCCCCCCCCCCCCCCCCCCCCA';
    const byId = await fetch(
      [
        ask('a', [
          { name: '', topicId: TOPIC_ID },
          { name: '', topicId: unknown },
        ]),
        ask('b', null),
      ],
      10,
    );
    expect(byId.groups[0]?.topics).toMatchObject([
      { topicId: TOPIC_ID, partitions: [{ committedOffset: 1, errorCode: 0 }] },
      { topicId: unknown, partitions: [{ errorCode: ErrorCode.UNKNOWN_TOPIC_ID }] },
    ]);
    expect(byId.groups[1]?.topics).toMatchObject([
      { topicId: TOPIC_ID, partitions: [{ committedOffset: 2 }] },
    ]);
  });

  it('puts errors of the group where each version has a place for them', async () => {
    const h = await Harness.start();
    h.coordinator.unload(h.log.partitionFor('g'));
    const topics = [{ name: 't', partitionIndexes: [0, 1] }];
    const request = { groupId: 'g', topics, groups: [], requireStable: false };
    const code = ErrorCode.NOT_COORDINATOR;
    const v1 = await h.coordinator.fetchOffsets(request, context(1));
    expect(v1.topics[0]?.partitions.map((p) => p.errorCode)).toEqual([code, code]);
    const v2 = await h.coordinator.fetchOffsets(request, context(2));
    expect(v2).toMatchObject({ topics: [], errorCode: code });
    const group = { groupId: 'g', memberId: null, memberEpoch: -1, topics: null };
    const v8 = await h.coordinator.fetchOffsets({ ...request, groups: [group] }, context(8));
    expect(v8.groups).toEqual([{ groupId: 'g', topics: [], errorCode: code }]);
  });

  it('shows every committed offset to whoever measures lag', async () => {
    const h = await Harness.start();
    await h.commit(1, { groupId: 'a' });
    await h.commit(2, { groupId: 'b', partition: 3 });
    expect([...h.coordinator.lagView()]).toEqual(
      expect.arrayContaining([
        { group: 'a', topic: 't', partition: 0, offset: 1 },
        { group: 'b', topic: 't', partition: 3, offset: 2 },
      ]),
    );
  });
});

describe('deleting', () => {
  const remove = (h: Harness, topic = 't', groupId = 'g') =>
    h.coordinator.deleteOffsets({
      groupId,
      topics: [{ name: topic, partitions: [{ partitionIndex: 0 }, { partitionIndex: 99 }] }],
    });

  it('takes single offsets, and says which partitions do not exist', async () => {
    const h = await Harness.start();
    await h.commit(1);
    const response = await remove(h);
    expect(response.errorCode).toBe(0);
    expect(response.topics[0]?.partitions).toEqual([
      { partitionIndex: 0, errorCode: 0 },
      { partitionIndex: 99, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION },
    ]);
    expect(await h.committed()).toBe(-1);
    await h.restart();
    expect(await h.committed()).toBe(-1);
    expect(h.coordinator.probe.offsets).toBe(0);
  });

  it('leaves offsets of topics that a member reads', async () => {
    const h = await Harness.start();
    const [m] = await h.stable();
    const member = { generation: 1, memberId: m?.memberId ?? '' };
    await h.commit(1, member);
    await h.commit(2, { ...member, topic: 'other' });
    const response = await remove(h);
    expect(response.topics[0]?.partitions[0]?.errorCode).toBe(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC);
    expect((await remove(h, 'other')).topics[0]?.partitions[0]?.errorCode).toBe(0);
    expect(await h.committed('g', 't')).toBe(1);
    expect(await h.committed('g', 'other')).toBe(-1);
  });

  it('does not touch groups that are missing, or whose members speak another protocol', async () => {
    const h = await Harness.start();
    expect(name((await remove(h)).errorCode)).toBe('GROUP_ID_NOT_FOUND');
    const join = h.enter({ protocolType: 'connect' });
    await h.clock.pass(1);
    await join;
    expect(name((await remove(h)).errorCode)).toBe('NON_EMPTY_GROUP');
    expect(name((await remove(h, 't', '')).errorCode)).toBe('INVALID_GROUP_ID');
  });

  it('of a group takes its offsets along, and needs it empty', async () => {
    const h = await Harness.start();
    const [m] = await h.stable();
    await h.commit(5, { generation: 1, memberId: m?.memberId ?? '' });
    const removeGroups = async (...groupsNames: string[]) =>
      (await h.coordinator.deleteGroups({ groupsNames })).results.map((r) => name(r.errorCode));
    expect(await removeGroups('g', 'none', 'g')).toEqual(['NON_EMPTY_GROUP', 'GROUP_ID_NOT_FOUND']);
    await h.leave(m?.memberId ?? '');
    expect(await removeGroups('g')).toEqual(['NONE']);
    expect(await h.committed()).toBe(-1);
    await h.restart();
    expect(h.describe().groupState).toBe('Dead');
    expect(await h.committed()).toBe(-1);
    expect(h.coordinator.probe.groupCount).toBe(0);
  });

  it('of a group that the log refuses brings the group back', async () => {
    const h = await Harness.start();
    await h.commit(5);
    h.log.failWith = ErrorCode.KAFKA_STORAGE_ERROR;
    const { results } = await h.coordinator.deleteGroups({ groupsNames: ['g'] });
    expect(name(results[0]?.errorCode ?? 0)).toBe('NOT_COORDINATOR');
    expect(await h.committed()).toBe(5);
    expect(h.coordinator.probe).toMatchObject({ groupCount: 1, offsets: 1 });
  });

  it('also takes commits that are on their way into the log', async () => {
    const h = await Harness.start();
    await h.commit(1, { partition: 1 });
    h.log.hold();
    const commit = h.commit(5);
    const removed = h.coordinator.deleteGroups({ groupsNames: ['g'] });
    const after = h.commit(9, { partition: 2 });
    await h.log.release();
    await Promise.all([commit, removed, after]);
    const seen = () => Promise.all([0, 1, 2].map((p) => h.committed('g', 't', p)));
    expect(await seen()).toEqual([-1, -1, 9]);
    await h.restart();
    expect(await seen()).toEqual([-1, -1, 9]);
  });

  it('of a topic takes the offsets of that very topic', async () => {
    const h = await Harness.start();
    await h.commit(1);
    await h.commit(2, { topic: 'other' });
    await h.coordinator.topicDeleted('t', 'CCCCCCCCCCCCCCCCCCCCCA');
    expect(await h.committed()).toBe(1);
    await h.coordinator.topicDeleted('t', TOPIC_ID);
    expect(await h.committed()).toBe(-1);
    expect(await h.committed('g', 'other')).toBe(2);
  });

  it('of a topic takes what open transactions are about to commit of it', async () => {
    const h = await Harness.start();
    await commitInTransaction(h, 't', 0, 1);
    await commitInTransaction(h, 'other', 0, 2);
    // A group with nothing else is not there after a restart, before the transaction has ended.
    await h.restart();
    await h.coordinator.topicDeleted('t', 'CCCCCCCCCCCCCCCCCCCCCA');
    await h.coordinator.topicDeleted('t', TOPIC_ID);
    await commitInTransaction(h, 't', 1, 3);
    await commitTransaction(h);
    const seen = () =>
      Promise.all([h.committed(), h.committed('g', 't', 1), h.committed('g', 'other')]);
    expect(await seen()).toEqual([-1, 3, 2]);
    await h.restart();
    expect(await seen()).toEqual([-1, 3, 2]);
  });

  it.each([
    {
      of: 'an offset',
      remove: (h: Harness) =>
        h.coordinator.deleteOffsets({
          groupId: 'g',
          topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }],
        }),
    },
    {
      of: 'a group',
      remove: (h: Harness) => h.coordinator.deleteGroups({ groupsNames: ['g'] }),
    },
  ])('of $of takes what was there, and not what a transaction commits behind it', async (its) => {
    const h = await Harness.start();
    await h.commit(1);
    await commitInTransaction(h, 't', 0, 2);
    await commitInTransaction(h, 't', 1, 3);
    h.log.hold();
    const removed = its.remove(h);
    const after = commitInTransaction(h, 't', 0, 4);
    await h.log.release();
    await Promise.all([removed, after]);
    await commitTransaction(h);
    const isGroup = its.of === 'a group';
    const seen = () => Promise.all([h.committed(), h.committed('g', 't', 1)]);
    expect(await seen()).toEqual([4, isGroup ? -1 : 3]);
    await h.restart();
    expect(await seen()).toEqual([4, isGroup ? -1 : 3]);
  });
});

describe('expiry', () => {
  it('begins when the group becomes empty, not when the offset was committed', async () => {
    const h = await Harness.start();
    const [m] = await h.stable(1, { sessionTimeoutMs: 1_800_000 });
    await h.commit(5, { generation: 1, memberId: m?.memberId ?? '' });
    for (let i = 0; i < 8 * 48; i++) {
      await h.clock.pass(1_700_000);
      expect(h.heartbeat(m!)).toBe(0);
    }
    expect(await h.committed()).toBe(5);
    await h.leave(m?.memberId ?? '');
    await h.clock.pass(WEEK_MS - 600_000);
    expect(await h.committed()).toBe(5);
    await h.clock.pass(1_200_000);
    expect(await h.committed()).toBe(-1);
    expect(h.describe().groupState).toBe('Dead');
    expect(h.coordinator.probe.expiredOffsets).toBe(1);
    await h.restart();
    expect(h.coordinator.probe.groupCount).toBe(0);
  });

  it('survives a restart: the time it was empty before counts, no more and no less', async () => {
    const h = await Harness.start();
    const [m] = await h.stable();
    await h.commit(5, { generation: 1, memberId: m?.memberId ?? '' });
    await h.leave(m?.memberId ?? '');
    await h.clock.pass(6 * DAY_MS);
    await h.restart();
    await h.clock.pass(600_000);
    expect(await h.committed()).toBe(5);
    await h.clock.pass(DAY_MS);
    expect(await h.committed()).toBe(-1);
  });

  it('spares a group that was stable when the broker stopped, for weeks', async () => {
    const h = await Harness.start();
    const [m] = await h.stable();
    await h.commit(5, { generation: 1, memberId: m?.memberId ?? '' });
    h.coordinator.stop();
    await h.clock.pass(3 * WEEK_MS);
    await h.start();
    await h.clock.pass(5_000);
    expect(h.heartbeat(m!)).toBe(0);
    await h.coordinator.expire();
    expect(await h.committed()).toBe(5);
  });

  it('goes by the commit for simple groups, offset by offset', async () => {
    const h = await Harness.start();
    await h.commit(1, { partition: 0 });
    await h.clock.pass(6 * DAY_MS);
    await h.commit(2, { partition: 1 });
    await h.clock.pass(DAY_MS + 600_000);
    expect(await h.committed('g', 't', 0)).toBe(-1);
    expect(await h.committed('g', 't', 1)).toBe(2);
  });

  it('takes offsets of topics that a stable group reads no more', async () => {
    const h = await Harness.start();
    const [m] = await h.stable(1, { sessionTimeoutMs: 1_800_000 });
    const member = { generation: 1, memberId: m?.memberId ?? '' };
    await h.commit(1, member);
    await h.commit(2, { ...member, topic: 'other' });
    for (let i = 0; i < 8 * 48; i++) {
      await h.clock.pass(1_800_000 - 1);
      h.heartbeat(m!);
    }
    expect(await h.committed('g', 't')).toBe(1);
    expect(await h.committed('g', 'other')).toBe(-1);
    expect(h.describe().groupState).toBe('Stable');
  });

  it('spares consumers whose subscription nobody understands', async () => {
    const h = await Harness.start();
    const join = h.enter({
      sessionTimeoutMs: 1_800_000,
      protocols: [{ name: 'range', metadata: Buffer.from([0]) }],
    });
    await h.clock.pass(1);
    const m = await join;
    await h.syncAll([m]);
    await h.commit(1, { generation: 1, memberId: m.memberId });
    for (let i = 0; i < 8 * 48; i++) {
      await h.clock.pass(1_800_000 - 1);
      h.heartbeat(m);
    }
    expect(await h.committed()).toBe(1);
  });

  it('obeys the retention that old clients ask for', async () => {
    const h = await Harness.start();
    await h.commit(1, { retentionTimeMs: 3_600_000, apiVersion: 4 });
    await h.commit(2, { partition: 1 });
    await h.restart();
    await h.clock.pass(3_000_000);
    expect(await h.committed()).toBe(1);
    await h.clock.pass(1_200_000);
    expect(await h.committed()).toBe(-1);
    expect(await h.committed('g', 't', 1)).toBe(2);
  });

  it('keeps an offset that an old client wants kept for good', async () => {
    const h = await Harness.start();
    const retentionTimeMs = Number.MAX_SAFE_INTEGER;
    expect(await h.commit(1, { retentionTimeMs, apiVersion: 4 })).toBe(0);
    await h.clock.pass(2 * WEEK_MS);
    expect(await h.committed()).toBe(1);
  });

  it('leaves an offset alone whose next commit is on its way', async () => {
    const h = await Harness.start();
    await h.commit(1);
    await h.clock.pass(WEEK_MS - 1_000);
    h.coordinator.stop();
    await h.clock.pass(2_000);
    await h.start();
    h.log.hold();
    const commit = h.commit(2);
    const sweep = h.coordinator.expire();
    await h.log.release();
    await Promise.all([commit, sweep]);
    expect(await h.committed()).toBe(2);
    await h.restart();
    expect(await h.committed()).toBe(2);
  });

  it('does not take a group that somebody is about to join', async () => {
    const h = await Harness.start();
    const [m] = await h.stable();
    await h.leave(m?.memberId ?? '');
    const { memberId } = await h.join({ protocols: [{ name: 'x', metadata: subscription('t') }] });
    await h.coordinator.expire();
    const join = h.join({ memberId, protocols: [{ name: 'x', metadata: subscription('t') }] });
    await h.clock.pass(1);
    expect((await join).generationId).toBe(3);
  });
});
