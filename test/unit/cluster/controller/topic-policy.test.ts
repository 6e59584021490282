import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { startBroker, WireClient } from '../../broker/fixture.ts';

async function withPolicy(
  given: Record<string, number>,
  use: (client: WireClient) => Promise<void>,
): Promise<void> {
  const running = await startBroker({ 'offsets.topic.num.partitions': 20, ...given });
  const client = await WireClient.connect(running.port);
  try {
    await use(client);
  } finally {
    await client.close();
    await running.stop();
  }
}

const create = async (
  client: WireClient,
  numPartitions: number,
  more: object = {},
): Promise<[number, string | null]> => {
  const topic = { name: `t${numPartitions}`, numPartitions, replicationFactor: 1, ...more };
  const answer = await client.request('CreateTopics', 7, {
    topics: [{ assignments: [], configs: [], ...topic }],
  });
  return [answer.topics[0].errorCode, answer.topics[0].errorMessage];
};

describe('the policy of topics', () => {
  it('bounds the partitions of new topics, and of those that grow', () =>
    withPolicy(
      { 'topic.policy.partitions.min': 2, 'topic.policy.partitions.max': 4 },
      async (client) => {
        expect(await create(client, 1)).toEqual([
          ErrorCode.POLICY_VIOLATION,
          "Topic 't1' would have 1 partitions; at least 2 are allowed (topic.policy.partitions.min).",
        ]);
        expect((await create(client, 5))[0]).toBe(ErrorCode.POLICY_VIOLATION);
        expect((await create(client, 2))[0]).toBe(0);
        const grow = async (count: number) => {
          const answer = await client.request('CreatePartitions', 3, {
            topics: [{ name: 't2', count, assignments: null }],
          });
          return answer.results[0].errorCode;
        };
        expect(await grow(5)).toBe(ErrorCode.POLICY_VIOLATION);
        expect(await grow(4)).toBe(0);
      },
    ));

  it('bounds the replicas, also of an assignment by hand', () =>
    withPolicy({ 'topic.policy.replication.factor.min': 2 }, async (client) => {
      expect(await create(client, 1)).toEqual([
        ErrorCode.POLICY_VIOLATION,
        "Topic 't1' would have 1 replicas; at least 2 are allowed (topic.policy.replication.factor.min).",
      ]);
      const byHand = {
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [0] }],
      };
      expect((await create(client, -1, byHand))[0]).toBe(ErrorCode.POLICY_VIOLATION);
    }));

  it('comes after every rule of Kafka’s own', () =>
    withPolicy({ 'topic.policy.partitions.min': 2 }, async (client) => {
      const configs = [{ name: 'nonsense', value: 'x' }];
      expect((await create(client, 1, { configs }))[0]).toBe(ErrorCode.INVALID_CONFIG);
      expect((await create(client, 1, { replicationFactor: 9 }))[0]).toBe(
        ErrorCode.INVALID_REPLICATION_FACTOR,
      );
    }));

  it('changes at once, and leaves the brokers’ own topics alone', () =>
    withPolicy({ 'topic.policy.partitions.max': 3 }, async (client) => {
      const find = () => client.request('FindCoordinator', 3, { key: 'g', keyType: 0 });
      await expect.poll(async () => (await find()).errorCode).toBe(0);
      expect((await create(client, 4))[0]).toBe(ErrorCode.POLICY_VIOLATION);
      const name = 'topic.policy.partitions.max';
      await client.request('IncrementalAlterConfigs', 1, {
        resources: [
          {
            resourceType: 4,
            resourceName: '',
            configs: [{ name, configOperation: 0, value: '4' }],
          },
        ],
      });
      expect((await create(client, 4))[0]).toBe(0);
    }));
});
