/** A log directory of one of several brokers fails, and those who lead have not heard of it yet. */
import fs from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { Admin } from '../../../src/client/admin.ts';
import { calls } from '../../../src/client/call.ts';
import { Client } from '../../../src/client/client.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { TestCluster } from '../../support/cluster.ts';

let cluster: TestCluster | null = null;
afterEach(async () => {
  await cluster?.stop();
  cluster = null;
});

async function createTopic(bootstrap: string[]): Promise<void> {
  const client = new Client({ bootstrap, clientId: 'failed-directory' });
  try {
    const admin = new Admin(client);
    const [topic] = await admin.createTopics([{ name: 't', partitions: 1, replicationFactor: 3 }]);
    expect(topic?.error).toBeNull();
  } finally {
    client.close();
  }
}

it('whose log is in one tells so again when it is taken for in sync nevertheless', async () => {
  const made = await TestCluster.start(
    3,
    // No leader finds out by itself that somebody lags behind.
    { 'replica.lag.time.max.ms': 60_000 },
    ({ directory }) => ({ 'log.dirs': [directory, `${directory}-data`] }),
  );
  cluster = made;
  await createTopic(made.bootstrap);
  const known = () => made.broker(made.controllerId).services.image.topic('t')!.partitions[0]!;
  const isr = (): number[] => [...known().isr].toSorted((a, b) => a - b);
  await expect.poll(isr).toEqual([0, 1, 2]);
  const { leader, replicas, topicId } = known();
  const failed = replicas.find((id) => id !== leader)!;
  const others = [0, 1, 2].filter((id) => id !== failed);
  const { logs } = made.broker(failed).services;
  await expect.poll(() => logs.get('t', 0)).toBeDefined();
  const { logDirectory } = logs.get('t', 0)!;
  expect(logDirectory.path).toMatch(/-data$/);
  logDirectory.takeOffline('it is broken', new Error('EIO'));
  await expect.poll(isr).toEqual(others);

  // What the leader has decided before is under way for longer.
  const { channel, lifecycle } = made.broker(leader).services;
  const members = [0, 1, 2].map((brokerId) => ({
    brokerId,
    brokerEpoch: made.broker(brokerId).services.lifecycle.epoch,
  }));
  const expand = async (): Promise<number | undefined> => {
    const { leaderEpoch, partitionEpoch } = known();
    const change = {
      ...{ partitionIndex: 0, leaderEpoch, partitionEpoch, leaderRecoveryState: 0 },
      ...{ newIsr: [0, 1, 2], newIsrWithEpochs: members },
    };
    const topics = [{ topicId, partitions: [change] }];
    const body = { brokerId: leader, brokerEpoch: lifecycle.epoch, topics };
    const answer = await channel.send(calls.alterPartition, body, 5_000);
    return answer.topics[0]?.partitions[0]?.errorCode;
  };
  // Sometimes it has indeed decided so, and what the test says comes behind that.
  await expect.poll(expand).toBe(ErrorCode.NONE);
  await expect.poll(isr).toEqual(others);
});

it('that fails while its broker stops is missed when the broker comes with an empty one', async () => {
  const made = await TestCluster.start(
    3,
    // Whoever leaves the ISR stays eligible.
    { 'min.insync.replicas': 3 },
    ({ directory }) => ({ 'log.dirs': [directory, `${directory}-data`] }),
  );
  cluster = made;
  await createTopic(made.bootstrap);
  const stateAt = (id: number) => made.broker(id).services.image.topic('t')!.partitions[0]!;
  await expect.poll(() => stateAt(made.controllerId).isr.length).toBe(3);
  const { leader: failed } = stateAt(made.controllerId);
  const witness = [0, 1, 2].find((id) => id !== failed)!;
  const { logs } = made.broker(failed).services;
  await expect.poll(() => logs.get('t', 0)).toBeDefined();
  const { logDirectory } = logs.get('t', 0)!;
  expect(logDirectory.path).toMatch(/-data$/);
  // It hands over what it leads first, and so there are further heartbeats.
  const stopped = made.stopBroker(failed);
  logDirectory.takeOffline('it is broken', new Error('EIO'));
  await stopped;
  fs.rmSync(logDirectory.path, { recursive: true });

  const { store, image } = made.broker(witness).services;
  const epoch = (): number | undefined => image.brokers.get(failed)?.epoch;
  const before = epoch();
  const registered = Promise.withResolvers<readonly number[]>();
  store.onCommitted(() => {
    const { isr, elr } = stateAt(witness);
    if (epoch() !== before) registered.resolve([...isr, ...elr]);
  });
  await made.startBroker(failed);
  expect(await registered.promise).not.toContain(failed);
});
