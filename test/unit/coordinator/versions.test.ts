/** Every version of the group APIs, over a socket: what is answered can be written and read. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTopic, type RunningBroker, startBroker, WireClient } from '../broker/fixture.ts';
import { subscription } from './harness.ts';

const UNKNOWN_MEMBER_ID = 25;
const MEMBER_ID_REQUIRED = 79;
const COORDINATOR_NOT_AVAILABLE = 15;

let running: RunningBroker;
let client: WireClient;
let topicId: string;
beforeAll(async () => {
  running = await startBroker({ 'group.initial.rebalance.delay.ms': 0 });
  client = await WireClient.connect(running.port);
  topicId = await createTopic(client, 't', 1);
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

const versions = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('FindCoordinator', () => {
  it('has the offsets topic made by its first question', async () => {
    const first = await client.request('FindCoordinator', 4, { coordinatorKeys: ['g'] });
    expect(first.coordinators[0].errorCode).toBe(COORDINATOR_NOT_AVAILABLE);
    await expect
      .poll(async () => (await client.request('FindCoordinator', 1, { key: 'g' })).errorCode)
      .toBe(0);
    const metadata = await client.request('Metadata', 9, {
      topics: [{ name: '__consumer_offsets' }],
    });
    expect(metadata.topics[0]).toMatchObject({ errorCode: 0, isInternal: true });
    expect(metadata.topics[0].partitions).toHaveLength(50);
  });

  it.each(versions(0, 6))('answers version %i with this broker', async (version) => {
    const answer = await client.request(
      'FindCoordinator',
      version,
      version < 4 ? { key: 'g' } : { coordinatorKeys: ['g'] },
    );
    const found = version < 4 ? answer : answer.coordinators[0];
    expect(found).toMatchObject({ errorCode: 0, host: '127.0.0.1', port: running.port });
  });
});

describe('membership', () => {
  it.each(versions(0, 9))('goes its whole way with JoinGroup version %i', async (version) => {
    const groupId = `join-${version}`;
    const join = {
      groupId,
      sessionTimeoutMs: 10_000,
      ...(version > 0 ? { rebalanceTimeoutMs: 10_000 } : {}),
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription('t') }],
    };
    let joined = await client.request('JoinGroup', version, join);
    if (version >= 4) {
      expect(joined.errorCode).toBe(MEMBER_ID_REQUIRED);
      joined = await client.request('JoinGroup', version, { ...join, memberId: joined.memberId });
    }
    expect(joined).toMatchObject({ errorCode: 0, generationId: 1, protocolName: 'range' });
    expect(joined.leader).toBe(joined.memberId);
    const { memberId } = joined;
    const member = { groupId, memberId, generationId: 1 };
    const syncVersion = Math.min(version, 5);
    const assignment = Buffer.from('assigned');
    const synced = await client.request('SyncGroup', syncVersion, {
      ...member,
      ...(syncVersion === 5 ? { protocolType: 'consumer', protocolName: 'range' } : {}),
      assignments: [{ memberId, assignment }],
    });
    expect(synced).toMatchObject({ errorCode: 0, assignment });
    const beatVersion = Math.min(version, 4);
    expect((await client.request('Heartbeat', beatVersion, member)).errorCode).toBe(0);
    const describeVersion = Math.min(version, 6);
    const { groups } = await client.request('DescribeGroups', describeVersion, {
      groups: [groupId],
    });
    expect(groups[0]).toMatchObject({ groupState: 'Stable', protocolData: 'range' });
    expect(groups[0].members[0]).toMatchObject({ memberId, clientHost: '/127.0.0.1' });
    const leaveVersion = Math.min(version, 5);
    const who = leaveVersion < 3 ? { memberId } : { members: [{ memberId }] };
    const left = await client.request('LeaveGroup', leaveVersion, { groupId, ...who });
    expect(left.errorCode).toBe(0);
    const again = await client.request('LeaveGroup', leaveVersion, { groupId, ...who });
    const outcome = leaveVersion < 3 ? again : again.members[0];
    expect(outcome.errorCode).toBe(UNKNOWN_MEMBER_ID);
  });

  it.each(versions(0, 9))('refuses with JoinGroup version %i', async (version) => {
    const refused = await client.request('JoinGroup', version, {
      groupId: 'none',
      sessionTimeoutMs: 10_000,
      memberId: 'nobody',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription('t') }],
    });
    expect(refused.errorCode).toBe(UNKNOWN_MEMBER_ID);
    expect(refused.protocolName).toBe(version >= 7 ? null : '');
  });
});

describe('offsets', () => {
  it.each(versions(2, 10))('are committed with version %i', async (version) => {
    const topic = version >= 10 ? { topicId } : { name: 't' };
    const answer = await client.request('OffsetCommit', version, {
      groupId: `commit-${version}`,
      topics: [
        {
          ...topic,
          partitions: [
            { partitionIndex: 0, committedOffset: version, committedMetadata: 'text' },
            { partitionIndex: 7, committedOffset: version, committedMetadata: null },
          ],
        },
      ],
    });
    expect(answer.topics).toHaveLength(1);
    expect(answer.topics[0].partitions).toEqual([
      { partitionIndex: 0, errorCode: 0 },
      { partitionIndex: 7, errorCode: 3 },
    ]);
  });

  it.each(versions(1, 10))('are fetched with version %i', async (version) => {
    const groupId = 'commit-10';
    const ask = (all: boolean) => {
      const named = [version >= 10 ? { topicId } : { name: 't' }];
      const topics = all ? null : named.map((t) => ({ ...t, partitionIndexes: [0] }));
      return version >= 8 ? { groups: [{ groupId, topics }] } : { groupId, topics };
    };
    for (const all of version === 1 ? [false] : [false, true]) {
      const answer = await client.request('OffsetFetch', version, ask(all));
      const group = version >= 8 ? answer.groups[0] : answer;
      expect(group.errorCode).toBe(0);
      expect(group.topics[0].partitions[0]).toMatchObject({
        partitionIndex: 0,
        committedOffset: 10,
        metadata: 'text',
        errorCode: 0,
      });
    }
  });

  it('are deleted, and so are groups, in every version', async () => {
    const deleted = await client.request('OffsetDelete', 0, {
      groupId: 'commit-2',
      topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }],
    });
    expect(deleted.topics[0].partitions[0].errorCode).toBe(0);
    for (const version of versions(0, 2)) {
      const groupsNames = [`commit-${3 + version}`, 'none'];
      const { results } = await client.request('DeleteGroups', version, { groupsNames });
      expect(results.map((r: any) => r.errorCode)).toEqual([0, 69]);
    }
  });
});

describe('ListGroups', () => {
  it.each(versions(0, 5))('answers version %i', async (version) => {
    const filter = version >= 4 ? { statesFilter: ['Empty'] } : {};
    const { errorCode, groups } = await client.request('ListGroups', version, filter);
    expect(errorCode).toBe(0);
    const names = groups.map((g: any) => g.groupId);
    expect(names).toContain('commit-10');
    expect(names).not.toContain('commit-3');
  });
});
