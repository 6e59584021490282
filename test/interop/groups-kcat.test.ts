/** librdkafka's group consumer, by kcat: two members share the partitions, one dies, the broker restarts. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { freePort, needProgram, PeerProcess } from '../peers/peer.ts';
import {
  batchOf,
  createTopic,
  produce,
  type RunningBroker,
  startBroker,
  WireClient,
} from '../unit/broker/fixture.ts';

const TOPIC = 'events';
const PARTITIONS = 4;
const GROUP = 'kcats';
const WAIT = { timeout: 30_000, interval: 100 };

describeWithPeers(['kcat'], 'kcat in a group', () => {
  let running: RunningBroker;
  let bootstrap: string;
  const started: PeerProcess[] = [];
  let produced = 0;

  const member = async (name: string): Promise<PeerProcess> => {
    const settings = [
      'session.timeout.ms=6000',
      'heartbeat.interval.ms=500',
      'auto.commit.interval.ms=200',
      'auto.offset.reset=earliest',
      `client.id=${name}`,
    ].flatMap((setting) => ['-X', setting]);
    const process = await PeerProcess.start({
      name: `kcat-${name}`,
      command: needProgram('kcat', 'kcat'),
      args: ['-b', bootstrap, '-E', '-G', GROUP, '-u', '-f', 'got:%s\n', ...settings, TOPIC],
      ready: () => Promise.resolve(true),
      startTimeoutMs: 5_000,
    });
    started.push(process);
    return process;
  };

  /** One record more in every partition. */
  const send = async (): Promise<void> => {
    const client = await WireClient.connect(running.port);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const batch = batchOf([`m${produced++}`]);
      expect((await produce(client, TOPIC, batch, { partition })).errorCode).toBe(0);
    }
    await client.close();
  };

  const received = (): string[] =>
    started.flatMap((p) =>
      [...readFileSync(p.logFile, 'utf8').matchAll(/^got:(\S+)$/gm)].map((m) => m[1]!),
    );

  const members = (): Promise<number[]> => {
    const { groups } = running.broker.services.groups.describeGroups(
      { groups: [GROUP], includeAuthorizedOperations: false },
      { clientId: null, clientHost: '', apiVersion: 5 },
    );
    const group = groups[0]!;
    if (group.groupState !== 'Stable') return Promise.resolve([]);
    return Promise.resolve(group.members.map((m) => m.memberAssignment.length));
  };

  const committed = (): number =>
    [...running.broker.services.groups.lagView()]
      .filter((o) => o.group === GROUP)
      .reduce((sum, o) => sum + o.offset, 0);

  beforeAll(async () => {
    const port = await freePort();
    bootstrap = `127.0.0.1:${port}`;
    running = await startBroker({
      listeners: [`PLAINTEXT://${bootstrap}`],
      'group.initial.rebalance.delay.ms': 100,
    });
    const client = await WireClient.connect(running.port);
    await createTopic(client, TOPIC, PARTITIONS);
    await client.close();
  });
  afterAll(async () => {
    for (const process of started) await process.kill();
    await running.stop();
  });

  it('shares the partitions among two members', async () => {
    await send();
    await member('one');
    await expect.poll(async () => (await members()).length, WAIT).toBe(1);
    await member('two');
    await expect.poll(async () => (await members()).length, WAIT).toBe(2);
    // Both assignments are of the same size: two partitions each.
    expect(new Set(await members()).size).toBe(1);
    await send();
    await expect.poll(() => new Set(received()).size, WAIT).toBe(produced);
    await expect.poll(committed, WAIT).toBe(produced);
  });

  it('gives the partitions of a member that was killed to the other', async () => {
    await started[0]!.kill();
    await expect.poll(async () => (await members()).length, WAIT).toBe(1);
    await send();
    await expect.poll(() => new Set(received()).size, WAIT).toBe(produced);
    await expect.poll(committed, WAIT).toBe(produced);
  });

  it('goes on through a restart of the broker, with nothing twice', async () => {
    running = await running.restart();
    await send();
    await expect.poll(() => new Set(received()).size, WAIT).toBe(produced);
    expect(received()).toHaveLength(produced);
    await expect.poll(committed, WAIT).toBe(produced);
  });

  it('leaves the group when it is asked to end', async () => {
    await started[1]!.halt();
    const state = (): string | undefined =>
      [...running.broker.services.groups.groupView()].find((g) => g.group === GROUP)?.state;
    await expect.poll(state, { ...WAIT, timeout: 3_000 }).toBe('Empty');
  });
});
