import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { TestCluster } from '../../support/cluster.ts';
import { WireClient } from '../broker/fixture.ts';

/** Requests that the controller decides, of clients that are connected to any broker. */
describe('a request for the controller', () => {
  let cluster: TestCluster;
  const clients: WireClient[] = [];
  beforeAll(async () => {
    cluster = await TestCluster.start(3, { 'auto.leader.rebalance.enable': false });
    for (const { port } of cluster.members) clients.push(await WireClient.connect(port));
  });
  afterAll(async () => {
    for (const client of clients) await client.close();
    await cluster.stop();
  });

  const partition = (topic: string, id = cluster.controllerId) =>
    cluster.broker(id).services.store.image.topic(topic)?.partitions[0];
  const create = async (client: WireClient, name: string, brokerIds: number[]): Promise<number> => {
    const answer = await client.request('CreateTopics', 7, {
      timeoutMs: 10_000,
      topics: [
        {
          name,
          numPartitions: -1,
          replicationFactor: -1,
          assignments: [{ partitionIndex: 0, brokerIds }],
          configs: [],
        },
      ],
    });
    return answer.topics[0].errorCode;
  };

  it.each([0, 1, 2])('is answered by way of broker %i', async (id) => {
    const client = clients[id]!;
    const name = `by-${id}`;
    expect(await create(client, name, [0, 1])).toBe(ErrorCode.NONE);
    await client.request('IncrementalAlterConfigs', 1, {
      resources: [
        {
          resourceType: 2,
          resourceName: name,
          configs: [{ name: 'retention.ms', configOperation: 0, value: '1234567' }],
        },
      ],
    });
    const { image } = cluster.broker(cluster.controllerId).services.store;
    expect(image.settings(2, name).get('retention.ms')).toBe('1234567');
    const moved = await client.request('AlterPartitionReassignments', 1, {
      timeoutMs: 10_000,
      topics: [{ name, partitions: [{ partitionIndex: 0, replicas: [1, 0] }] }],
    });
    expect(moved.responses[0].partitions[0].errorCode).toBe(0);
    expect(partition(name)?.replicas).toEqual([1, 0]);
    const listed = await client.request('ListPartitionReassignments', 0, { topics: null });
    expect(listed).toMatchObject({ errorCode: 0, topics: [] });
    const elected = await client.request('ElectLeaders', 2, {
      timeoutMs: 10_000,
      topicPartitions: [{ topic: name, partitions: [0] }],
    });
    expect(elected.replicaElectionResults[0].partitionResult[0]).toMatchObject({
      errorCode: 0,
      errorMessage: null,
    });
    expect(partition(name)?.leader).toBe(1);
    const grown = await client.request('CreatePartitions', 3, {
      timeoutMs: 10_000,
      topics: [{ name, count: 3, assignments: null }],
    });
    expect(grown.results[0].errorCode).toBe(0);
    const deleted = await client.request('DeleteTopics', 6, {
      timeoutMs: 10_000,
      topics: [{ name }],
    });
    expect(deleted.responses[0]).toMatchObject({ name, errorCode: 0 });
    expect(partition(name)).toBeUndefined();
  });

  it.each([0, 1, 2])('is refused by way of broker %i as by the controller', async (id) => {
    const client = clients[id]!;
    const none = await client.request('UnregisterBroker', 0, { brokerId: 77 });
    expect(none).toMatchObject({
      errorCode: ErrorCode.BROKER_ID_NOT_REGISTERED,
      errorMessage: 'Broker ID 77 is not currently registered',
    });
    const elected = await client.request('ElectLeaders', 2, {
      electionType: 7,
      topicPartitions: null,
    });
    expect(elected.errorCode).toBe(ErrorCode.INVALID_REQUEST);
  });

  it('waits for the next controller when this one goes', async () => {
    const old = cluster.controllerId;
    const other = (old + 1) % 3;
    const answers = Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const code = await create(clients[other]!, `meanwhile-${i}`, [other]);
        // The old controller may have made it, without being able to say so.
        expect([ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS]).toContain(code);
      }),
    );
    await cluster.stopBroker(old);
    await answers;
    expect(cluster.controllerId).not.toBe(old);
    for (let i = 0; i < 20; i++) expect(partition(`meanwhile-${i}`)?.leader).toBe(other);
    await clients[old]!.close();
    await cluster.startBroker(old);
    clients[old] = await WireClient.connect(cluster.members[old]!.port);
  });
});
