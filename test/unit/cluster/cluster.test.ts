import { afterEach, describe, expect, it } from 'vitest';
import { TestCluster } from '../../support/cluster.ts';
import { batchOf, fetch, produce, valuesOf, WireClient } from '../broker/fixture.ts';

let cluster: TestCluster | null = null;
const clients: WireClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await cluster?.stop();
  cluster = null;
});

async function connect(to: TestCluster, id: number): Promise<WireClient> {
  const client = await WireClient.connect(to.members[id]!.port);
  clients.push(client);
  return client;
}

async function createReplicated(client: WireClient, name: string, factor: number): Promise<void> {
  const response = await client.request('CreateTopics', 7, {
    timeoutMs: 10_000,
    topics: [{ name, numPartitions: 1, replicationFactor: factor, assignments: [], configs: [] }],
  });
  expect(response.topics[0].errorMessage).toBeNull();
}

const partitionOf = (of: TestCluster, id: number, topic: string) =>
  of.broker(id).services.store.image.topic(topic)?.partitions[0];

async function leaderOf(of: TestCluster, topic: string): Promise<number> {
  let leader = -1;
  await expect
    .poll(() => {
      leader =
        of.running
          .map(({ services }) => services.partitions.get(topic, 0))
          .find((partition) => partition?.isLeader)?.leaderId ?? -1;
      return leader;
    })
    .not.toBe(-1);
  return leader;
}

describe('two brokers', () => {
  it('replicate a log that starts within a batch', async () => {
    cluster = await TestCluster.start(2);
    const client = await connect(cluster, 0);
    const assignments = [{ partitionIndex: 0, brokerIds: [0] }];
    const topic = { name: 't', numPartitions: -1, replicationFactor: -1, assignments, configs: [] };
    await client.request('CreateTopics', 7, { timeoutMs: 10_000, topics: [topic] });
    const send = async (values: string[]) =>
      (await produce(client, 't', batchOf(values))).errorCode;
    await expect.poll(() => send(['a', 'b', 'c', 'd'])).toBe(0);
    expect(await send(['e'])).toBe(0);
    const partitions = [{ partitionIndex: 0, offset: 2 }];
    await client.request('DeleteRecords', 2, {
      timeoutMs: 5000,
      topics: [{ name: 't', partitions }],
    });
    const moved = await client.request('AlterPartitionReassignments', 0, {
      timeoutMs: 5000,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, replicas: [0, 1] }] }],
    });
    expect(moved.responses[0].partitions[0].errorCode).toBe(0);
    const isr = () => partitionOf(cluster!, 0, 't')?.isr;
    await expect.poll(isr, { timeout: 10_000 }).toEqual([0, 1]);
    const held = () => cluster!.broker(1).services.partitions.get('t', 0)!.log;
    await expect.poll(() => [held().logStartOffset, held().logEndOffset]).toEqual([2, 5]);
  });
});

describe('three brokers', () => {
  it('have one controller, and every broker knows all of them', async () => {
    cluster = await TestCluster.start(3);
    expect(cluster.running.filter(({ services }) => services.store.isActive)).toHaveLength(1);
    for (const id of [0, 1, 2]) {
      const client = await connect(cluster, id);
      await expect
        .poll(async () => (await client.request('Metadata', 12, { topics: [] })).brokers.length)
        .toBe(3);
    }
  });

  it('keep what was acknowledged by all when the leader stops, and go on', async () => {
    cluster = await TestCluster.start(3, { 'min.insync.replicas': 2 });
    const any = await connect(cluster, 0);
    await createReplicated(any, 't', 3);
    const first = await leaderOf(cluster, 't');
    const before = await connect(cluster, first);
    const answer = await produce(before, 't', batchOf(['a', 'b']), { acks: -1 });
    expect(answer).toMatchObject({ errorCode: 0, baseOffset: 0 });
    await cluster.stopBroker(first);
    const second = await leaderOf(cluster, 't');
    expect(second).not.toBe(first);
    const after = await connect(cluster, second);
    expect(await produce(after, 't', batchOf(['c']), { acks: -1 })).toMatchObject({
      errorCode: 0,
      baseOffset: 2,
    });
    await cluster.startBroker(first);
    await expect
      .poll(() => (partitionOf(cluster!, second, 't')?.isr ?? []).toSorted((a, b) => a - b))
      .toEqual([0, 1, 2]);
    const read = await fetch(after, 't', 0);
    expect(valuesOf(read.records)).toEqual(['a', 'b', 'c']);
    for (const { services } of cluster.running) {
      expect(services.partitions.get('t', 0)?.log.logEndOffset).toBe(3);
    }
  });

  it('elect another controller when it stops, which decides at once', async () => {
    cluster = await TestCluster.start(3);
    const first = cluster.controllerId;
    await cluster.stopBroker(first);
    await expect.poll(() => cluster!.controllerId).not.toBe(-1);
    const client = await connect(cluster, (first + 1) % 3);
    await createReplicated(client, 'after', 2);
    await cluster.startBroker(first);
    await expect.poll(() => partitionOf(cluster!, first, 'after')?.replicas.length).toBe(2);
  });

  it('stay what they are when connections are closed that were not used for a while', async () => {
    cluster = await TestCluster.start(3, {
      'connections.max.idle.ms': 100,
      'broker.session.disconnect.grace.ms': 150,
      'broker.heartbeat.interval.ms': 1_000,
    });
    const { connectionStats } = cluster.broker(cluster.controllerId).services;
    const idle = () => connectionStats.closedByReason.get('idle') ?? 0;
    const before = idle();
    await expect.poll(idle, { timeout: 20_000 }).toBeGreaterThan(before + 10);
    const said = cluster.logged.map(({ message }) => message);
    expect(said).not.toContain('a broker is not heard of any more and is taken out');
  });

  it('refuse acks=all below min.insync.replicas, and take it again when a replica is back', async () => {
    cluster = await TestCluster.start(3, { 'min.insync.replicas': 2 });
    await createReplicated(await connect(cluster, 0), 't', 2);
    const leader = await leaderOf(cluster, 't');
    const other = partitionOf(cluster, leader, 't')!.replicas.find((id) => id !== leader)!;
    await cluster.stopBroker(other);
    const client = await connect(cluster, leader);
    await expect
      .poll(async () => (await produce(client, 't', batchOf(['x']), { acks: -1 })).errorCode)
      .toBe(19);
    expect((await produce(client, 't', batchOf(['y']), { acks: 1 })).errorCode).toBe(0);
    await cluster.startBroker(other);
    await expect
      .poll(async () => (await produce(client, 't', batchOf(['z']), { acks: -1 })).errorCode)
      .toBe(0);
  });
});
