/**
 * Three brokers, each a process on a host of its own, whose network fails in silence: one broker
 * that the others don't hear, that doesn't hear them, or both, and connections that a firewall has
 * forgotten. Clients reach every broker all the while, so a leader that is alone has every chance to
 * promise what it can't keep.
 *
 * That the network is cut, and that this is dangerous, is seen from what the lonely leader
 * acknowledges with acks=1: that is lost, every time.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { ClusterAdmin } from '../../src/client/cluster-admin.ts';
import { Producer } from '../../src/client/producer.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { sleep } from '../peers/peer.ts';
import { type BrokerProcess, ClusterProcesses, eventually } from '../support/cluster-processes.ts';
import { Network } from '../support/network.ts';
import { batchOf, fetch, valuesOf, WireClient } from '../unit/broker/fixture.ts';
import { Workload } from './workload/workload.ts';

/** Carries the load. */
const TOPIC = 'carried';
/** Takes single records that are sent to one broker. */
const PROBED = 'probed';
const PARTITIONS = 3;
const BROKERS = [0, 1, 2];
const HEAL_MS_MAX = 30_000;
const LOOK_MS = 100;
/** How long the leader that is alone may wait for the others. */
const PATIENCE_MS = 2_000;

const settings = {
  'min.insync.replicas': '2',
  'replica.lag.time.max.ms': '2000',
  'offsets.topic.num.partitions': '3',
  'group.initial.rebalance.delay.ms': '0',
  // An answer that does not come is given up before a test is.
  'replica.socket.timeout.ms': '10000',
  // Brokers that come back lead again what they led, so that each of them leads something.
  'leader.imbalance.check.interval.seconds': '1',
  'leader.imbalance.per.broker.percentage': '0',
};

/** What the brokers say of who leads: by partition and epoch, all that were ever named. */
class Leaders {
  readonly named = new Map<string, Set<number>>();
  readonly #clients: readonly WireClient[];
  readonly #watching: Promise<unknown>;
  #isOver = false;

  constructor(clients: readonly WireClient[]) {
    this.#clients = clients;
    this.#watching = Promise.all(clients.map((client) => this.#watch(client)));
  }

  /** Who leads the partition of `PROBED`, in the eyes of that broker. */
  async of(broker: number, partition: number): Promise<{ leader: number; epoch: number }> {
    const answer = await this.#clients[broker]!.request('Metadata', 9, {
      topics: [{ name: PROBED }],
    });
    const found = answer.topics[0].partitions.find((p: any) => p.partitionIndex === partition);
    return { leader: found.leaderId, epoch: found.leaderEpoch };
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#watching;
    for (const client of this.#clients) await client.close();
  }

  async #watch(client: WireClient): Promise<void> {
    while (!this.#isOver) {
      const answer = await client.request('Metadata', 9, {
        topics: [{ name: TOPIC }, { name: PROBED }],
      });
      for (const { name, partitions } of answer.topics) {
        for (const { partitionIndex, leaderEpoch, leaderId } of partitions) {
          const key = `${name}-${partitionIndex} in epoch ${leaderEpoch}`;
          const leaders = this.named.get(key) ?? new Set();
          if (leaderId >= 0) leaders.add(leaderId);
          this.named.set(key, leaders);
        }
      }
      await sleep(LOOK_MS);
    }
  }
}

describeWithPeers(['network', 'kafka'], 'brokers that do not hear each other', () => {
  let network: Network;
  let cluster: ClusterProcesses;
  let client: Client;
  let admin: Admin;
  let workload: Workload;
  let leaders: Leaders;
  /** By partition of `PROBED`: what it has to hold in the end, and nothing else. */
  const kept = BROKERS.map((): string[] => []);

  beforeAll(async () => {
    network = Network.create(BROKERS.length);
    cluster = await ClusterProcesses.start({ network, settings });
    const { bootstrap } = cluster;
    client = new Client({ bootstrap, clientId: 'partition' });
    admin = new Admin(client);
    const created = await admin.createTopics([
      { name: TOPIC, partitions: PARTITIONS },
      { name: PROBED, partitions: PARTITIONS },
    ]);
    expect(created.map(({ error }) => error)).toEqual([null, null]);
    leaders = new Leaders(
      await Promise.all(cluster.brokers.map(({ port }) => WireClient.connect(port))),
    );
    workload = await Workload.start({
      bootstrap,
      topic: TOPIC,
      partitions: PARTITIONS,
      acks: 'all',
      perSecond: 300,
    });
    await healthy();
    await progress();
  });
  afterAll(async () => {
    workload?.kill();
    await leaders?.stop();
    client?.close();
    await cluster?.stop();
    network?.remove();
  });

  afterEach(() => network?.heal());

  /** All replicas are in sync, and every broker leads one partition of each topic. */
  const healthy = (): Promise<void> =>
    eventually(
      'all replicas are in sync, and every broker leads',
      async () => {
        const topics = await admin.describeTopics([TOPIC, PROBED]);
        return topics.every(
          ({ partitions }) =>
            partitions.every((p) => p.isr.length === BROKERS.length) &&
            new Set(partitions.map((p) => p.leader)).size === BROKERS.length,
        );
      },
      HEAL_MS_MAX,
    );

  /** Records are acknowledged, and read by the group, that were not before. */
  const progress = async (): Promise<void> => {
    const before = await workload.status();
    await eventually('records get through', async () => {
      const now = await workload.status();
      expect(now.errors).toEqual([]);
      const isRead = now.consumed >= before.consumed + 100;
      return isRead && now.acknowledged >= before.acknowledged + 100;
    });
  };

  const controller = async (): Promise<number> => {
    const { leaderId } = await new ClusterAdmin(client).describeQuorum();
    return leaderId;
  };

  /** The error code with which that broker answers. */
  const send = async (
    broker: BrokerProcess,
    partition: number,
    acks: 1 | -1,
    value: string,
  ): Promise<number> => {
    const wire = await WireClient.connect(broker.port);
    try {
      const answer = await wire.request('Produce', 9, {
        acks,
        timeoutMs: PATIENCE_MS,
        topicData: [
          { name: PROBED, partitionData: [{ index: partition, records: batchOf([value]) }] },
        ],
      });
      return answer.responses[0].partitionResponses[0].errorCode as number;
    } finally {
      await wire.close();
    }
  };

  /**
   * What a consumer gets that asks that broker, and no other one. Single records are sent anew when
   * nobody knows what became of them, and may be there twice: the load shows that no others are.
   */
  const served = async (broker: BrokerProcess, partition: number): Promise<string[] | null> => {
    const wire = await WireClient.connect(broker.port);
    try {
      const answer = await fetch(wire, PROBED, 0, { partition });
      return answer.errorCode === 0 ? [...new Set(valuesOf(answer.records))] : null;
    } finally {
      await wire.close();
    }
  };

  /**
   * Cuts the broker off from the other two, in one way or another. Where the others hear it, the
   * answers to fetches that wait at it just then reach them, with the first of its lonely records.
   */
  const isolate = async (
    victim: number,
    isHeard: boolean,
    cut: (victim: number, other: number) => void,
  ): Promise<void> => {
    const others = BROKERS.filter((id) => id !== victim);
    const lonely = cluster.broker(victim);
    const witness = others[0]!;
    let partition = -1;
    let epoch = -1;
    // What its host has kept of the time before may reach the others late, and cost it a moment.
    await eventually('it leads', async () => {
      const led = await Promise.all(BROKERS.map((p) => leaders.of(victim, p)));
      partition = led.findIndex(({ leader }) => leader === victim);
      epoch = led[partition]?.epoch ?? -1;
      return partition >= 0;
    });
    const name = `${victim}-${epoch}`;
    const before = `before ${name}`;
    expect(await send(lonely, partition, -1, before)).toBe(0);
    kept[partition]!.push(before);
    await eventually('it is committed', async () => (await served(lonely, partition)) !== null);

    for (const other of others) cut(victim, other);
    // It leads still, as far as it knows.
    const alone = `alone ${name}`;
    expect(await send(lonely, partition, 1, alone)).toBe(0);
    expect(await send(lonely, partition, -1, `promised ${name}`)).not.toBe(0);
    const late = await served(lonely, partition);
    if (late !== null) expect(late).toEqual(kept[partition]);

    let next = { leader: victim, epoch };
    await eventually('the others have another leader', async () => {
      next = await leaders.of(witness, partition);
      return next.leader >= 0 && next.leader !== victim;
    });
    expect(next.epoch).toBeGreaterThan(epoch);
    const after = `after ${name}`;
    await eventually('its successor is obeyed', async () => {
      const error = await send(cluster.broker(next.leader), partition, -1, after);
      return error === 0;
    });
    kept[partition]!.push(after);
    // Nobody has told it, and it can't commit what it does not know to be another's.
    expect(await send(lonely, partition, -1, `late ${name}`)).not.toBe(0);
    const stale = await served(lonely, partition);
    if (stale !== null) expect(stale).toEqual(kept[partition]!.slice(0, -1));
    await progressOfOthers();

    network.heal();
    await healthy();
    await progress();
    const { leader } = await leaders.of(witness, partition);
    const all = await served(cluster.broker(leader), partition);
    if (isHeard && all?.includes(alone) === true) kept[partition]!.splice(-1, 0, alone);
    expect(all).toEqual(kept[partition]);
  };

  /** Kafka's producer gets on although one of the three brokers that it talks to is of no use. */
  const progressOfOthers = async (): Promise<void> => {
    const before = await workload.status();
    await eventually('the majority goes on', async () => {
      const { acknowledged, errors } = await workload.status();
      expect(errors).toEqual([]);
      return acknowledged >= before.acknowledged + 100;
    });
  };

  test('the controller neither hears the others nor is heard', async () => {
    await isolate(await controller(), false, (victim, other) => network.cut(victim, other));
  }, 120_000);

  test('the controller is heard, but hears nobody', async () => {
    await isolate(await controller(), true, (victim, other) => network.deafen(victim, other));
  }, 120_000);

  test('the controller hears the others, but is not heard', async () => {
    await isolate(await controller(), false, (victim, other) => network.deafen(other, victim));
  }, 120_000);

  test('a leader that is no controller hears nobody', async () => {
    const victim = ((await controller()) + 1) % BROKERS.length;
    await isolate(victim, true, (_, other) => network.deafen(victim, other));
  }, 120_000);

  test('replication goes on when the connections between two brokers are forgotten', async () => {
    expect(network.forgetConnections(0, 1)).toBeGreaterThan(0);
    const producer = new Producer(client, { acks: -1, lingerMs: 0 });
    // The second time there is nothing left to be noticed, and all replicas take part.
    for (const time of ['first', 'second']) {
      const value = `${time} after connections were forgotten`;
      for (const partition of BROKERS) {
        producer.append(PROBED, Buffer.from(value), { partition });
        kept[partition]!.push(value);
      }
      await producer.flush();
      await healthy();
    }
    expect(producer.counters.delivered).toBe(2 * BROKERS.length);
    await producer.close();
    await progress();
  }, 120_000);

  test('nothing that was acknowledged is lost or there twice', async () => {
    await workload.pause();
    const verdict = await workload.verify();
    expect(verdict).toMatchObject({
      lost: 0,
      duplicates: 0,
      disordered: 0,
      unread: 0,
      first: '',
      faults: [],
      errors: [],
    });
    expect(verdict.records).toBe(verdict.acknowledged);
    await workload.end();
  }, 120_000);

  test('each broker serves what it has to, and nothing else', async () => {
    for (const partition of BROKERS) {
      const { leader } = await leaders.of(0, partition);
      expect(await served(cluster.broker(leader), partition)).toEqual(kept[partition]);
    }
  });

  test('no epoch has had two leaders, and the replicas are the same', async () => {
    expect(leaders.named.size).toBeGreaterThan(2 * PARTITIONS);
    const torn = [...leaders.named].filter(([, named]) => named.size > 1);
    expect(torn).toEqual([]);
    for (const topic of [TOPIC, PROBED]) {
      for (const partition of BROKERS) {
        const name = `${topic}-${partition}`;
        const [first, ...rest] = BROKERS.map((id) => logOf(id, name));
        expect(first!.length).toBeGreaterThan(0);
        for (const log of rest) expect(log.equals(first!), name).toBe(true);
      }
    }
  }, 60_000);

  /** The bytes of a replica. */
  const logOf = (broker: number, name: string): Buffer => {
    const disk = path.join(cluster.directory, `disk-${broker}`);
    const folder = fs
      .readdirSync(disk, { recursive: true, encoding: 'utf8' })
      .find((entry) => path.basename(entry) === name);
    const files = fs.readdirSync(path.join(disk, folder!)).filter((file) => file.endsWith('.log'));
    return Buffer.concat(
      files.sort().map((file) => fs.readFileSync(path.join(disk, folder!, file))),
    );
  };
});
