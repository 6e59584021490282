import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { partitionOfKey } from '../../../src/coordinator/coordinator-log.ts';
import { findCoordinator } from '../../../src/coordinator/find-coordinator.ts';
import { newMemberId } from '../../../src/coordinator/member.ts';
import { Timeout, Timers } from '../../../src/coordinator/timers.ts';
import { ErrorCode, errorName } from '../../../src/protocol/error-codes.ts';
import { RecordBatchBuilder } from '../../../src/protocol/record-batch-builder.ts';
import {
  groupMetadataKey,
  groupMetadataValue,
} from '../../../src/protocol/stored/group-metadata.ts';
import { offsetCommitKey, offsetCommitValue } from '../../../src/protocol/stored/offset-commit.ts';
import { encodeVersioned } from '../../../src/protocol/stored/versioned.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { heartbeatRequest } from './consumer/member.ts';
import { context, Harness, MemoryLog, subscription } from './harness.ts';
import { settle } from './step-clock.ts';

const name = (code: number): string => errorName(code);

describe('after a restart', () => {
  it('members go on in their generation, as if nothing had been', async () => {
    const h = await Harness.start();
    const members = await h.stable(2);
    const before = h.describe();
    await h.restart();
    expect(h.describe()).toEqual(before);
    expect(h.coordinator.probe).toMatchObject({ members: 2, groupCount: 1 });
    for (const m of members) {
      expect(h.heartbeat(m)).toBe(0);
      expect(await h.commit(1, { generation: 1, memberId: m.memberId })).toBe(0);
      expect((await h.sync(m)).assignment.toString()).toBe(m.memberId);
    }
  });

  it('members that don’t come back time out', async () => {
    const h = await Harness.start();
    const [m] = await h.stable();
    await h.restart();
    await h.clock.pass(9_999);
    expect(h.describe().groupState).toBe('Stable');
    await h.clock.pass(1);
    expect(h.describe()).toMatchObject({ groupState: 'Empty', members: [] });
    expect(name(h.heartbeat(m!))).toBe('UNKNOWN_MEMBER_ID');
    await h.restart();
    expect(h.describe().groupState).toBe('Empty');
  });

  it('members that were joining have to begin anew', async () => {
    const h = await Harness.start();
    const join = h.enter();
    await h.clock.pass(1);
    const m = await join;
    await h.restart();
    expect(name(h.heartbeat(m))).toBe('UNKNOWN_MEMBER_ID');
    expect(name((await h.sync(m)).errorCode)).toBe('UNKNOWN_MEMBER_ID');
    expect(name((await h.join({ memberId: m.memberId })).errorCode)).toBe('UNKNOWN_MEMBER_ID');
  });

  it('a rebalance works for members of whom only the chosen protocol is known', async () => {
    const h = await Harness.start();
    const metadata = subscription('t');
    const protocols = ['range', 'sticky'].map((n) => ({ name: n, metadata }));
    const [a] = await h.stable(1, { protocols });
    await h.restart();
    const joining = h.enter({ protocols });
    await settle();
    const again = await h.join({ memberId: a?.memberId ?? '', protocols });
    expect(again.members).toHaveLength(2);
    expect(await joining).toMatchObject({ generationId: 2, protocolName: 'range' });
  });
});

describe('loading', () => {
  it('reads what Kafka’s older versions wrote', async () => {
    const log = new MemoryLog(1);
    const builder = new RecordBatchBuilder();
    const key = (partition: number, version = 1) =>
      encodeVersioned(offsetCommitKey, version, { group: 'old', topic: 't', partition });
    const value = {
      offset: 10,
      leaderEpoch: 5,
      metadata: 'm',
      commitTimestamp: 1_700_000_000_000,
      expireTimestamp: -1,
      topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
    };
    for (let version = 0; version <= 4; version++) {
      const offset = { ...value, offset: 10 + version };
      builder.append(
        1,
        key(version, version === 0 ? 0 : 1),
        encodeVersioned(offsetCommitValue, version, offset),
      );
    }
    for (let version = 0; version <= 3; version++) {
      const member = {
        memberId: `m${version}`,
        groupInstanceId: null,
        clientId: 'c',
        clientHost: '/h',
        rebalanceTimeout: 5_000,
        sessionTimeout: 6_000,
        subscription: subscription('t'),
        assignment: Buffer.from('a'),
      };
      builder.append(
        1,
        encodeVersioned(groupMetadataKey, 2, { group: `g${version}` }),
        encodeVersioned(groupMetadataValue, version, {
          protocolType: 'consumer',
          generation: 7,
          protocol: 'range',
          leader: member.memberId,
          currentStateTimestamp: 1,
          members: [member],
        }),
      );
    }
    await log.append(0, builder.build());
    const h = new Harness({}, log);
    await h.start();
    for (let p = 0; p <= 4; p++) expect(await h.committed('old', 't', p)).toBe(10 + p);
    for (let version = 0; version <= 3; version++) {
      expect(h.describe(`g${version}`)).toMatchObject({
        groupState: 'Stable',
        members: [{ memberId: `m${version}`, clientHost: '/h' }],
      });
    }
  });

  it('skips and counts records it cannot read, and those of other kinds of groups', async () => {
    const log = new MemoryLog(1);
    const builder = new RecordBatchBuilder();
    const key = encodeVersioned(offsetCommitKey, 1, { group: 'g', topic: 't', partition: 0 });
    builder.append(1, key, Buffer.from([0, 9, 1, 2, 3]));
    builder.append(1, key, Buffer.from([0, 3]));
    builder.append(1, Buffer.from([0]), Buffer.from([0, 3]));
    builder.append(1, null, Buffer.from('no key'));
    // A share group.
    builder.append(1, Buffer.from([0, 11, 0, 1, 65]), Buffer.from([0, 0]));
    await log.append(0, builder.build());
    const h = new Harness({}, log);
    await h.start();
    expect(h.coordinator.probe.unreadableRecords).toBe(3);
    expect(h.coordinator.probe.groupCount).toBe(0);
    expect(await h.commit(1)).toBe(0);
  });

  it('reads a group whose record is larger than what is read at a time', async () => {
    const h = await Harness.start();
    await h.commit(1);
    const userData = Buffer.alloc(6 * 1024 * 1024, 'x');
    const metadata = Buffer.concat([subscription('t').subarray(0, 9), userData]);
    const protocols = [{ name: 'range', metadata }];
    await h.stable(1, { protocols });
    await h.commit(2, { groupId: 'g2' });
    const before = h.describe();
    h.coordinator.stop();
    const start = h.start();
    for (let i = 0; i < 20; i++) await h.clock.pass(1);
    await start;
    expect(h.describe()).toEqual(before);
    expect(await h.committed()).toBe(1);
    expect(await h.committed('g2')).toBe(2);
  });

  it('obeys the newest of loads and unloads, in whatever order they end', async () => {
    const h = await Harness.start();
    await h.commit(1);
    const partition = h.log.partitionFor('g');
    let finish = (): void => {};
    const read = h.log.read.bind(h.log);
    h.log.read = async (...args) => {
      await new Promise<void>((resolve) => (finish = resolve));
      return read(...args);
    };
    const slow = h.coordinator.load(partition, 5);
    const finishSlow = finish;
    expect(name(await h.commit(2))).toBe('COORDINATOR_LOAD_IN_PROGRESS');
    h.log.read = read;
    await h.coordinator.load(partition, 6);
    expect(await h.commit(3)).toBe(0);
    finishSlow();
    await slow;
    h.coordinator.unload(partition, 5);
    await h.coordinator.load(partition, 4);
    expect(await h.committed()).toBe(3);
    expect(h.coordinator.probe.groupCount).toBe(1);
    h.coordinator.unload(partition, 6);
    expect(name(await h.commit(4))).toBe('NOT_COORDINATOR');
  });

  it('does not let a write of before reach the shard of after', async () => {
    const h = await Harness.start();
    const partition = h.log.partitionFor('g');
    h.log.hold();
    const late = h.commit(1);
    const queued = h.commit(2);
    h.coordinator.unload(partition, 1);
    await h.coordinator.load(partition, 2);
    await h.log.release();
    expect(name(await late)).toBe('NOT_COORDINATOR');
    expect(name(await queued)).toBe('NOT_COORDINATOR');
    expect(await h.committed()).toBe(-1);
  });

  it('can be tried again after it failed', async () => {
    const h = new Harness();
    h.coordinator = h.create();
    const range = h.log.range.bind(h.log);
    h.log.range = () => {
      throw new RangeError('broken');
    };
    const partition = h.log.partitionFor('g');
    const loaded = h.coordinator.load(partition, 1);
    await settle();
    expect(name(await h.commit(1))).toBe('COORDINATOR_LOAD_IN_PROGRESS');
    expect(h.coordinator.probe).toMatchObject({ loads: 0, failedLoads: 1 });
    h.log.range = range;
    await h.clock.pass(1_000);
    await loaded;
    expect(h.coordinator.probe).toMatchObject({ loads: 1, failedLoads: 1 });
    expect(await h.commit(1)).toBe(0);
  });

  it('is given up when the partition goes before it succeeds', async () => {
    const h = new Harness();
    h.coordinator = h.create();
    h.log.range = () => {
      throw new RangeError('broken');
    };
    const partition = h.log.partitionFor('g');
    const loaded = h.coordinator.load(partition, 1);
    await settle();
    h.coordinator.unload(partition, 2);
    await h.clock.pass(10_000);
    await loaded;
    expect(h.coordinator.probe.failedLoads).toBe(1);
    expect(name(await h.commit(1))).toBe('NOT_COORDINATOR');
  });

  it('ends when all that was read is committed, not before', async () => {
    const h = await Harness.start();
    await h.commit(1);
    const partition = h.log.partitionFor('g');
    let commit = (): void => {};
    h.log.commit = new Promise((resolve) => {
      commit = resolve;
    });
    const loaded = h.coordinator.load(partition, 2);
    await settle();
    expect(name(await h.commit(2))).toBe('COORDINATOR_LOAD_IN_PROGRESS');
    commit();
    await loaded;
    expect(await h.committed()).toBe(1);
  });

  it('reads a bounded part of the logs in a turn, however many partitions there are', async () => {
    const log = new MemoryLog(8);
    for (let partition = 0; partition < 8; partition++) {
      for (let i = 0; i < 20; i++) {
        const builder = new RecordBatchBuilder();
        const key = encodeVersioned(offsetCommitKey, 1, { group: 'x', topic: 't', partition: i });
        builder.append(1, key, Buffer.alloc(100_000));
        await log.append(partition, builder.build());
      }
    }
    let bytes = 0;
    const read = log.read.bind(log);
    log.read = (...args) => {
      const part = read(...args) as Buffer;
      bytes += part.length;
      return part;
    };
    const h = new Harness({}, log);
    let [atTurn, most] = [0, 0];
    // Turns of the event loop take the place of time.
    h.clock.after = (delayMs, action) => {
      if (delayMs > 0) return { cancel: () => {} };
      const turn = setImmediate(() => {
        most = Math.max(most, bytes - atTurn);
        atTurn = bytes;
        action();
      });
      return { cancel: () => clearImmediate(turn) };
    };
    h.coordinator = h.create();
    const loads = Array.from({ length: 8 }, (_, p) => h.coordinator.load(p, 1));
    await Promise.all(loads);
    expect(most).toBeLessThan(1024 * 1024);
    expect(bytes).toBeGreaterThan(16_000_000);
  });
});

describe('an append of which nobody knows whether it stays', () => {
  it('has the groups read anew: what is in the log counts', async () => {
    const h = await Harness.start();
    const [m] = await h.stable();
    expect(await h.commit(1, { generation: 1, memberId: m!.memberId })).toBe(0);
    h.log.uncertainWith = ErrorCode.REQUEST_TIMED_OUT;
    const late = await h.commit(2, { generation: 1, memberId: m!.memberId });
    h.log.uncertainWith = 0;
    expect(name(late)).toBe('COORDINATOR_NOT_AVAILABLE');
    await settle();
    expect(h.coordinator.probe.uncertainAppends).toBe(1);
    expect(await h.committed()).toBe(2);
    expect(h.heartbeat(m!)).toBe(0);
    expect(await h.commit(3, { generation: 1, memberId: m!.memberId })).toBe(0);
  });

  it('shows nothing of it until it is committed', async () => {
    const h = await Harness.start();
    await h.commit(1);
    let commit = (): void => {};
    h.log.commit = new Promise((resolve) => {
      commit = resolve;
    });
    h.log.uncertainWith = ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND;
    expect(name(await h.commit(2))).toBe('COORDINATOR_NOT_AVAILABLE');
    h.log.uncertainWith = 0;
    expect(name(await h.commit(3))).toBe('COORDINATOR_LOAD_IN_PROGRESS');
    commit();
    await settle();
    expect(await h.committed()).toBe(2);
  });

  it('sends members that wait to look for the coordinator', async () => {
    const h = await Harness.start();
    const [m] = await h.stable(1, { rebalanceTimeoutMs: 20_000 });
    const joining = h.enter();
    await settle();
    h.log.uncertainWith = ErrorCode.NOT_LEADER_OR_FOLLOWER;
    const commit = h.commit(2, { generation: 1, memberId: m!.memberId });
    expect(name(await commit)).toBe('NOT_COORDINATOR');
    h.log.uncertainWith = 0;
    expect(name((await joining).errorCode)).toBe('NOT_COORDINATOR');
    await settle();
    // The generation before is what the log has.
    expect(h.describe()).toMatchObject({ groupState: 'Stable' });
    expect(h.coordinator.probe).toMatchObject({ members: 1, groupCount: 1, offsets: 1 });
  });
});

describe('leadership that comes and goes', () => {
  it('tells no offsets while it can’t be sure to lead', async () => {
    const h = await Harness.start();
    await h.commit(1);
    h.isInCharge = false;
    const groups = [{ groupId: 'g', memberId: null, memberEpoch: -1, topics: null }];
    const request = { groupId: '', topics: null, groups, requireStable: true };
    const { groups: answers } = await h.coordinator.fetchOffsets(request, context(9));
    expect(answers).toEqual([{ groupId: 'g', topics: [], errorCode: ErrorCode.NOT_COORDINATOR }]);
    h.isInCharge = true;
    expect(await h.committed()).toBe(1);
  });

  it('puts no member out while it can’t be sure to lead', async () => {
    const h = await Harness.start();
    const [member] = await h.stable();
    const nobody = { ...member!, memberId: 'of its successor' };
    const beat = heartbeatRequest({ memberId: 'another', memberEpoch: 3 });
    const verdicts = async (): Promise<string[]> => {
      const consumer = await h.coordinator.consumerHeartbeat(beat, context(1));
      const joined = await h.join({ memberId: nobody.memberId });
      const synced = await h.sync(nobody);
      const codes = [consumer, joined, synced].map(({ errorCode }) => errorCode);
      return [...codes, h.heartbeat(nobody)].map(name);
    };
    const sure = await verdicts();
    expect(sure).toEqual(['GROUP_ID_NOT_FOUND', ...Array(3).fill('UNKNOWN_MEMBER_ID')]);
    h.isInCharge = false;
    expect(await verdicts()).toEqual(Array(4).fill('NOT_COORDINATOR'));
    h.isInCharge = true;
    expect(await verdicts()).toEqual(sure);
    expect(h.heartbeat(member!)).toBe(0);
  });

  it('promises no member that it stays while it can’t be sure to lead', async () => {
    const h = await Harness.start();
    const [member] = await h.stable();
    let memberEpoch = 0;
    const beat = async (): Promise<string> => {
      const joins = {
        rebalanceTimeoutMs: 20_000,
        subscribedTopicNames: ['t'],
        topicPartitions: [],
      };
      const request = heartbeatRequest({ groupId: 'g2', memberEpoch });
      const says = memberEpoch === 0 ? { ...request, ...joins } : request;
      const response = await h.coordinator.consumerHeartbeat(says, context(1));
      if (response.errorCode === 0) ({ memberEpoch } = response);
      return name(response.errorCode);
    };
    expect([await beat(), name(h.heartbeat(member!))]).toEqual(['NONE', 'NONE']);
    h.isInCharge = false;
    // Its successor, who hears nothing of them, may be about to put them out.
    expect([await beat(), name(h.heartbeat(member!))]).toEqual(Array(2).fill('NOT_COORDINATOR'));
    h.isInCharge = true;
    expect([await beat(), name(h.heartbeat(member!))]).toEqual(['NONE', 'NONE']);
  });

  it('leaves what the newest term says, whatever order loads end in', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      const h = await Harness.start();
      const partition = h.log.partitionFor('g');
      await h.commit(1);
      const read = h.log.read.bind(h.log);
      const slow: (() => void)[] = [];
      h.log.read = async (...args) => {
        if (random.next() < 0.7) await new Promise<void>((resolve) => slow.push(resolve));
        return read(...args);
      };
      const loads: Promise<void>[] = [];
      let leads = true;
      let epoch = 1;
      for (let step = 0; step < 30; step++) {
        leads = random.next() < 0.6;
        epoch++;
        if (leads) loads.push(h.coordinator.load(partition, epoch));
        else h.coordinator.unload(partition, epoch);
        if (random.next() < 0.5) slow.splice(Math.floor(random.next() * slow.length), 1)[0]?.();
        if (random.next() < 0.5) await settle();
      }
      h.log.read = read;
      // Late news of a term that is over.
      loads.push(h.coordinator.load(partition, epoch - 1));
      if (leads) h.coordinator.unload(partition, epoch - 1);
      else h.coordinator.unload(partition, epoch);
      for (const resolve of slow) resolve();
      await settle();
      if (leads) {
        expect(await h.committed()).toBe(1);
        expect(await h.commit(2)).toBe(0);
        await Promise.all(loads);
      } else expect(name(await h.commit(2))).toBe('NOT_COORDINATOR');
      h.coordinator.stop();
      expect(h.coordinator.probe).toMatchObject({ members: 0, offsets: 0, groupCount: 0 });
    }
  });

  it('answers members of a partition that moves away', async () => {
    const h = await Harness.start({ initialRebalanceDelayMs: 3_000 });
    const join = h.enter();
    await settle();
    h.coordinator.unload(h.log.partitionFor('g'));
    expect(name((await join).errorCode)).toBe('NOT_COORDINATOR');
    await h.clock.pass(3_000);
    expect(h.log.appends).toBe(0);
  });
});

describe('finding', () => {
  it('puts groups where Java’s hash puts them', () => {
    const expected: [string, number][] = [
      ['', 0],
      ['g', 3],
      ['console-consumer-12345', 6],
      ['weir', 9],
      ['Gruppe-Ä-日本', 26],
      ['polygenelubricants', 0],
    ];
    for (const [group, partition] of expected) expect(partitionOfKey(group, 50)).toBe(partition);
  });

  const node = { nodeId: 1, host: 'h', port: 9092 };
  const request = { key: 'g', keyType: 0, coordinatorKeys: ['g', 'h'] };

  it('asks to come back while the topic is being made', () => {
    const created: string[] = [];
    const locate = (_type: number, groupId: string) => {
      created.push(groupId);
      return created.length === 1 ? undefined : node;
    };
    const first = findCoordinator(request, 3, locate);
    expect(first).toMatchObject({
      errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE,
      errorMessage: 'The coordinator is not available.',
      nodeId: -1,
      host: '',
      port: -1,
    });
    expect(findCoordinator(request, 3, locate)).toMatchObject({ errorCode: 0, ...node });
  });

  it('answers several keys from version 4 on, and knows no share groups', () => {
    const found = findCoordinator(request, 4, () => node);
    expect(found.coordinators).toEqual(
      ['g', 'h'].map((key) => ({ key, ...node, errorCode: 0, errorMessage: '' })),
    );
    const wrong = findCoordinator({ ...request, keyType: 2 }, 4, () => node);
    expect(wrong.coordinators.map((c) => c.errorCode)).toEqual([
      ErrorCode.INVALID_REQUEST,
      ErrorCode.INVALID_REQUEST,
    ]);
    const unknown = findCoordinator({ ...request, keyType: 9 }, 4, () => node);
    expect(unknown.coordinators[0]!.errorMessage).toContain('request being malformed');
  });
});

describe('timers', () => {
  it('fire in order, once, at the deadline that was set last', () => {
    const clock = new ManualClock();
    const timers = new Timers(clock);
    const fired: string[] = [];
    const make = (id: string) => new Timeout(() => fired.push(`${id}@${clock.monotonic()}`));
    const [a, b, c] = [make('a'), make('b'), make('c')];
    timers.start(a, 100);
    timers.start(b, 50);
    timers.start(c, 70);
    clock.advance(40);
    timers.start(b, 100);
    timers.start(a, 10);
    timers.stop(c);
    timers.stop(c);
    clock.advance(200);
    expect(fired).toEqual(['a@50', 'b@140']);
    expect(timers.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it('hold against a plain list, whatever is started and stopped', () => {
    const random = seededRandom(7);
    const clock = new ManualClock();
    const timers = new Timers(clock);
    const expected = new Map<number, number>();
    const timeouts = Array.from({ length: 40 }, (_, i) => {
      const timeout: Timeout = new Timeout(() => {
        expect(expected.get(i)).toBe(clock.monotonic());
        expected.delete(i);
      });
      return timeout;
    });
    for (let step = 0; step < 5_000; step++) {
      const i = Math.floor(random.next() * timeouts.length);
      const timeout = timeouts[i] as Timeout;
      if (random.next() < 0.2) {
        timers.stop(timeout);
        expected.delete(i);
      } else {
        const delay = Math.floor(random.next() * 100);
        timers.start(timeout, delay);
        expected.set(i, clock.monotonic() + delay);
      }
      if (random.next() < 0.3) clock.advance(Math.floor(random.next() * 20));
      for (const at of expected.values()) expect(at).toBeGreaterThanOrEqual(clock.monotonic());
      expect(timers.size).toBe(expected.size);
    }
  });
});

describe('member ids', () => {
  it('differ, and begin with what the client calls itself', () => {
    const random = seededRandom(1);
    const ids = new Set(Array.from({ length: 100 }, () => newMemberId(random, 'c')));
    expect(ids.size).toBe(100);
    for (const id of ids) expect(id).toMatch(/^c-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });
});
