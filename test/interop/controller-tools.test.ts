/** Apache Kafka's tools for replicas, leaders and brokers, on three brokers of ours. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { kafkaTool } from '../peers/kafka.ts';
import { TestCluster } from '../support/cluster.ts';
import { batchOf, produce, WireClient } from '../unit/broker/fixture.ts';

const TOPICS = 'org.apache.kafka.tools.TopicCommand';
const ELECTION = 'org.apache.kafka.tools.LeaderElectionCommand';
const REASSIGN = 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand';
const CONFIGS = 'kafka.admin.ConfigCommand';
const CLUSTER = 'org.apache.kafka.tools.ClusterTool';

describeWithPeers(['kafka'], 'Kafka’s tools of the controller', () => {
  let cluster: TestCluster;
  let folder: string;
  beforeAll(async () => {
    cluster = await TestCluster.start(3);
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-controller-tools-'));
  });
  afterAll(async () => {
    await cluster.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const bootstrap = (): string =>
    cluster.members
      .filter(({ broker }) => broker !== null)
      .map(({ port }) => `127.0.0.1:${port}`)
      .join(',');
  const admin = async (tool: string, ...args: string[]): Promise<string> => {
    const all = ['--bootstrap-server', bootstrap(), ...args];
    const { code, stdout, stderr } = await kafkaTool(tool, all, { timeoutMs: 120_000 });
    expect(code === 0 ? '' : `${stdout}\n${stderr}`).toBe('');
    return stdout;
  };
  const partition = (topic: string) =>
    cluster.running[0]?.services.store.image.topic(topic)?.partitions[0];
  const create = (topic: string, assignment: string): Promise<string> =>
    admin(TOPICS, '--create', '--topic', topic, '--replica-assignment', assignment);
  const plan = (topic: string, replicas: readonly number[]): string => {
    const file = path.join(folder, `${topic}.json`);
    const partitions = [{ topic, partition: 0, replicas, log_dirs: replicas.map(() => 'any') }];
    fs.writeFileSync(file, JSON.stringify({ version: 1, partitions }));
    return file;
  };

  it('LeaderElectionCommand gives leadership back to the preferred replica', async () => {
    await create('elected', '1:0:2');
    await cluster.stopBroker(1);
    await expect.poll(() => partition('elected')?.leader, { timeout: 10_000 }).not.toBe(1);
    await cluster.startBroker(1);
    await expect.poll(() => partition('elected')?.isr, { timeout: 20_000 }).toHaveLength(3);
    const all = ['--election-type', 'preferred', '--all-topic-partitions'];
    expect(await admin(ELECTION, ...all)).toContain('Successfully completed leader election');
    expect(partition('elected')?.leader).toBe(1);
    const one = ['--election-type', 'preferred', '--topic', 'elected', '--partition', '0'];
    expect(await admin(ELECTION, ...one)).toContain('Valid replica already elected');
  });

  it('ReassignPartitionsCommand moves replicas, under a throttle, and takes that off', async () => {
    await create('moved', '0:1');
    const file = plan('moved', [2, 0]);
    const begun = await admin(
      REASSIGN,
      '--execute',
      '--reassignment-json-file',
      file,
      '--throttle',
      '1000000',
    );
    expect(begun).toContain('Successfully started partition reassignment for moved-0');
    await expect.poll(() => partition('moved')?.replicas, { timeout: 20_000 }).toEqual([2, 0]);
    expect(await admin(REASSIGN, '--list')).toContain('No partition reassignments found.');
    const verified = await admin(REASSIGN, '--verify', '--reassignment-json-file', file);
    expect(verified).toContain('Reassignment of partition moved-0 is completed.');
    const described = await admin(CONFIGS, '--describe', '--entity-type', 'topics', '--all');
    expect(described).not.toMatch(/throttled\.replicas=[0-9]/);
  });

  it('ReassignPartitionsCommand takes a reassignment back', async () => {
    await create('kept', '0:1');
    const client = await WireClient.connect(cluster.members[0]!.port);
    for (let i = 0; i < 80; i++) await produce(client, 'kept', batchOf(['x'.repeat(50_000)]));
    await client.close();
    const file = plan('kept', [2, 0]);
    const slowly = ['--throttle', '1000', '--reassignment-json-file', file];
    await admin(REASSIGN, '--execute', ...slowly);
    expect(await admin(REASSIGN, '--list')).toContain('kept-0: replicas: 2,0,1. adding: 2.');
    const cancelled = await admin(REASSIGN, '--cancel', '--reassignment-json-file', file);
    expect(cancelled).toContain('Successfully cancelled partition reassignment for: kept-0');
    expect(partition('kept')?.replicas).toEqual([0, 1]);
  });

  it('ConfigCommand changes the settings of a broker through any other', async () => {
    const of2 = ['--entity-type', 'brokers', '--entity-name', '2'];
    const change = ['--alter', '--add-config', 'log.retention.ms=7200000'];
    expect(await admin(CONFIGS, ...of2, ...change)).toContain('Completed updating config');
    expect(await admin(CONFIGS, ...of2, '--describe')).toContain('log.retention.ms=7200000');
    const of0 = ['--entity-type', 'brokers', '--entity-name', '0', '--describe'];
    expect(await admin(CONFIGS, ...of0)).not.toContain('7200000');
  });

  it('ClusterTool forgets a broker that is gone', async () => {
    await cluster.stopBroker(2);
    const { code, stdout } = await kafkaTool(
      CLUSTER,
      ['unregister', '--bootstrap-server', bootstrap(), '--id', '2'],
      { timeoutMs: 60_000 },
    );
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining('Broker 2 is no longer registered'),
    ]);
    await expect.poll(() => cluster.running[0]?.services.store.image.brokers.has(2)).toBe(false);
    await cluster.startBroker(2);
    expect(partition('elected')?.replicas).toContain(2);
  });
});
