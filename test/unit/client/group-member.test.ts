import { describe, expect, test } from 'vitest';
import { type Logger, silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { GroupMember, type GroupMemberOptions } from '../../../src/client/group-member.ts';
import { assignRange } from '../../../src/client/range-assignor.ts';
import { ErrorCode, ProtocolError } from '../../../src/protocol/error-codes.ts';
import { clientOf } from './client-of.ts';
import { FakeBroker, MemoryTransport } from './fake-broker.ts';
import { FakeCoordinator } from './fake-coordinator.ts';
import { ManualClock } from './manual-clock.ts';

async function setup() {
  const clock = new ManualClock();
  const transport = new MemoryTransport();
  const broker = new FakeBroker(transport, { topics: { logs: 4 } });
  await broker.start();
  const coordinator = new FakeCoordinator(broker);
  const events: string[] = [];
  const logged: string[] = [];
  const log = (message: string): unknown => logged.push(message);
  const logger: Logger = { ...silentLogger, info: log, warn: log };
  const join = (name: string, options: Partial<GroupMemberOptions> = {}): GroupMember => {
    const mine = { clientId: name, random: seededRandom(3), logger };
    const client = clientOf({ broker, transport, clock }, mine);
    const member = new GroupMember(client, {
      groupId: 'g',
      topics: ['logs'],
      sessionTimeoutMs: 10_000,
      heartbeatIntervalMs: 1000,
      onAssigned: (partitions) => {
        events.push(`${name} + ${partitions.map((p) => p.partition).join()}`);
      },
      onRevoked: (partitions, lost) => {
        const how = lost ? '!' : '-';
        events.push(`${name} ${how} ${partitions.map((p) => p.partition).join()}`);
      },
      ...options,
    });
    member.start();
    return member;
  };
  return { clock, transport, broker, coordinator, events, logged, join };
}

/** A JoinGroup's answer. */
const stillLoading = {
  throttleTimeMs: 0,
  errorCode: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  generationId: -1,
  protocolType: null,
  protocolName: null,
  leader: '',
  skipAssignment: false,
  memberId: '',
  members: [],
};

describe('membership', () => {
  test('joins, is assigned everything, heartbeats, and leaves', async () => {
    const { clock, coordinator, events, join } = await setup();
    const member = join('a');
    await clock.advance(500);
    expect(events).toEqual(['a + 0,1,2,3']);
    await clock.advance(5000);
    expect(member.counters.heartbeats).toBeGreaterThanOrEqual(4);
    await clock.until(member.leave());
    expect(events).toEqual(['a + 0,1,2,3', 'a - 0,1,2,3']);
    expect(coordinator.members.size).toBe(0);
  });

  test('shares with members that come and takes over from those that leave', async () => {
    const { clock, events, join } = await setup();
    const a = join('a');
    await clock.advance(500);
    const b = join('b');
    await clock.advance(3000);
    expect(events.slice(0, 2)).toEqual(['a + 0,1,2,3', 'a - 0,1,2,3']);
    expect(new Set(events.slice(2))).toEqual(new Set(['a + 0,1', 'b + 2,3']));
    events.length = 0;
    await clock.until(a.leave());
    await clock.advance(3000);
    expect(events).toEqual(['a - 0,1', 'b - 2,3', 'b + 0,1,2,3']);
    await clock.until(b.leave());
  });

  test('a rebalance waits for the work that is handed over, and its commit counts', async () => {
    const { clock, coordinator, events, join } = await setup();
    let release = (): void => {};
    const member: GroupMember = join('a', {
      onRevoked: async (partitions, lost) => {
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        expect(lost).toBe(false);
        await member.commit(new Map([['logs', new Map(partitions.map((p) => [p.partition, 7]))]]));
        events.push('a committed');
      },
    });
    await clock.advance(500);
    join('b');
    await clock.advance(8000);
    expect(events).toEqual(['a + 0,1,2,3']);
    expect(member.counters.heartbeats).toBeGreaterThan(5); // It stays alive meanwhile.
    release();
    await clock.advance(2000);
    expect(events.slice(0, 2)).toEqual(['a + 0,1,2,3', 'a committed']);
    expect(new Set(events.slice(2))).toEqual(new Set(['a + 0,1', 'b + 2,3']));
    expect(coordinator.committed.get('logs-3')).toBe(7);
    expect(await clock.until(member.committed())).toMatchObject([{ offset: 7 }, { offset: 7 }]);
  });

  test('learns that it was put out, may not commit any more, and joins again', async () => {
    const { clock, coordinator, events, join } = await setup();
    const member = join('a');
    await clock.advance(500);
    coordinator.remove(member.memberId);
    const late = member.commit([{ topic: 'logs', partition: 0, offset: 1 }]);
    await expect(clock.until(late)).rejects.toMatchObject({ code: ErrorCode.UNKNOWN_MEMBER_ID });
    await clock.advance(3000);
    expect(events).toEqual(['a + 0,1,2,3', 'a ! 0,1,2,3', 'a + 0,1,2,3']);
    expect(coordinator.committed.size).toBe(0);
  });

  test('gives its partitions up when the coordinator is not heard of for a session', async () => {
    const { clock, broker, events, join } = await setup();
    join('a');
    await clock.advance(500);
    broker.intercept = ({ api }) => (api === 'Heartbeat' ? 'silence' : undefined);
    await clock.advance(30_000);
    expect(events.slice(0, 2)).toEqual(['a + 0,1,2,3', 'a ! 0,1,2,3']);
  });

  test('the leader shares out partitions that are added', async () => {
    const { clock, broker, events, join } = await setup();
    const member = join('a');
    await clock.advance(500);
    broker.topics.delete('logs');
    broker.create('logs', 6);
    await clock.advance(400_000); // Metadata is asked for again by then.
    expect(events).toEqual(['a + 0,1,2,3', 'a - 0,1,2,3', 'a + 0,1,2,3,4,5']);
    await clock.until(member.leave());
  });

  test('a static leader that is back shares out partitions that are added then, or were meanwhile', async () => {
    const { clock, broker, coordinator, events, join } = await setup();
    const first = join('a', { groupInstanceId: 'one' });
    await clock.advance(500);
    await clock.until(first.leave());
    const second = join('b', { groupInstanceId: 'one' });
    await clock.advance(5000);
    expect(events).toEqual(['a + 0,1,2,3', 'a - 0,1,2,3', 'b + 0,1,2,3']);
    expect(coordinator.generation).toBe(1); // Nobody else had to notice.
    broker.topics.delete('logs');
    broker.create('logs', 6);
    await clock.advance(400_000);
    expect(events.slice(3)).toEqual(['b - 0,1,2,3', 'b + 0,1,2,3,4,5']);
    await clock.until(second.leave());
    events.length = 0;
    broker.topics.delete('logs');
    broker.create('logs', 8);
    join('c', { groupInstanceId: 'one' });
    await clock.advance(5000);
    expect(events.at(-1)).toBe('c + 0,1,2,3,4,5,6,7');
  });

  test('a static member whose id is taken stops for good', async () => {
    const { clock, broker, events, join } = await setup();
    const fatal: Error[] = [];
    join('a', { groupInstanceId: 'one', onFatal: (error) => fatal.push(error) });
    await clock.advance(500);
    broker.intercept = ({ api }) =>
      api === 'Heartbeat'
        ? { answer: { throttleTimeMs: 0, errorCode: ErrorCode.FENCED_INSTANCE_ID } }
        : undefined;
    await clock.advance(10_000);
    expect(events).toEqual(['a + 0,1,2,3', 'a ! 0,1,2,3']);
    expect(fatal).toMatchObject([{ code: ErrorCode.FENCED_INSTANCE_ID }]);
  });

  test('stops for good where it may not join, unless it is to wait for that', async () => {
    const { clock, broker, events, logged, join } = await setup();
    const errorCode = ErrorCode.GROUP_AUTHORIZATION_FAILED;
    broker.intercept = ({ api }) =>
      api === 'JoinGroup' ? { answer: { ...stillLoading, errorCode } } : undefined;
    const fatal: string[] = [];
    join('a', { onFatal: () => fatal.push('a') });
    join('b', { onFatal: () => fatal.push('b'), isPatient: true });
    await clock.advance(60_000);
    expect(fatal).toEqual(['a']);
    expect(logged).toHaveLength(1);
    broker.intercept = () => undefined;
    await clock.advance(5_000);
    expect(events).toEqual(['b + 0,1,2,3']);
  });

  test('leaves without waiting for a coordinator that never comes', async () => {
    const { clock, broker, events, join } = await setup();
    broker.intercept = ({ api }) => (api === 'JoinGroup' ? { answer: stillLoading } : undefined);
    const member = join('a');
    await clock.advance(20);
    await clock.until(member.leave(), 2000); // The request timeout is 5000.
    expect(events).toEqual([]);
  });

  test('leaves without waiting for the members that a join waits for', async () => {
    const { clock, broker, events, join } = await setup();
    broker.intercept = ({ api }) => (api === 'SyncGroup' ? 'silence' : undefined);
    const member = join('a');
    await clock.advance(500);
    expect(member.memberId).not.toBe('');
    await clock.until(member.leave(), 2000);
    expect(events).toEqual([]);
  });

  test('an answer to a commit of an earlier generation says nothing of the present one', async () => {
    const { clock, broker, events, join } = await setup();
    const leader = join('leader');
    await clock.advance(500);
    const member = join('m');
    await clock.advance(3000);
    // Sent in one generation, and answered when the next one has begun.
    let answer = (): void => {};
    broker.intercept = ({ api }) => {
      if (api !== 'OffsetCommit') return undefined;
      return new Promise((resolve) => {
        answer = () => resolve(undefined);
      });
    };
    const late = member.commit([{ topic: 'logs', partition: 3, offset: 1 }]);
    await clock.advance(100);
    events.length = 0;
    const third = join('third');
    await clock.advance(4000);
    expect(events.filter((event) => event.startsWith('m '))).toEqual(['m - 2,3', 'm + 2']);
    answer();
    await expect(clock.until(late)).rejects.toMatchObject({ code: ErrorCode.ILLEGAL_GENERATION });
    events.length = 0;
    await clock.advance(5000);
    expect(events).toEqual([]);
    broker.intercept = () => undefined;
    await clock.until(Promise.all([leader.leave(), member.leave(), third.leave()]));
  });

  test('says what keeps it from its work, until it has it', async () => {
    const { clock, logged, join } = await setup();
    let isForbidden = true;
    const member = join('a', {
      onAssigned: () => {
        if (isForbidden) throw new ProtocolError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, 'logs: no');
      },
    });
    await clock.advance(10_000);
    expect(member.fault).toBe('logs: no');
    expect(logged).toHaveLength(1);
    isForbidden = false;
    await clock.advance(2_000);
    expect(member.fault).toBe('');
    await clock.until(member.leave());
  });

  test('leaves the group though what is to be done before has failed', async () => {
    const { clock, coordinator, join } = await setup();
    const member = join('a', {
      onRevoked: () => Promise.reject(new Error('the last commit failed')),
    });
    await clock.advance(500);
    expect(coordinator.members.size).toBe(1);
    await expect(clock.until(member.leave())).rejects.toThrow('the last commit failed');
    expect(coordinator.members.size).toBe(0);
    expect(member.assigned).toEqual([]);
  });

  test('waits for a coordinator that loads or moves', async () => {
    const { clock, broker, events, join } = await setup();
    let refusals = 3;
    broker.intercept = ({ api }) => {
      if (api !== 'Heartbeat' && api !== 'JoinGroup') return undefined;
      if (refusals === 0 || api === 'Heartbeat') return undefined;
      refusals--;
      return { answer: stillLoading };
    };
    join('a');
    await clock.advance(5000);
    expect(events).toEqual(['a + 0,1,2,3']);
  });

  test('tells once why it is not in, however often it tries, and again when that changes', async () => {
    const { clock, broker, logged, join } = await setup();
    let tries = 0;
    let errorCode: number = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
    broker.intercept = ({ api }) => {
      if (api !== 'JoinGroup') return undefined;
      tries++;
      return { answer: { ...stillLoading, errorCode } };
    };
    join('a');
    await clock.advance(10_000);
    expect(tries).toBeGreaterThan(5);
    expect(logged).toEqual(['joining the group again']);
    errorCode = ErrorCode.COORDINATOR_NOT_AVAILABLE;
    await clock.advance(10_000);
    expect(logged).toHaveLength(2);
  });
});

describe('range assignment', () => {
  const members = (...ids: string[]) =>
    ids.map((memberId) => ({ memberId, groupInstanceId: null, topics: ['t', 'u'] }));
  const assigned = (ids: string[], t: number, u: number) =>
    Object.fromEntries(
      [...assignRange(members(...ids), (topic) => (topic === 't' ? t : u))].map(([id, a]) => [
        id,
        Object.fromEntries(a),
      ]),
    );

  test('gives runs, the first members one more', () => {
    expect(assigned(['c', 'a', 'b'], 7, 3)).toEqual({
      a: { t: [0, 1, 2], u: [0] },
      b: { t: [3, 4], u: [1] },
      c: { t: [5, 6], u: [2] },
    });
  });

  test('leaves members without partitions when there are too few, and topics that do not exist', () => {
    expect(assigned(['a', 'b'], 1, 0)).toEqual({ a: { t: [0] }, b: {} });
  });

  test('static members stand first, by their instance ids', () => {
    const list = [
      { memberId: 'a', groupInstanceId: null, topics: ['t'] },
      { memberId: 'z', groupInstanceId: 'i1', topics: ['t'] },
      { memberId: 'b', groupInstanceId: 'i2', topics: ['t'] },
    ];
    const result = assignRange(list, () => 3);
    expect([...result].map(([id, a]) => [id, a.get('t')])).toEqual([
      ['a', [2]],
      ['z', [0]],
      ['b', [1]],
    ]);
  });
});
