/** Groups and producer ids of three brokers in one process, of which one ends. */
import { afterEach, describe, expect, test } from 'vitest';
import { Admin } from '../../../src/client/admin.ts';
import { calls } from '../../../src/client/call.ts';
import { Client } from '../../../src/client/client.ts';
import { ErrorCode, ProtocolError } from '../../../src/protocol/error-codes.ts';
import { TestCluster } from '../../support/cluster.ts';

const GROUPS = ['a', 'b', 'c', 'd', 'e', 'f'];

let cluster: TestCluster | null = null;
const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await cluster?.stop();
  cluster = null;
});

const clientOf = (bootstrap: string[]): Client => {
  const client = new Client({ bootstrap, clientId: 'test', retryBackoffMs: 20 });
  clients.push(client);
  return client;
};

/** Where each broker that runs says that the group is looked after. */
const coordinators = (running: TestCluster, client: Client, groupId: string): Promise<number[]> =>
  Promise.all(
    running.running.map(async ({ services }) => {
      const question = { key: groupId, keyType: 0, coordinatorKeys: [groupId] };
      const answer = await client.request(services.nodeId, calls.findCoordinator, question);
      return answer.coordinators[0]!.nodeId;
    }),
  );

async function start(): Promise<{ running: TestCluster; client: Client; admin: Admin }> {
  const running = await TestCluster.start(3, { 'min.insync.replicas': 2 });
  cluster = running;
  const client = clientOf(running.bootstrap);
  const admin = new Admin(client);
  const [created] = await admin.createTopics([{ name: 't', partitions: 1 }]);
  expect(created?.error).toBeNull();
  return { running, client, admin };
}

const commitAll = async (admin: Admin, offset: number): Promise<void> => {
  for (const group of GROUPS) {
    await admin.alterGroupOffsets(group, [{ topic: 't', partition: 0, offset }]);
  }
};
const offsets = async (admin: Admin): Promise<number[]> => {
  const found = GROUPS.map((group) => admin.groupOffsets(group));
  return (await Promise.all(found)).map(([first]) => first?.offset ?? -1);
};

describe('groups', () => {
  test('are where every broker says that they are, and move with their offsets', async () => {
    const { running, client, admin } = await start();
    await commitAll(admin, 7);
    const before = new Map<string, number>();
    for (const group of GROUPS) {
      await expect
        .poll(async () => new Set(await coordinators(running, client, group)).size)
        .toBe(1);
      before.set(group, (await coordinators(running, client, group))[0]!);
    }
    expect(new Set(before.values()).size).toBe(3);
    const gone = before.get('a')!;
    await running.stopBroker(gone);
    expect(await offsets(admin)).toEqual(GROUPS.map(() => 7));
    for (const group of GROUPS) {
      const now = await coordinators(running, client, group);
      expect(now).not.toContain(gone);
      if (before.get(group) !== gone) expect(now).toContain(before.get(group));
    }
    await commitAll(admin, 8);
    await running.startBroker(gone);
    expect(await offsets(admin)).toEqual(GROUPS.map(() => 8));
  });

  test('are refused by brokers that do not look after them', async () => {
    const { running, client, admin } = await start();
    await commitAll(admin, 1);
    const [coordinator] = await coordinators(running, client, 'a');
    for (const { services } of running.running) {
      const groups = { groups: ['a'], includeAuthorizedOperations: false };
      const answer = await client.request(services.nodeId, calls.describeGroups, groups);
      const isThere = services.nodeId === coordinator;
      expect(answer.groups[0]?.errorCode).toBe(isThere ? 0 : ErrorCode.NOT_COORDINATOR);
    }
  });

  test('take no offsets while too few replicas are in sync, and lose none', async () => {
    const { running, client, admin } = await start();
    await commitAll(admin, 1);
    const [coordinator] = await coordinators(running, client, 'a');
    const others = [0, 1, 2].filter((id) => id !== coordinator);
    await running.stopBroker(others[0]!);
    await commitAll(admin, 2);
    // The last two of three voters can't both go, or there is no controller: replicas are missing
    // because more of them are asked for.
    await admin.alterConfigs('topic', '__consumer_offsets', { 'min.insync.replicas': '3' });
    const quick = new Client({
      bootstrap: running.bootstrap,
      clientId: 'quick',
      requestTimeoutMs: 1_000,
    });
    clients.push(quick);
    const refused = new Admin(quick).alterGroupOffsets('a', [
      { topic: 't', partition: 0, offset: 3 },
    ]);
    const code = await refused.then(
      () => 0,
      (error: unknown) => (error instanceof ProtocolError ? error.code : -1),
    );
    expect(code).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    expect(await offsets(admin)).toEqual(GROUPS.map(() => 2));
    await running.startBroker(others[0]!);
    await commitAll(admin, 4);
    expect(await offsets(admin)).toEqual(GROUPS.map(() => 4));
  });
});

test('producer ids are given once, whichever broker and controller gives them', async () => {
  const { running, client } = await start();
  const ids = new Set<number>();
  let asked = 0;
  const ask = async (): Promise<void> => {
    for (const { services } of running.running) {
      for (let i = 0; i < 5; i++) {
        const answer = await client.request(services.nodeId, calls.initProducerId, {
          transactionalId: null,
          transactionTimeoutMs: 60_000,
          producerId: -1,
          producerEpoch: -1,
        });
        expect(answer.errorCode).toBe(0);
        ids.add(answer.producerId);
        asked++;
      }
    }
  };
  await ask();
  const controller = running.controllerId;
  await running.stopBroker(controller);
  await ask();
  await running.startBroker(controller);
  await ask();
  expect(ids.size).toBe(asked);
});
