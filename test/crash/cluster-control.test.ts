/**
 * Shows that the power of our disks really goes: what was acknowledged from the page cache is lost
 * with it, what was acknowledged from the device is not. Were nothing lost, tests that find nothing
 * lost would prove nothing.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { Producer } from '../../src/client/producer.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { ClusterProcesses, eventually } from '../support/cluster-processes.ts';

const RECORDS = 2_000;

describeWithPeers(['loop'], 'the power of disks', () => {
  let cluster: ClusterProcesses;
  let client: Client;
  let admin: Admin;

  beforeAll(async () => {
    const settings = { 'min.insync.replicas': '1', 'offsets.topic.num.partitions': '3' };
    cluster = await ClusterProcesses.start({ volumes: ['ext4', 'xfs', 'xfs'], settings });
    client = new Client({ bootstrap: cluster.bootstrap, clientId: 'control' });
    admin = new Admin(client);
  });
  afterAll(async () => {
    client?.close();
    await cluster?.stop();
  });

  /** Creates the topic, and has that many records acknowledged. */
  const produce = async (topic: string, replicas: number, acks: 1 | -1): Promise<void> => {
    const wanted = { name: topic, partitions: 3, replicationFactor: replicas };
    const [created] = await admin.createTopics([wanted]);
    expect(created?.error).toBeNull();
    const producer = new Producer(client, { acks, lingerMs: 1 });
    for (let i = 0; i < RECORDS; i++) {
      producer.append(topic, Buffer.from(`record ${i}`), { partition: i % 3 });
      if (i % 100 === 0) await producer.flush();
    }
    await producer.flush();
    expect(producer.counters.delivered).toBe(RECORDS);
    await producer.close();
  };

  const records = async (topic: string): Promise<number> => {
    const partitions = [0, 1, 2].map((partition) => ({ topic, partition }));
    const ends = await admin.listOffsets(partitions, 'latest');
    return ends.reduce((sum, { offset }) => sum + offset, 0);
  };

  const cutAll = async (): Promise<void> => {
    for (const { volume } of cluster.brokers) volume!.cutPower();
    for (const broker of cluster.brokers) await broker.kill();
    for (const { volume } of cluster.brokers) volume!.remount();
    await Promise.all(cluster.brokers.map((broker) => broker.restart()));
    await cluster.complete();
    await eventually('every partition has a leader', async () => {
      const topics = await admin.listTopics();
      return topics.every((topic) => topic.partitions.every((p) => p.leader >= 0));
    });
  };

  test('takes records that one leader acknowledged from its page cache (acks=1)', async () => {
    await produce('one-cached', 1, 1);
    await cutAll();
    expect(await records('one-cached')).toBeLessThan(RECORDS);
  });

  test('leaves records that one leader acknowledged from its device (acks=all)', async () => {
    await produce('one-synced', 1, -1);
    await cutAll();
    expect(await records('one-synced')).toBe(RECORDS);
  });

  test('leaves what all replicas acknowledged from their devices, when it goes everywhere', async () => {
    await produce('three-synced', 3, -1);
    await cutAll();
    expect(await records('three-synced')).toBe(RECORDS);
  });

  test('takes what all replicas had in their page caches, when it goes everywhere', async () => {
    await admin.alterConfigs('broker', '', { 'log.flush.on.acks.all': 'false' });
    await produce('three-cached', 3, -1);
    await cutAll();
    expect(await records('three-cached')).toBeLessThan(RECORDS);
    await admin.alterConfigs('broker', '', { 'log.flush.on.acks.all': null });
  });
});
