/** Groups that change between the classic and the consumer protocol while they have members. */
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { context, Harness, joinRequest } from '../harness.ts';
import { ClassicTestMember } from './classic-member.ts';
import { TestMember } from './member.ts';

const ALL = [0, 1, 2, 3, 4, 5, 6, 7];

type AnyMember = TestMember | ClassicTestMember;

/** Partitions of `t` that more than one member has at this moment. */
const shared = (members: readonly AnyMember[]): number[] => {
  const held = members.flatMap((m) => m.partitions);
  return held.filter((p, i) => held.indexOf(p) !== i);
};

/** Heartbeats of all, and what they give cause to, until every partition has one owner. */
async function settleAll(h: Harness, members: readonly AnyMember[]): Promise<void> {
  let quiet = 0;
  for (let round = 0; round < 40 && quiet < 3; round++) {
    const before = JSON.stringify(members.map((m) => m.partitions));
    for (const member of members) void member.beat();
    await h.clock.pass(1_500);
    expect(shared(members)).toEqual([]);
    const isSame = JSON.stringify(members.map((m) => m.partitions)) === before;
    quiet = isSame && !members.some((m) => 'mustJoin' in m && m.mustJoin) ? quiet + 1 : 0;
  }
  expect(quiet).toBe(3);
  expect(members.flatMap((m) => m.partitions).sort((a, b) => a - b)).toEqual(ALL);
}

const start = async (settings = {}): Promise<Harness> => Harness.start(settings);

const typeOf = (h: Harness): string =>
  h.coordinator.listGroups({ statesFilter: [], typesFilter: [] }).groups[0]?.groupType ?? 'none';

describe('a classic group', () => {
  it('becomes a consumer group with the first member that speaks its protocol', async () => {
    const h = await start();
    const [a, b] = [new ClassicTestMember(h), new ClassicTestMember(h)];
    await settleAll(h, [a, b]);
    expect(typeOf(h)).toBe('classic');
    expect(await a.commit(5, a.partitions[0] as number)).toBe(0);
    const ids = [a.memberId, b.memberId];
    const c = new TestMember(h, 'c');
    expect((await c.join()).errorCode).toBe(0);
    expect(typeOf(h)).toBe('consumer');
    await settleAll(h, [a, b, c]);
    expect([a.memberId, b.memberId]).toEqual(ids);
    expect(a.errors.every((code) => code === ErrorCode.REBALANCE_IN_PROGRESS)).toBe(true);
    const { groups } = await h.coordinator.describeConsumerGroups({
      groupIds: ['g'],
      includeAuthorizedOperations: false,
    });
    expect(groups[0]?.groupState).toBe('Stable');
    expect(groups[0]?.members.map((m) => m.memberType).sort()).toEqual([0, 0, 1]);
    for (const member of [a, b, c]) expect(member.partitions.length).toBeGreaterThan(1);
  });

  it('becomes one member by member, and its offsets stay', async () => {
    const h = await start();
    const classic = [new ClassicTestMember(h, 'i1'), new ClassicTestMember(h, 'i2')];
    await settleAll(h, classic);
    for (const member of classic) {
      for (const partition of member.partitions) {
        expect(await member.commit(10 + partition, partition)).toBe(0);
      }
    }
    const [, second] = classic as [ClassicTestMember, ClassicTestMember];
    const first = new TestMember(h, 'new-1', { instanceId: 'i1' });
    expect((await first.join()).errorCode).toBe(0);
    await settleAll(h, [first, second]);
    const next = new TestMember(h, 'new-2', { instanceId: 'i2' });
    expect((await next.join()).errorCode).toBe(0);
    await settleAll(h, [first, next]);
    for (const partition of ALL) {
      expect(await h.committed('g', 't', partition)).toBe(10 + partition);
    }
    await h.restart();
    await settleAll(h, [first, next]);
    for (const partition of ALL) {
      expect(await h.committed('g', 't', partition)).toBe(10 + partition);
    }
  });

  it('in the middle of a rebalance has its members join again', async () => {
    const h = await start();
    const a = new ClassicTestMember(h);
    await settleAll(h, [a]);
    // It waits for the first one, which has not heard of it.
    const b = new ClassicTestMember(h);
    const joining = b.beat();
    await h.clock.pass(1);
    const c = new TestMember(h, 'c');
    expect((await c.join()).errorCode).toBe(0);
    await joining;
    expect(b.errors).toEqual([ErrorCode.REBALANCE_IN_PROGRESS]);
    await settleAll(h, [a, b, c]);
  });

  it.each(['disabled', 'downgrade'] as const)('stays one by the policy %s', async (policy) => {
    const h = await start({ consumerMigrationPolicy: policy });
    await settleAll(h, [new ClassicTestMember(h)]);
    expect(await new TestMember(h, 'c').join()).toMatchObject({
      errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
      errorMessage: expect.stringContaining('online upgrade is disabled'),
    });
    expect(typeOf(h)).toBe('classic');
  });

  it('of something else than consumers stays one', async () => {
    const h = await start();
    await h
      .stable(1, {
        protocolType: 'connect',
        protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
      })
      .catch(() => []);
    const answer = await new TestMember(h, 'c').join();
    expect(answer.errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    expect(answer.errorMessage).toContain('consumer embedded protocol');
  });

  it('whose members’ metadata nobody can read stays one', async () => {
    const h = await start();
    await h.stable(1, { protocols: [{ name: 'range', metadata: Buffer.from('?') }] });
    const answer = await new TestMember(h, 'c').join();
    expect(answer.errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    expect(answer.errorMessage).toContain('malformed');
    expect(h.describe().groupState).toBe('Stable');
  });

  it('is what it was when the log does not take the change', async () => {
    const h = await start();
    const a = new ClassicTestMember(h);
    await settleAll(h, [a]);
    h.log.failWith = ErrorCode.NOT_ENOUGH_REPLICAS;
    const c = new TestMember(h, 'c');
    expect((await c.join()).errorCode).not.toBe(0);
    h.log.failWith = 0;
    await h.clock.pass(2_000);
    expect(typeOf(h)).toBe('classic');
    expect(h.describe().members).toHaveLength(1);
    await c.join();
    await settleAll(h, [a, c]);
  });
});

describe('a consumer group', () => {
  it('takes members of the classic protocol', async () => {
    const h = await start();
    const a = new TestMember(h, 'a');
    await a.join();
    const b = new ClassicTestMember(h);
    await settleAll(h, [a, b]);
    expect(typeOf(h)).toBe('consumer');
    expect([a.partitions.length, b.partitions.length]).toEqual([4, 4]);
    expect(await b.commit(3, b.partitions[0] as number)).toBe(0);
    expect(await h.commit(3, { memberId: b.memberId, generation: 99 })).toBe(
      ErrorCode.ILLEGAL_GENERATION,
    );
    const lost = b.partitions[0] as number;
    expect(await h.leave(b.memberId)).toEqual([0]);
    await settleAll(h, [a]);
    expect(await h.committed('g', 't', lost)).toBe(3);
  });

  it('is a classic one when the last member of its protocol leaves', async () => {
    const h = await start();
    const a = new TestMember(h, 'a');
    await a.join();
    const [b, c] = [new ClassicTestMember(h), new ClassicTestMember(h)];
    await settleAll(h, [a, b, c]);
    const held = a.partitions[0] as number;
    await h.commit(9, { memberId: 'a', generation: a.epoch, partition: held });
    expect((await a.leave()).errorCode).toBe(0);
    expect(typeOf(h)).toBe('classic');
    await settleAll(h, [b, c]);
    expect(h.describe()).toMatchObject({
      groupState: 'Stable',
      protocolData: 'cooperative-sticky',
    });
    expect(await h.committed('g', 't', held)).toBe(9);
    await h.restart();
    await settleAll(h, [b, c]);
    expect(await h.committed('g', 't', held)).toBe(9);
    expect(h.coordinator.probe).toMatchObject({ consumerGroups: 0, members: 2 });
  });

  it('is a classic one when a classic member takes the place of a static one, and nobody moves', async () => {
    const h = await start();
    const a = new TestMember(h, 'a', { instanceId: 'i' });
    await a.join();
    const b = new ClassicTestMember(h);
    await settleAll(h, [a, b]);
    const [had, others] = [a.partitions, b.partitions];
    await a.leave(-2);
    const next = new ClassicTestMember(h, 'i');
    await next.beat();
    expect(typeOf(h)).toBe('classic');
    expect(next.partitions).toEqual(had);
    await settleAll(h, [next, b]);
    expect(b.partitions).toEqual(others);
  });

  it('that becomes a classic one while partitions move leaves none of them without a reader', async () => {
    const h = await start();
    const a = new TestMember(h, 'a', { instanceId: 'i' });
    await a.join();
    const b = new ClassicTestMember(h);
    await settleAll(h, [a, b]);
    const c = new ClassicTestMember(h);
    await c.rejoin();
    // Both have given up what is to be of the new one, which has not been told yet.
    for (let i = 0; i < 3; i++) {
      await h.clock.pass(1_500);
      await Promise.all([a.beat(), b.beat()]);
    }
    expect(c.partitions).toEqual([]);
    await a.leave(-2);
    const next = new ClassicTestMember(h, 'i');
    void next.beat();
    await h.clock.pass(1);
    expect(typeOf(h)).toBe('classic');
    await settleAll(h, [next, b, c]);
  });

  it.each(['disabled', 'upgrade'] as const)('stays one by the policy %s', async (policy) => {
    const h = await start({ consumerMigrationPolicy: policy });
    const a = new TestMember(h, 'a');
    await a.join();
    const answer = await new ClassicTestMember(h).join();
    const { INCONSISTENT_GROUP_PROTOCOL, MEMBER_ID_REQUIRED } = ErrorCode;
    expect(answer.errorCode).toBe(
      policy === 'disabled' ? INCONSISTENT_GROUP_PROTOCOL : MEMBER_ID_REQUIRED,
    );
    if (policy === 'disabled') return;
    const b = new ClassicTestMember(h);
    await settleAll(h, [a, b]);
    await a.leave();
    expect(typeOf(h)).toBe('consumer');
    await settleAll(h, [b]);
  });

  it('removes classic members that do not join again in their rebalance timeout', async () => {
    const h = await start();
    const a = new TestMember(h, 'a');
    await a.join();
    const b = new ClassicTestMember(h);
    await settleAll(h, [a, b]);
    const c = new TestMember(h, 'c');
    await c.join();
    for (let i = 0; i < 16; i++) {
      await Promise.all([a.beat(), c.beat()]);
      h.coordinator.heartbeat({
        groupId: 'g',
        generationId: b.generation,
        memberId: b.memberId,
        groupInstanceId: null,
      });
      await h.clock.pass(5_000);
    }
    await settleAll(h, [a, c]);
  });

  it('gives classic members that name no rebalance timeout their session timeout for it', async () => {
    const h = await start();
    const a = new TestMember(h, 'a');
    await a.join();
    const b = new ClassicTestMember(h);
    const protocols = [{ name: 'cooperative-sticky', metadata: b.subscription }];
    const request = joinRequest({ rebalanceTimeoutMs: -1, protocols });
    const joined = await h.coordinator.joinGroup(request, context(0));
    await h.clock.pass(100);
    const sync = { protocolName: 'cooperative-sticky' };
    expect((await h.sync(joined, [], sync)).errorCode).toBe(0);
    await h.clock.pass(2_000);
    await a.beat();
    expect(h.heartbeat(joined)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    await h.clock.pass(100);
    expect(h.heartbeat(joined)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  });

  it('tells classic members what is wrong with their requests', async () => {
    const h = await start();
    const a = new TestMember(h, 'a');
    await a.join();
    const b = new ClassicTestMember(h);
    await settleAll(h, [a, b]);
    const beat = (memberId: string, generationId: number, groupInstanceId: string | null = null) =>
      h.coordinator.heartbeat({ groupId: 'g', memberId, generationId, groupInstanceId }).errorCode;
    expect(beat('nobody', b.generation)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(beat('a', a.epoch)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(beat(b.memberId, b.generation + 1)).toBe(ErrorCode.ILLEGAL_GENERATION);
    expect(beat(b.memberId, b.generation, 'i')).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect((await h.join({ protocolType: 'connect' })).errorCode).toBe(
      ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    );
    const other = [{ name: 'range', metadata: b.subscription }];
    expect((await h.join({ protocols: other })).errorCode).toBe(
      ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    );
    const { memberId, generation: generationId } = b;
    const joined = { memberId, generationId } as Parameters<Harness['sync']>[0];
    const sync = async (more: object) => (await h.sync(joined, [], more)).errorCode;
    const protocolName = 'cooperative-sticky';
    expect(await sync({ protocolName })).toBe(0);
    expect(await sync({ protocolName: 'range' })).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    expect(await sync({ protocolName, generationId: 77 })).toBe(ErrorCode.ILLEGAL_GENERATION);
    expect(await h.leave('nobody', b.memberId)).toEqual([ErrorCode.UNKNOWN_MEMBER_ID, 0]);
  });
});
