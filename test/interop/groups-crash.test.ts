/** What the coordinator has answered survives SIGKILL: offsets, generations, assignments. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WeirProcess } from '../support/weir-process.ts';
import { createTopic, WireClient } from '../unit/broker/fixture.ts';
import { subscription } from '../unit/coordinator/harness.ts';

const ROUNDS = 3;
const GROUPS = 6;

describe('a killed broker', () => {
  let weir: WeirProcess;

  beforeAll(async () => {
    weir = await WeirProcess.start({ roles: 'broker' });
    const client = await WireClient.connect(weir.port);
    await createTopic(client, 't', 1);
    await client.close();
  });
  afterAll(() => weir?.stop());

  const commit = (client: WireClient, groupId: string, committedOffset: number) =>
    client.tryRequest('OffsetCommit', 8, {
      groupId,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset }] }],
    });

  const committed = async (client: WireClient, groupId: string): Promise<number> => {
    const topics = [{ name: 't', partitionIndexes: [0] }];
    const answer = await client.request('OffsetFetch', 7, { groupId, topics });
    return answer.topics[0].partitions[0].committedOffset;
  };

  it('makes its offsets topic before', async () => {
    const client = await WireClient.connect(weir.port);
    await expect
      .poll(async () => (await client.request('FindCoordinator', 1, { key: 'g' })).errorCode)
      .toBe(0);
    await client.close();
  });

  it('has every offset whose commit was answered', async () => {
    const acknowledged = new Map<string, number>();
    const tried = new Map<string, number>();
    for (let round = 0; round < ROUNDS; round++) {
      const writers = Array.from({ length: GROUPS }, async (_, i) => {
        const groupId = `crash-${i}`;
        const client = await WireClient.connect(weir.port);
        for (let offset = (tried.get(groupId) ?? 0) + 1; ; offset++) {
          tried.set(groupId, offset);
          const answer = await commit(client, groupId, offset);
          if (answer === null) break;
          expect(answer.topics[0].partitions[0].errorCode).toBe(0);
          acknowledged.set(groupId, offset);
        }
      });
      await new Promise((resolve) => setTimeout(resolve, 300 + 200 * round));
      await weir.kill();
      await Promise.all(writers);
      await weir.restart();
      const client = await WireClient.connect(weir.port);
      expect(acknowledged.size).toBe(GROUPS);
      for (const [groupId, offset] of acknowledged) {
        const found = await committed(client, groupId);
        expect(found).toBeGreaterThanOrEqual(offset);
        expect(found).toBeLessThanOrEqual(tried.get(groupId) as number);
      }
      await client.close();
    }
  });

  it('knows its members, who go on without a rebalance', async () => {
    const join = {
      groupId: 'members',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 30_000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription('t') }],
    };
    const before = await WireClient.connect(weir.port);
    const { memberId } = await before.request('JoinGroup', 3, join);
    const member = { groupId: 'members', memberId, generationId: 1 };
    const assignment = Buffer.from('assigned');
    const assignments = [{ memberId, assignment }];
    const synced = await before.request('SyncGroup', 3, { ...member, assignments });
    expect(synced.errorCode).toBe(0);
    await weir.kill();
    await before.closed;
    await weir.restart();
    const after = await WireClient.connect(weir.port);
    expect((await after.request('Heartbeat', 3, member)).errorCode).toBe(0);
    const again = await after.request('SyncGroup', 3, member);
    expect(again).toMatchObject({ errorCode: 0, assignment });
    await after.close();
  });

  it('knows members of consumer groups, who go on in their epochs, in the middle of a rebalance', async () => {
    const beat = (client: WireClient, memberId: string, memberEpoch: number, more: object = {}) =>
      client.request('ConsumerGroupHeartbeat', 1, {
        groupId: 'consumers',
        memberId,
        memberEpoch,
        ...more,
      });
    const joining = {
      rebalanceTimeoutMs: 60_000,
      subscribedTopicNames: ['t'],
      topicPartitions: [],
    };
    const describeGroup = async (client: WireClient) => {
      const request = { groupIds: ['consumers'] };
      const answer = await client.request('ConsumerGroupDescribe', 1, request);
      const { members, ...group } = answer.groups[0];
      const byId = (m: { memberId: string }, n: { memberId: string }): number =>
        m.memberId < n.memberId ? -1 : 1;
      return { ...group, members: members.sort(byId) };
    };
    let client = await WireClient.connect(weir.port);
    const first = await beat(client, 'a', 0, joining);
    expect(first.errorCode).toBe(0);
    for (const memberId of ['b', 'c', 'd']) {
      expect((await beat(client, memberId, 0, joining)).errorCode).toBe(0);
      const before = await describeGroup(client);
      await weir.kill();
      await client.closed;
      await weir.restart();
      client = await WireClient.connect(weir.port);
      expect(await describeGroup(client)).toEqual(before);
      for (const member of before.members) {
        const answer = await beat(client, member.memberId, member.memberEpoch);
        expect(answer.errorCode).toBe(0);
      }
    }
    await client.close();
  });
});
