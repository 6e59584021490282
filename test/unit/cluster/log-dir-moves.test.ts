import { afterEach, expect, it } from 'vitest';
import { TestCluster } from '../../support/cluster.ts';
import { readNumbers, SteadyProducer } from '../../support/steady-producer.ts';
import { WireClient } from '../broker/fixture.ts';

let cluster: TestCluster | null = null;
afterEach(async () => {
  await cluster?.stop();
  cluster = null;
});

it('replicas move between directories while they lead and follow, and nothing is lost', async () => {
  const made = await TestCluster.start(3, { 'min.insync.replicas': 2 }, ({ directory }) => ({
    'log.dirs': [directory, `${directory}-more`],
  }));
  cluster = made;
  const admin = await WireClient.connect(made.members[0]!.port);
  const created = await admin.request('CreateTopics', 7, {
    timeoutMs: 10_000,
    topics: [{ name: 't', numPartitions: 2, replicationFactor: 3, assignments: [], configs: [] }],
  });
  expect(created.topics[0].errorCode).toBe(0);
  await admin.close();
  const producer = new SteadyProducer(made.bootstrap, 't');
  await producer.more(100);
  const heldBy = (id: number, index: number) =>
    made.broker(id).services.partitions.get('t', index)!;
  const moveAll = async (id: number): Promise<string[]> => {
    const client = await WireClient.connect(made.members[id]!.port);
    const places: string[] = [];
    for (const index of [0, 1]) {
      const { directory } = made.members[id]!;
      const isFirst = heldBy(id, index).log.logDirectory.path === directory;
      const path = isFirst ? `${directory}-more` : directory;
      places.push(path);
      const answer = await client.request('AlterReplicaLogDirs', 2, {
        dirs: [{ path, topics: [{ name: 't', partitions: [index] }] }],
      });
      expect(answer.results[0].partitions[0].errorCode).toBe(0);
    }
    await client.close();
    return places;
  };
  const arrived = (id: number) => [0, 1].map((index) => heldBy(id, index).log.logDirectory.path);
  // There and back again, each of them leading one or none of the two.
  for (const id of [0, 1, 2, 0, 1, 2]) {
    const wanted = await moveAll(id);
    await expect.poll(() => arrived(id)).toEqual(wanted);
    await producer.more(30);
  }
  // A leader goes while its replicas move, and theirs go on elsewhere.
  for (const id of [0, 1, 2]) await moveAll(id);
  await made.stopBroker(0);
  await producer.more(50);
  await made.startBroker(0);
  await producer.more(50);
  for (const index of [0, 1]) {
    await expect.poll(() => heldBy(1, index).isr.length, { timeout: 20_000 }).toBe(3);
  }
  for (const { services } of made.running) {
    await expect.poll(() => services.logs.mover.size).toBe(0);
  }
  await producer.stop();
  const numbers = await readNumbers(made.bootstrap, 't');
  const stored = new Set(numbers);
  expect(producer.acknowledged.filter((n) => !stored.has(n))).toEqual([]);
  expect(numbers.length).toBe(stored.size);
  expect(producer.errors).toEqual([]);
  // All replicas end where the leaders do.
  for (const index of [0, 1]) {
    const end = Math.max(
      ...made.running.map(({ services }) => services.partitions.get('t', index)!.log.logEndOffset),
    );
    for (const id of [0, 1, 2]) {
      await expect.poll(() => heldBy(id, index).log.logEndOffset).toBe(end);
    }
  }
}, 60_000);
