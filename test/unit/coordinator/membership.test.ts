import { describe, expect, it } from 'vitest';
import { ErrorCode, errorName } from '../../../src/protocol/error-codes.ts';
import { context, Harness, isDone, joinRequest, subscription } from './harness.ts';

const name = (code: number): string => errorName(code);

describe('joining', () => {
  it('gives a new dynamic member an id before it may join', async () => {
    const h = await Harness.start();
    const first = await h.join();
    expect(name(first.errorCode)).toBe('MEMBER_ID_REQUIRED');
    expect(first.memberId).toMatch(/^client-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]/);
    expect(h.describe().members).toEqual([]);
    const join = h.join({ memberId: first.memberId });
    await h.clock.pass(1);
    expect(await join).toMatchObject({
      errorCode: 0,
      generationId: 1,
      protocolType: 'consumer',
      protocolName: 'range',
      leader: first.memberId,
      memberId: first.memberId,
      skipAssignment: false,
    });
  });

  it('lets members of before version 4, and static members, join at once', async () => {
    for (const [request, version] of [
      [{}, 3],
      [{ groupInstanceId: 'one' }, 9],
    ] as const) {
      const h = await Harness.start();
      const join = h.join(request, version);
      await h.clock.pass(1);
      expect(await join).toMatchObject({ errorCode: 0, generationId: 1 });
    }
  });

  it('refuses a name that leaves no room for an id, and keeps nothing of it', async () => {
    const h = await Harness.start();
    for (const version of [5, 9]) {
      const refused = await h.join({ groupInstanceId: 'i'.repeat(32_767) }, version);
      expect(name(refused.errorCode)).toBe('UNKNOWN_SERVER_ERROR');
      expect(refused).toMatchObject({ generationId: -1, memberId: '', members: [] });
    }
    expect(h.describe().groupState).toBe('Dead');
    const join = h.join({ groupInstanceId: 'i'.repeat(32_767 - 37) }, 9);
    await h.clock.pass(1);
    expect((await join).memberId).toHaveLength(32_767);
  });

  it('refuses session timeouts out of bounds', async () => {
    const h = await Harness.start();
    for (const sessionTimeoutMs of [5_999, 1_800_001]) {
      const { errorCode } = await h.join({ sessionTimeoutMs });
      expect(name(errorCode)).toBe('INVALID_SESSION_TIMEOUT');
    }
  });

  it('refuses a group without a name, everywhere but for offsets', async () => {
    const h = await Harness.start();
    const groupId = '';
    expect(name((await h.join({ groupId })).errorCode)).toBe('INVALID_GROUP_ID');
    const member = { groupId, memberId: 'm', groupInstanceId: null };
    const beat = h.coordinator.heartbeat({ ...member, generationId: 1 });
    expect(name(beat.errorCode)).toBe('INVALID_GROUP_ID');
    const left = await h.coordinator.leaveGroup({ ...member, members: [] }, context(2));
    expect(name(left.errorCode)).toBe('INVALID_GROUP_ID');
    expect(await h.commit(5, { groupId })).toBe(0);
    expect(await h.committed(groupId)).toBe(5);
  });

  it('does not know members of a group that does not exist', async () => {
    const h = await Harness.start();
    expect(name((await h.join({ memberId: 'm' })).errorCode)).toBe('UNKNOWN_MEMBER_ID');
    const [m] = await h.stable();
    expect(name((await h.join({ memberId: 'other' })).errorCode)).toBe('UNKNOWN_MEMBER_ID');
    expect(m?.errorCode).toBe(0);
  });

  it('waits for more members of an empty group, longer when some come', async () => {
    const h = await Harness.start({ initialRebalanceDelayMs: 3_000 });
    const first = h.enter();
    await h.clock.pass(2_000);
    const second = h.enter();
    await h.clock.pass(1_500);
    expect(await isDone(first)).toBe(false);
    await h.clock.pass(2_500);
    expect((await first).generationId).toBe(1);
    expect((await second).generationId).toBe(1);
  });

  it('waits for the first members no longer than the rebalance timeout', async () => {
    const h = await Harness.start({ initialRebalanceDelayMs: 3_000 });
    const joins = [h.enter({ rebalanceTimeoutMs: 7_000 })];
    for (let i = 0; i < 3; i++) {
      await h.clock.pass(2_000);
      joins.push(h.enter({ rebalanceTimeoutMs: 7_000 }));
    }
    await h.clock.pass(1_000);
    const answers = await Promise.all(joins);
    expect(answers.map((a) => a.generationId)).toEqual([1, 1, 1, 1]);
  });

  it('tells the leader all subscriptions and followers none', async () => {
    const h = await Harness.start();
    const joins = [
      h.enter({ protocols: [{ name: 'range', metadata: subscription('a') }] }),
      h.enter({ protocols: [{ name: 'range', metadata: subscription('b') }] }),
    ];
    await h.clock.pass(1);
    const [leader, follower] = await Promise.all(joins);
    expect(leader?.leader).toBe(leader?.memberId);
    expect(leader?.members.map((m) => m.metadata)).toEqual([subscription('a'), subscription('b')]);
    expect(follower?.leader).toBe(leader?.memberId);
    expect(follower?.members).toEqual([]);
  });

  it('chooses the protocol most members prefer among those all know', async () => {
    const h = await Harness.start();
    const metadata = subscription('t');
    const offer = (...names: string[]) => ({
      protocols: names.map((n) => ({ name: n, metadata })),
    });
    const joins = [
      h.enter(offer('a', 'b', 'c')),
      h.enter(offer('c', 'b')),
      h.enter(offer('x', 'c', 'b')),
      h.enter(offer('c', 'b')),
    ];
    await h.clock.pass(1);
    for (const join of joins) expect((await join).protocolName).toBe('c');
  });

  it('refuses a member that has no protocol in common with the others', async () => {
    const h = await Harness.start();
    await h.stable();
    const metadata = subscription('t');
    const foreign = await h.join({ protocols: [{ name: 'sticky', metadata }] });
    expect(name(foreign.errorCode)).toBe('INCONSISTENT_GROUP_PROTOCOL');
    const other = await h.join({ protocolType: 'connect' });
    expect(name(other.errorCode)).toBe('INCONSISTENT_GROUP_PROTOCOL');
    expect(name((await h.join({ groupId: 'new', protocols: [] })).errorCode)).toBe(
      'INCONSISTENT_GROUP_PROTOCOL',
    );
    expect(h.coordinator.probe.groupCount).toBe(1);
  });

  it('writes protocol names as each version can carry them', async () => {
    const h = await Harness.start();
    expect((await h.join({ memberId: 'm' }, 6)).protocolName).toBe('');
    expect((await h.join({ memberId: 'm' }, 7)).protocolName).toBeNull();
  });

  it('takes the session timeout for the rebalance timeout of version 0', async () => {
    const h = await Harness.start();
    const first = h.join({ rebalanceTimeoutMs: -1, sessionTimeoutMs: 8_000 }, 0);
    await h.clock.pass(1);
    await h.syncAll([await first]);
    void h.enter();
    await h.clock.pass(1);
    // The first one does not come back; the second one waits for 8 seconds.
    expect(h.describe().groupState).toBe('PreparingRebalance');
    await h.clock.pass(8_000);
    expect(h.describe()).toMatchObject({ groupState: 'CompletingRebalance' });
  });

  it('answers a repeated join of the same generation without a rebalance', async () => {
    const h = await Harness.start();
    const joins = [h.enter(), h.enter()];
    await h.clock.pass(1);
    const [leader, follower] = await Promise.all(joins);
    const again = await h.join({ memberId: leader?.memberId ?? '' });
    expect(again).toEqual(leader);
    expect(again.members).toHaveLength(2);
    await h.syncAll([leader!, follower!]);
    // In a stable group the leader's join starts one, a follower's does not.
    expect((await h.join({ memberId: follower?.memberId ?? '' })).generationId).toBe(1);
    expect(h.describe().groupState).toBe('Stable');
    void h.join({ memberId: leader?.memberId ?? '' });
    expect(h.describe().groupState).toBe('PreparingRebalance');
  });

  it('rebalances when a follower changes what it says', async () => {
    const h = await Harness.start();
    const [leader, follower] = await h.stable(2);
    void h.join({
      memberId: follower?.memberId ?? '',
      protocols: [{ name: 'range', metadata: subscription('t', 'other') }],
    });
    expect(h.describe().groupState).toBe('PreparingRebalance');
    const rejoined = await h.join({ memberId: leader?.memberId ?? '' });
    expect(rejoined.generationId).toBe(2);
    expect(rejoined.members[1]?.metadata).toEqual(subscription('t', 'other'));
  });

  it('answers a join that is superseded by the same member’s next one', async () => {
    const h = await Harness.start({ initialRebalanceDelayMs: 3_000 });
    const { memberId } = await h.join();
    const lost = h.join({ memberId });
    const again = h.join({ memberId });
    expect(name((await lost).errorCode)).toBe('REBALANCE_IN_PROGRESS');
    await h.clock.pass(3_000);
    expect((await again).generationId).toBe(1);
  });
});

describe('limits', () => {
  it('takes no more members than group.max.size', async () => {
    const h = await Harness.start({ groupMaxSize: 2 });
    const members = await h.stable(2);
    const { errorCode } = await h.join();
    expect(name(errorCode)).toBe('GROUP_MAX_SIZE_REACHED');
    expect(h.coordinator.probe.refusedMembers).toBe(1);
    expect(h.heartbeat(members[0]!)).toBe(0);
  });

  it('loses the last ones to join again when group.max.size has shrunk', async () => {
    const h = await Harness.start();
    const members = await h.stable(3);
    Object.assign(h.settings, { groupMaxSize: 2 });
    await h.restart();
    expect(h.describe().groupState).toBe('PreparingRebalance');
    const joins = members.map((m) => h.join({ memberId: m.memberId }));
    const codes = (await Promise.all(joins)).map((j) => name(j.errorCode));
    expect(codes).toEqual(['NONE', 'NONE', 'GROUP_MAX_SIZE_REACHED']);
  });

  it('asks new groups to come back later when there are too many', async () => {
    const h = await Harness.start({ groupsMax: 1 });
    await h.stable();
    const { errorCode } = await h.join({ groupId: 'more' });
    expect(name(errorCode)).toBe('COORDINATOR_NOT_AVAILABLE');
    expect(name(await h.commit(1, { groupId: 'more' }))).toBe('COORDINATOR_NOT_AVAILABLE');
    expect(h.coordinator.probe.refusedGroups).toBe(2);
  });

  it('keeps nothing of a group whose only member never came back', async () => {
    const h = await Harness.start();
    await h.join();
    expect(h.coordinator.probe.groupCount).toBe(1);
    await h.clock.pass(10_000);
    expect(h.coordinator.probe.groupCount).toBe(0);
    expect(h.log.appends).toBe(0);
  });
});

describe('syncing', () => {
  it('gives every member its assignment, an empty one where the leader has none for it', async () => {
    const h = await Harness.start();
    const joins = [h.enter(), h.enter()];
    await h.clock.pass(1);
    const [leader, follower] = await Promise.all(joins);
    const waits = h.sync(follower!);
    expect(await isDone(waits)).toBe(false);
    const own = { memberId: leader?.memberId ?? '', assignment: Buffer.from('all') };
    expect(await h.sync(leader!, [own])).toMatchObject({
      errorCode: 0,
      protocolType: 'consumer',
      protocolName: 'range',
      assignment: Buffer.from('all'),
    });
    expect((await waits).assignment).toHaveLength(0);
    expect(h.coordinator.probe.rebalances).toBe(1);
  });

  it('answers only when the assignment is in the log', async () => {
    const h = await Harness.start();
    const join = h.enter();
    await h.clock.pass(1);
    h.log.hold();
    const sync = h.sync(await join);
    expect(await isDone(sync)).toBe(false);
    expect(h.describe().groupState).toBe('CompletingRebalance');
    await h.log.release();
    expect((await sync).errorCode).toBe(0);
    expect(h.describe().groupState).toBe('Stable');
  });

  it('has everybody join again when the assignment could not be stored', async () => {
    const h = await Harness.start();
    const joins = [h.enter(), h.enter()];
    await h.clock.pass(1);
    const [leader, follower] = await Promise.all(joins);
    h.log.failWith = ErrorCode.KAFKA_STORAGE_ERROR;
    const answers = await Promise.all([h.sync(follower!), h.sync(leader!)]);
    expect(answers.map((a) => name(a.errorCode))).toEqual(['NOT_COORDINATOR', 'NOT_COORDINATOR']);
    expect(h.describe().groupState).toBe('PreparingRebalance');
    expect(h.coordinator.probe.failedAppends).toBe(1);
  });

  it('refuses what does not fit the group', async () => {
    const h = await Harness.start();
    const [m] = await h.stable();
    const code = async (...args: Parameters<typeof h.sync>) =>
      name((await h.sync(...args)).errorCode);
    expect(await code({ ...m!, memberId: 'x' })).toBe('UNKNOWN_MEMBER_ID');
    expect(await code({ ...m!, generationId: 9 })).toBe('ILLEGAL_GENERATION');
    expect(await code(m!, [], { groupId: 'none' })).toBe('UNKNOWN_MEMBER_ID');
    for (const wrong of [
      { protocolType: 'connect' },
      { protocolName: 'x' },
      { protocolName: null },
    ]) {
      expect(await code(m!, [], wrong)).toBe('INCONSISTENT_GROUP_PROTOCOL');
    }
    expect(await code(m!, [], { groupInstanceId: 'i' })).toBe('UNKNOWN_MEMBER_ID');
    expect(await code(m!)).toBe('NONE');
  });

  it('tells members to join again while others do', async () => {
    const h = await Harness.start();
    const [m] = await h.stable();
    void h.enter();
    await h.clock.pass(1);
    expect(name((await h.sync(m!)).errorCode)).toBe('REBALANCE_IN_PROGRESS');
  });

  it('does not let the group wait for a member that vanished between join and sync', async () => {
    const h = await Harness.start();
    const joins = [h.enter(), h.enter({ sessionTimeoutMs: 600_000 })];
    await h.clock.pass(1);
    const [leader, vanished] = await Promise.all(joins);
    expect((await h.sync(leader!)).errorCode).toBe(0);
    for (let i = 0; i < 11; i++) {
      await h.clock.pass(5_000);
      expect(h.heartbeat(leader!)).toBe(0);
    }
    await h.clock.pass(5_000);
    expect(name(h.heartbeat(leader!))).toBe('REBALANCE_IN_PROGRESS');
    const rejoined = await h.join({ memberId: leader?.memberId ?? '' });
    expect(rejoined.members.map((m) => m.memberId)).toEqual([leader?.memberId]);
    expect(name(h.heartbeat(vanished!))).toBe('UNKNOWN_MEMBER_ID');
  });

  it('does not let the group wait for a leader that never assigns', async () => {
    const h = await Harness.start();
    const joins = [h.enter({ sessionTimeoutMs: 600_000 }), h.enter()];
    await h.clock.pass(1);
    const [leader, follower] = await Promise.all(joins);
    const waits = h.sync(follower!);
    await h.clock.pass(60_000);
    expect(name((await waits).errorCode)).toBe('REBALANCE_IN_PROGRESS');
    const rejoined = await h.join({ memberId: follower?.memberId ?? '' });
    expect(rejoined.leader).toBe(follower?.memberId);
    expect(name(h.heartbeat(leader!))).toBe('UNKNOWN_MEMBER_ID');
  });
});

describe('heartbeats', () => {
  it('are answered as the state of the group asks for', async () => {
    const h = await Harness.start();
    const join = h.enter();
    await h.clock.pass(1);
    const m = await join;
    expect(h.describe().groupState).toBe('CompletingRebalance');
    expect(name(h.heartbeat(m))).toBe('NONE');
    await h.syncAll([m]);
    expect(name(h.heartbeat(m))).toBe('NONE');
    expect(name(h.heartbeat(m, 0))).toBe('ILLEGAL_GENERATION');
    const second = h.enter();
    await h.clock.pass(1);
    expect(name(h.heartbeat(m))).toBe('REBALANCE_IN_PROGRESS');
    await h.leave(m.memberId);
    const next = await second;
    await h.leave(next.memberId);
    expect(h.describe().groupState).toBe('Empty');
    expect(name(h.heartbeat(m))).toBe('UNKNOWN_MEMBER_ID');
  });

  it('keep the session, and silence ends it', async () => {
    const h = await Harness.start();
    const [a, b] = await h.stable(2);
    await h.clock.pass(9_000);
    expect(h.heartbeat(a!)).toBe(0);
    await h.clock.pass(9_000);
    expect(name(h.heartbeat(a!))).toBe('REBALANCE_IN_PROGRESS');
    expect(name(h.heartbeat(b!))).toBe('UNKNOWN_MEMBER_ID');
    expect(h.coordinator.probe.expiredMembers).toBe(1);
    expect((await h.join({ memberId: a?.memberId ?? '' })).members).toHaveLength(1);
  });

  it('are not asked of members that wait for the coordinator', async () => {
    const h = await Harness.start();
    const [a, b] = await h.stable(2, { rebalanceTimeoutMs: 60_000 });
    const waits = h.join({ memberId: a?.memberId ?? '' });
    for (let i = 0; i < 4; i++) {
      await h.clock.pass(9_000);
      expect(name(h.heartbeat(b!))).toBe('REBALANCE_IN_PROGRESS');
    }
    expect(await isDone(waits)).toBe(false);
    void h.join({ memberId: b?.memberId ?? '' });
    expect((await waits).members).toHaveLength(2);
  });

  it('end a rebalance when the member it waits for dies', async () => {
    const h = await Harness.start();
    const [a] = await h.stable(2);
    const waits = h.join({ memberId: a?.memberId ?? '' });
    await h.clock.pass(10_000);
    expect((await waits).members).toHaveLength(1);
  });

  it('end a rebalance when a new member’s client is gone', async () => {
    const h = await Harness.start();
    const [a] = await h.stable(1, { rebalanceTimeoutMs: 900_000 });
    const lost = h.enter({ rebalanceTimeoutMs: 900_000 });
    for (let i = 0; i < 60; i++) {
      await h.clock.pass(5_000);
      h.heartbeat(a!);
    }
    expect(name((await lost).errorCode)).toBe('UNKNOWN_MEMBER_ID');
    const alone = await h.join({ memberId: a?.memberId ?? '' });
    expect(alone.members).toHaveLength(1);
  });

  it('are taken on trust while the group loads', async () => {
    const h = new Harness();
    h.coordinator = h.create();
    expect(name(h.heartbeat({ memberId: 'm', generationId: 1 } as never))).toBe('NOT_COORDINATOR');
    h.log.read = () => new Promise(() => {});
    h.log.range = () => ({ start: 0, end: 1 });
    void h.coordinator.load(h.log.partitionFor('g'), 1);
    expect(name(h.heartbeat({ memberId: 'm', generationId: 1 } as never))).toBe('NONE');
    expect(name((await h.join()).errorCode)).toBe('COORDINATOR_LOAD_IN_PROGRESS');
    expect(name(h.coordinator.listGroups({ statesFilter: [], typesFilter: [] }).errorCode)).toBe(
      'COORDINATOR_LOAD_IN_PROGRESS',
    );
  });
});

describe('rebalancing', () => {
  it('drops members that do not join again in time', async () => {
    const h = await Harness.start();
    const [a, b] = await h.stable(2, { rebalanceTimeoutMs: 20_000 });
    const metadata = subscription('other');
    const changed = { protocols: [{ name: 'range', metadata }], rebalanceTimeoutMs: 20_000 };
    const waits = h.join({ memberId: b?.memberId ?? '', ...changed });
    await h.clock.pass(9_000);
    h.heartbeat(a!);
    await h.clock.pass(9_000);
    h.heartbeat(a!);
    await h.clock.pass(2_000);
    const next = await waits;
    expect(next.members).toHaveLength(1);
    expect(next.leader).toBe(b?.memberId);
    expect(name(h.heartbeat(a!))).toBe('UNKNOWN_MEMBER_ID');
  });

  it('starts over for members that wait for the leader when another joins', async () => {
    const h = await Harness.start();
    const joins = [h.enter(), h.enter()];
    await h.clock.pass(1);
    const [, follower] = await Promise.all(joins);
    const waits = h.sync(follower!);
    void h.enter();
    expect(name((await waits).errorCode)).toBe('REBALANCE_IN_PROGRESS');
    expect(h.describe().groupState).toBe('PreparingRebalance');
  });

  it('does not take an assignment of the generation before', async () => {
    const h = await Harness.start();
    const join = h.enter();
    await h.clock.pass(1);
    const leader = await join;
    h.log.hold();
    const sync = h.sync(leader, [{ memberId: leader.memberId, assignment: Buffer.from('old') }]);
    const second = h.enter();
    expect(name((await sync).errorCode)).toBe('REBALANCE_IN_PROGRESS');
    await h.log.release();
    expect(h.describe().groupState).toBe('PreparingRebalance');
    const rejoined = await h.join({ memberId: leader.memberId });
    expect((await second).generationId).toBe(2);
    expect(rejoined.generationId).toBe(2);
  });
});

describe('leaving', () => {
  it('rebalances once for many, with an outcome for each', async () => {
    const h = await Harness.start();
    const [a, b, c] = await h.stable(3);
    const codes = await h.leave(b?.memberId ?? '', 'nobody', c?.memberId ?? '');
    expect(codes.map(name)).toEqual(['NONE', 'UNKNOWN_MEMBER_ID', 'NONE']);
    const next = await h.join({ memberId: a?.memberId ?? '' });
    expect(next.generationId).toBe(2);
    expect(next.members).toHaveLength(1);
  });

  it('answers versions before 3 with the one member’s error', async () => {
    const h = await Harness.start();
    const [m] = await h.stable();
    const leave = (memberId: string) =>
      h.coordinator.leaveGroup({ groupId: 'g', memberId, members: [] }, context(2));
    expect(name((await leave('x')).errorCode)).toBe('UNKNOWN_MEMBER_ID');
    expect(await leave(m?.memberId ?? '')).toEqual({
      throttleTimeMs: 0,
      errorCode: 0,
      members: [],
    });
    const gone = h.coordinator.leaveGroup(
      { groupId: 'none', memberId: 'm', members: [] },
      context(1),
    );
    expect(name((await gone).errorCode)).toBe('UNKNOWN_MEMBER_ID');
  });

  it('removes static members by their instance alone', async () => {
    const h = await Harness.start();
    await h.stable(1, { groupInstanceId: 'one' });
    const remove = (groupInstanceId: string | null, memberId = '') =>
      h.coordinator.leaveGroup(
        { groupId: 'g', memberId: '', members: [{ memberId, groupInstanceId, reason: 'why' }] },
        context(5),
      );
    expect((await remove('two')).members[0]?.errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect((await remove(null)).members[0]?.errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect((await remove('one', 'x')).members[0]?.errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID);
    expect((await remove('one')).members[0]?.errorCode).toBe(0);
    expect(h.describe().groupState).toBe('Empty');
  });

  it('gives up a member id that was not used yet', async () => {
    const h = await Harness.start();
    const { memberId } = await h.join();
    expect(await h.leave(memberId)).toEqual([0]);
    expect(name((await h.join({ memberId })).errorCode)).toBe('UNKNOWN_MEMBER_ID');
  });

  it('is answered when the empty group is in the log', async () => {
    const h = await Harness.start();
    const [m] = await h.stable();
    h.log.hold();
    const leave = h.leave(m?.memberId ?? '');
    expect(await isDone(leave)).toBe(false);
    await h.log.release();
    expect(await leave).toEqual([0]);
    await h.restart();
    expect(h.describe()).toMatchObject({ groupState: 'Empty', protocolType: 'consumer' });
  });

  it('ends what the member waits for', async () => {
    const h = await Harness.start();
    const joins = [h.enter(), h.enter()];
    await h.clock.pass(1);
    const [, follower] = await Promise.all(joins);
    const waits = h.sync(follower!);
    await h.leave(follower?.memberId ?? '');
    expect(name((await waits).errorCode)).toBe('UNKNOWN_MEMBER_ID');
  });
});

describe('static members', () => {
  const one = { groupInstanceId: 'one' };

  it('come back to their old assignment without a rebalance', async () => {
    const h = await Harness.start();
    const joins = [h.join({ groupInstanceId: 'lead' }), h.join(one)];
    await h.clock.pass(1);
    const [leader, member] = await Promise.all(joins);
    await Promise.all([
      h.sync(member!, [], one),
      h.sync(leader!, [{ memberId: member?.memberId ?? '', assignment: Buffer.from('part') }], {
        groupInstanceId: 'lead',
      }),
    ]);
    const back = await h.join(one);
    expect(back).toMatchObject({
      errorCode: 0,
      generationId: 1,
      skipAssignment: false,
      members: [],
    });
    expect(back.memberId).not.toBe(member?.memberId);
    expect((await h.sync(back, [], one)).assignment.toString()).toBe('part');
    expect(h.describe().groupState).toBe('Stable');
    const fenced = await h.sync(member!, [], one);
    expect(name(fenced.errorCode)).toBe('FENCED_INSTANCE_ID');
    expect(name((await h.join({ ...one, memberId: member?.memberId ?? '' })).errorCode)).toBe(
      'FENCED_INSTANCE_ID',
    );
    await h.restart();
    expect((await h.sync(back, [], one)).assignment.toString()).toBe('part');
  });

  it('that lead are told not to assign, in the words of their version', async () => {
    const h = await Harness.start();
    const join = h.join(one);
    await h.clock.pass(1);
    const leader = await join;
    await h.sync(leader, [], one);
    const old = await h.join(one, 8);
    expect(old).toMatchObject({ leader: leader.memberId, members: [], skipAssignment: false });
    const recent = await h.join(one, 9);
    expect(recent).toMatchObject({ leader: recent.memberId, skipAssignment: true });
    expect(recent.members).toHaveLength(1);
  });

  it('cause a rebalance when the chosen protocol would change', async () => {
    const h = await Harness.start();
    const metadata = subscription('t');
    const offer = (...names: string[]) => names.map((n) => ({ name: n, metadata }));
    const join = h.join({ ...one, protocols: offer('range', 'sticky') });
    await h.clock.pass(1);
    await h.sync(await join, [], one);
    const back = await h.join({ ...one, protocols: offer('sticky', 'range') });
    expect(back).toMatchObject({ generationId: 2, protocolName: 'sticky' });
  });

  it('start over a rebalance whose leader may have seen the old id', async () => {
    const h = await Harness.start();
    const joins = [h.enter(), h.join(one)];
    await h.clock.pass(1);
    const [leader, member] = await Promise.all(joins);
    const waits = h.sync(member!, [], one);
    void h.join(one);
    expect(name((await waits).errorCode)).toBe('FENCED_INSTANCE_ID');
    expect(name(h.heartbeat(leader!))).toBe('REBALANCE_IN_PROGRESS');
  });

  it('keep their old id when the new one could not be stored', async () => {
    const h = await Harness.start();
    const join = h.join(one);
    await h.clock.pass(1);
    const member = await join;
    await h.sync(member, [], one);
    h.log.failWith = ErrorCode.NOT_ENOUGH_REPLICAS;
    const back = await h.join(one);
    expect(name(back.errorCode)).toBe('COORDINATOR_NOT_AVAILABLE');
    expect(h.describe().members.map((m) => m.memberId)).toEqual([member.memberId]);
    await h.clock.pass(10_000);
    expect(h.describe().members).toEqual([]);
  });

  it('keep their place through a rebalance they miss, until their session ends', async () => {
    const h = await Harness.start();
    const joins = [
      h.enter({ rebalanceTimeoutMs: 5_000 }),
      h.join({ ...one, rebalanceTimeoutMs: 5_000, sessionTimeoutMs: 30_000 }),
    ];
    await h.clock.pass(1);
    const [a, s] = await Promise.all(joins);
    await Promise.all([h.sync(s!, [], one), h.sync(a!)]);
    const protocols = [{ name: 'range', metadata: subscription('other') }];
    const waits = h.join({ memberId: a?.memberId ?? '', rebalanceTimeoutMs: 5_000, protocols });
    await h.clock.pass(5_000);
    expect((await waits).members).toHaveLength(2);
  });
});

describe('describing and listing', () => {
  it('shows members with metadata when the group is stable only', async () => {
    const h = await Harness.start();
    const join = h.enter();
    await h.clock.pass(1);
    const m = await join;
    expect(h.describe()).toMatchObject({
      groupState: 'CompletingRebalance',
      protocolType: 'consumer',
      protocolData: '',
    });
    expect(h.describe().members[0]?.memberMetadata).toHaveLength(0);
    await h.syncAll([m]);
    expect(h.describe()).toMatchObject({
      errorCode: 0,
      groupState: 'Stable',
      protocolData: 'range',
      authorizedOperations: -(2 ** 31),
      members: [
        {
          memberId: m.memberId,
          clientId: 'client',
          clientHost: '/127.0.0.1',
          memberMetadata: subscription('t'),
          memberAssignment: Buffer.from(m.memberId),
        },
      ],
    });
  });

  it('calls an unknown group Dead, from version 6 on an error', async () => {
    const h = await Harness.start();
    expect(h.describe('none', 5)).toMatchObject({ groupState: 'Dead', errorCode: 0 });
    expect(h.describe('none', 6)).toMatchObject({
      groupState: 'Dead',
      errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
      errorMessage: 'Group none not found.',
    });
  });

  it('lists groups by state and type, whatever the case', async () => {
    const h = await Harness.start();
    await h.stable();
    await h.commit(1, { groupId: 'simple' });
    const list = (statesFilter: string[], typesFilter: string[] = []) =>
      h.coordinator.listGroups({ statesFilter, typesFilter }).groups;
    expect(list([])).toEqual(
      expect.arrayContaining([
        { groupId: 'g', protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' },
        { groupId: 'simple', protocolType: '', groupState: 'Empty', groupType: 'classic' },
      ]),
    );
    expect(list(['STABLE']).map((g) => g.groupId)).toEqual(['g']);
    expect(list(['empty', 'Dead']).map((g) => g.groupId)).toEqual(['simple']);
    expect(list([], ['Classic'])).toHaveLength(2);
    expect(list([], ['consumer', 'nonsense'])).toEqual([]);
  });

  it('counts groups by state, members and rebalances', async () => {
    const h = await Harness.start();
    await h.stable(2);
    await h.commit(1, { groupId: 'simple' });
    const { probe } = h.coordinator;
    expect(probe.groups).toMatchObject({ Stable: 1, Empty: 1, PreparingRebalance: 0, Dead: 0 });
    expect(probe).toMatchObject({ members: 2, rebalances: 1, commits: 1, offsets: 1 });
    expect(probe.consumerRebalances).toBe(0);
    expect([...h.coordinator.groupView()]).toContainEqual({
      group: 'g',
      type: 'classic',
      state: 'Stable',
      members: 2,
    });
    h.coordinator.stop();
    expect(probe).toMatchObject({ members: 0, offsets: 0, groupCount: 0 });
  });
});

describe('stopping', () => {
  it('answers whoever waits, and nothing afterwards', async () => {
    const h = await Harness.start({ initialRebalanceDelayMs: 3_000 });
    const waits = h.enter();
    await h.clock.pass(1);
    h.coordinator.stop();
    expect(name((await waits).errorCode)).toBe('NOT_COORDINATOR');
    const late = await h.coordinator.joinGroup(joinRequest(), context(9));
    expect(name(late.errorCode)).toBe('COORDINATOR_NOT_AVAILABLE');
    await h.clock.pass(3_600_000);
    expect(h.log.appends).toBe(0);
    expect(h.clock.pending).toBe(0);
  });
});
