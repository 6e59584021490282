/**
 * Three brokers, each a process with a disk of its own, lose their lives, their time, their power and
 * their disks, one after the other and all at once, while Kafka's producer (acks=all, idempotent) and
 * a consumer group work. Nothing that was acknowledged is lost, nothing is there twice, committed
 * offsets never go back, and applications see no error.
 *
 * `CHAOS_ROUNDS` asks for another number of rounds, `CHAOS_SEED` for other victims.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { below, type Random, seededRandom } from '../../src/base/random.ts';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { type BrokerProcess, ClusterProcesses, eventually } from '../support/cluster-processes.ts';
import { Workload } from './workload/workload.ts';

const ROUNDS = Number(process.env['CHAOS_ROUNDS'] ?? 20);
const SEED = Number(process.env['CHAOS_SEED'] ?? 1);
/** The whole log is compared with the books after so many rounds. */
const VERIFY_EVERY = 20;
const ROUND_MS_MAX = 120_000;
const TOPIC = 'chaos';
const PARTITIONS = 3;

const chaosSettings = {
  'min.insync.replicas': '2',
  'replica.lag.time.max.ms': '2000',
  'offsets.topic.num.partitions': '3',
  'group.initial.rebalance.delay.ms': '0',
};

describeWithPeers(['kafka', 'loop', 'strace'], 'brokers that fall', () => {
  let cluster: ClusterProcesses;
  let client: Client;
  let admin: Admin;
  let workload: Workload;
  const random: Random = seededRandom(SEED);
  const gaps = new Map<string, number[]>();

  beforeAll(async () => {
    const volumes = ['ext4', 'xfs', 'xfs'] as const;
    cluster = await ClusterProcesses.start({ volumes, settings: chaosSettings });
    client = new Client({ bootstrap: cluster.bootstrap, clientId: 'chaos' });
    admin = new Admin(client);
    const [created] = await admin.createTopics([{ name: TOPIC, partitions: PARTITIONS }]);
    expect(created?.error).toBeNull();
    const { bootstrap } = cluster;
    workload = await Workload.start({
      bootstrap,
      topic: TOPIC,
      partitions: PARTITIONS,
      acks: 'all',
      perSecond: 1_000,
    });
    await healthy();
    await progress(500);
  });
  afterAll(async () => {
    workload?.kill();
    client?.close();
    await cluster?.stop();
  });

  const healthy = (): Promise<void> =>
    eventually(
      'all replicas are in sync',
      async () => {
        const topics = await admin.describeTopics([TOPIC, '__consumer_offsets']);
        return topics.every(({ partitions }) =>
          partitions.every((p) => p.leader >= 0 && p.replicas.length === 3 && p.isr.length === 3),
        );
      },
      ROUND_MS_MAX,
    );

  /** Waits until so many more records are acknowledged, and as many seen by the group. */
  const progress = async (count: number): Promise<void> => {
    const before = await workload.status();
    await eventually(
      'records get through',
      async () => {
        const now = await workload.status();
        expect(now.errors).toEqual([]);
        const isRead = now.consumed >= before.consumed + count;
        return isRead && now.acknowledged >= before.acknowledged + count;
      },
      ROUND_MS_MAX,
    );
  };

  const pick = (): BrokerProcess => cluster.broker(below(random, cluster.brokers.length));
  const pause = (from: number, to: number): Promise<unknown> =>
    sleep(from + below(random, to - from));

  const faults: Record<string, () => Promise<void>> = {
    'killed and started again': async () => {
      const victim = pick();
      await victim.kill();
      await pause(0, 3_000);
      await victim.restart();
    },
    'stopped and continued': async () => {
      const victim = pick();
      victim.stopProcess();
      await pause(200, 6_000);
      victim.continueProcess();
    },
    'power of one disk': async () => {
      const victim = pick();
      await victim.cutPower();
      await pause(0, 2_000);
      await victim.restart();
    },
    'ended in order': async () => {
      const victim = pick();
      await victim.halt();
      await victim.restart();
    },
    'power of everything': async () => {
      for (const { volume } of cluster.brokers) volume?.cutPower();
      for (const broker of cluster.brokers) await broker.kill();
      for (const { volume } of cluster.brokers) volume?.remount();
      await Promise.all(cluster.brokers.map((broker) => broker.restart()));
    },
    'full disk': async () => {
      const victim = pick();
      victim.volume?.fill();
      await pause(1_000, 3_000);
      victim.volume?.empty();
    },
    'a disk that fails': async () => {
      const victim = pick();
      const end = victim.failSyncs();
      await pause(1_000, 2_000);
      await end();
      await victim.kill();
      await victim.restart();
    },
    'two killed, one after the other': async () => {
      const first = pick();
      const second = cluster.broker((first.id + 1) % cluster.brokers.length);
      await first.kill();
      await pause(0, 1_000);
      await second.kill();
      await pause(0, 1_000);
      await Promise.all([first.restart(), second.restart()]);
    },
    'the one that is killed leads': async () => {
      const [topic] = await admin.describeTopics([TOPIC]);
      const victim = cluster.broker(topic?.partitions[below(random, PARTITIONS)]?.leader ?? 0);
      await victim.kill();
      await pause(1_500, 2_500);
      await victim.restart();
    },
    'all killed': async () => {
      await Promise.all(cluster.brokers.map((broker) => broker.kill()));
      await Promise.all(cluster.brokers.map((broker) => broker.restart()));
    },
  };

  const check = async (): Promise<void> => {
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
    // What was sent has an outcome: so everything in the log was acknowledged.
    expect(verdict.records).toBe(verdict.acknowledged);
    await workload.resume();
  };

  test(
    `keep what they acknowledged, over ${ROUNDS} rounds`,
    async () => {
      const names = Object.keys(faults);
      for (let round = 0; round < ROUNDS; round++) {
        const name = names[round % names.length]!;
        try {
          await workload.mark();
          await faults[name]!();
          await healthy();
          await progress(300);
          const { gapMs, errors, faults: broken } = await workload.status();
          expect({ errors, broken }).toEqual({ errors: [], broken: [] });
          gaps.set(name, [...(gaps.get(name) ?? []), gapMs]);
          if ((round + 1) % VERIFY_EVERY === 0) await check();
        } catch (error) {
          const state = cluster.brokers.map(({ id, pid, logFile }) => `${id}: ${pid} ${logFile}`);
          const what = `round ${round}, ${name}, seed ${SEED}\n${state.join('\n')}`;
          throw new Error(what, { cause: error });
        }
      }
      await check();
      for (const [name, list] of gaps) console.log(`no acknowledgement for ms, ${name}:`, list);
    },
    60_000 + ROUNDS * ROUND_MS_MAX,
  );
});
