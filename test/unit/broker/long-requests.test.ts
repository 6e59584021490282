/** Requests that name very many things: their cost must grow with their length, not with its square. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ZERO_UUID } from '../../../src/base/bytes.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { type Loose, type RunningBroker, startBroker, WireClient } from './fixture.ts';

const ITEMS = 50_000;
/** Many times what it takes; each with each takes many times this. */
const MS_MAX = 3_000;

const many = <T>(item: (i: number) => T): T[] => Array.from({ length: ITEMS }, (_, i) => item(i));

let running: RunningBroker;
let client: WireClient;

beforeAll(async () => {
  running = await startBroker({
    'authorizer.class.name': 'StandardAuthorizer',
    'allow.everyone.if.no.acl.found': true,
  });
  client = await WireClient.connect(running.port);
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

const coordinatorFound = (groupId: string): Promise<void> =>
  expect
    .poll(async () => {
      const asked = { keyType: 0, coordinatorKeys: [groupId] };
      const found = await client.request('FindCoordinator', 4, asked);
      return found.coordinators[0].errorCode;
    })
    .toBe(ErrorCode.NONE);

async function timed(name: string, version: number, body: Loose): Promise<any> {
  const bytes = client.encode(name, version, body);
  const beganMs = performance.now();
  const answer = await client.tryFrame(name, version, bytes);
  expect(performance.now() - beganMs).toBeLessThan(MS_MAX);
  return answer;
}

describe('a request with very many items is answered in time', () => {
  it('ListOffsets, of one topic named again and again', async () => {
    const partitions = (i: number) => [{ partitionIndex: i, timestamp: -1 }];
    const topics = many((i) => ({ name: 'absent', partitions: partitions(i) }));
    const answer = await timed('ListOffsets', 7, { replicaId: -1, topics });
    expect(answer.topics).toHaveLength(1);
    expect(answer.topics[0].partitions).toHaveLength(ITEMS);
  });

  it('CreateTopics', async () => {
    const common = { numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    const topics = many((i) => ({ name: `!${i}`, ...common }));
    const answer = await timed('CreateTopics', 7, { topics, timeoutMs: 30_000 });
    expect(answer.topics).toHaveLength(ITEMS);
  });

  const names = many((i) => ({ name: `absent-${i}`, topicId: ZERO_UUID }));
  const ids = many((i) => ({
    name: null,
    topicId: Buffer.alloc(16, `${i + 1}.`).toString('base64url'),
  }));
  it.each<[string, Loose[]]>([
    ['names', names],
    ['ids', ids],
  ])('DeleteTopics, by %s', async (_, topics) => {
    const answer = await timed('DeleteTopics', 6, { topics, timeoutMs: 30_000 });
    expect(answer.responses).toHaveLength(ITEMS);
  });

  it('CreatePartitions', async () => {
    const topics = many((i) => ({ name: `absent-${i}`, count: 2, assignments: null }));
    const answer = await timed('CreatePartitions', 3, { topics, timeoutMs: 30_000 });
    expect(answer.results).toHaveLength(ITEMS);
  });

  it('DescribeUserScramCredentials', async () => {
    const users = many((i) => ({ name: `nobody-${i}` }));
    const answer = await timed('DescribeUserScramCredentials', 0, { users });
    expect(answer.results).toHaveLength(ITEMS);
  });

  it('AlterClientQuotas, of one entity', async () => {
    const ops = many((i) => ({ key: `unknown-${i}`, value: 1, remove: false }));
    const entries = [{ entity: [{ entityType: 'user', entityName: 'u' }], ops }];
    const answer = await timed('AlterClientQuotas', 1, { entries, validateOnly: false });
    expect(answer.entries[0].errorCode).toBe(ErrorCode.INVALID_REQUEST);
  });

  it('OffsetCommit, of one topic named again and again', async () => {
    const partition = { committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: null };
    const topics = many((i) => ({
      name: 'absent',
      partitions: [{ partitionIndex: i, ...partition }],
    }));
    const answer = await timed('OffsetCommit', 8, { groupId: 'g', topics });
    expect(answer.topics).toHaveLength(1);
    expect(answer.topics[0].partitions).toHaveLength(ITEMS);
  });

  it('OffsetFetch and OffsetCommit, of what the client may not read', async () => {
    const acl = { resourceType: 2, resourceName: 'denied', resourcePatternType: 3 };
    const rule = { principal: 'User:*', host: '*', operation: 2, permissionType: 2 };
    const made = await client.request('CreateAcls', 3, { creations: [{ ...acl, ...rule }] });
    expect(made.results[0].errorCode).toBe(ErrorCode.NONE);
    await coordinatorFound('g');
    const topics = many(() => ({ name: 'denied', partitionIndexes: [0] }));
    const fetched = await timed('OffsetFetch', 7, { groupId: 'g', topics });
    expect(fetched.topics).toHaveLength(ITEMS);
    const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }];
    const committed = await timed('OffsetCommit', 8, {
      groupId: 'g',
      topics: many(() => ({ name: 'denied', partitions })),
    });
    expect(committed.topics).toHaveLength(ITEMS);
  });

  it('ConsumerGroupHeartbeat, of a member that says what it holds in many pieces', async () => {
    const common = { groupId: 'pieces', instanceId: null, rackId: null, serverAssignor: null };
    await coordinatorFound('pieces');
    const joined = await client.request('ConsumerGroupHeartbeat', 0, {
      ...common,
      ...{ memberId: '', memberEpoch: 0, rebalanceTimeoutMs: 30_000 },
      ...{ subscribedTopicNames: ['absent'], topicPartitions: [] },
    });
    expect(joined.errorCode).toBe(ErrorCode.NONE);
    const topicId = Buffer.alloc(16, 1).toString('base64url');
    const { memberId, memberEpoch } = joined;
    const answer = await timed('ConsumerGroupHeartbeat', 0, {
      ...common,
      ...{ memberId, memberEpoch, rebalanceTimeoutMs: -1, subscribedTopicNames: null },
      topicPartitions: many((i) => ({ topicId, partitions: [i] })),
    });
    expect(answer.errorCode).toBe(ErrorCode.NONE);
  });
});
