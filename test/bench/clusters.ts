/** Three brokers of either kind, as benchmarks hold them side by side. */
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { ClusterAdmin } from '../../src/client/cluster-admin.ts';
import type { TopicInfo } from '../../src/client/metadata-cache.ts';
import { startKafkaCluster } from '../peers/kafka.ts';
import { freePort } from '../peers/peer.ts';
import { WeirBrokers } from '../support/weir-brokers.ts';
import { WeirProcess } from '../support/weir-process.ts';

export const BROKERS = 3;

/** Thousands of partitions take their time to be made. */
const REQUEST_MS = 120_000;

interface Member {
  readonly pid: number;
  kill(): Promise<void>;
  restart(): Promise<unknown>;
}

export class Cluster {
  readonly name: string;
  readonly bootstrap: string;
  /** By broker id; one for all of them where they share a process. */
  readonly members: readonly Member[];
  readonly client: Client;
  readonly admin: Admin;
  readonly #cluster: ClusterAdmin;
  readonly #stop: () => Promise<unknown>;

  constructor(
    name: string,
    bootstrap: string,
    members: readonly Member[],
    stop: () => Promise<unknown>,
  ) {
    this.name = name;
    this.bootstrap = bootstrap;
    this.members = members;
    this.client = new Client({
      bootstrap: bootstrap.split(','),
      clientId: 'bench',
      requestTimeoutMs: REQUEST_MS,
    });
    this.admin = new Admin(this.client);
    this.#cluster = new ClusterAdmin(this.client);
    this.#stop = stop;
  }

  get pids(): number[] {
    return this.members.map(({ pid }) => pid);
  }

  /** Resolves when every partition has a leader, and all of its replicas are in sync. */
  async createTopic(name: string, partitions: number): Promise<void> {
    await eventually(`topic ${name} is made`, async () => {
      const configs = { 'min.insync.replicas': '2', 'file.delete.delay.ms': '100' };
      const [made] = await this.admin.createTopics([
        { name, partitions, replicationFactor: BROKERS, configs },
      ]);
      return made?.error === null;
    });
    await this.inSync(name);
  }

  async inSync(name: string): Promise<void> {
    await eventually(`all replicas of ${name} are in sync`, async () => {
      const topic = await this.topic(name);
      return topic.partitions.every((p) => p.leader >= 0 && p.isr.length === BROKERS);
    });
  }

  /** Resolves when each partition is led by the replica that it was made with to be led by. */
  async leadsEvenly(name: string): Promise<void> {
    await eventually(`leaders of ${name} are the preferred ones`, async () => {
      await this.#cluster.electLeaders('preferred');
      const { partitions } = await this.topic(name);
      return partitions.every(({ leader, replicas }) => leader === replicas[0]);
    });
  }

  /** Of the active one. */
  async controllerId(): Promise<number> {
    return (await this.#cluster.describeQuorum()).leaderId;
  }

  async topic(name: string): Promise<TopicInfo> {
    const [topic] = await this.admin.describeTopics([name]);
    return topic!;
  }

  async deleteTopic(name: string): Promise<void> {
    const [gone] = await this.admin.deleteTopics([name]);
    if (gone?.error !== null) throw gone!.error;
  }

  /** By partition. */
  async leaderPorts(name: string): Promise<number[]> {
    const { brokers } = await this.admin.describeCluster();
    const { partitions } = await this.topic(name);
    const ports = new Map(brokers.map(({ id, port }) => [id, port]));
    return partitions.toSorted((a, b) => a.index - b.index).map((p) => ports.get(p.leader)!);
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.#stop();
  }
}

export async function eventually(what: string, check: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + 60_000;
  let failure: unknown = null;
  while (performance.now() < until) {
    try {
      if (await check()) return;
    } catch (error) {
      failure = error;
    }
    await sleep(50);
  }
  throw new Error(`in vain for a minute: ${what}`, { cause: failure });
}

/** All brokers in one process, as `weir up` has them, without collectors. */
export const weirAppliance = (settings: readonly string[] = []): Promise<Cluster> =>
  appliance([...quiet, ...settings]);

/** With collectors, too: those that listen, and one that finds no file. */
export const wholeAppliance = async (): Promise<Cluster> =>
  appliance([
    `collectors.syslog.port=${await freePort()}`,
    'collectors.files.paths=/var/empty/*.log',
  ]);

async function appliance(settings: readonly string[]): Promise<Cluster> {
  const weir = await WeirProcess.start({
    broker: { id: 0, port: await freeRow() },
    settings: [`brokers=${BROKERS}`, ...settings],
  });
  return new Cluster('Weir', weir.bootstrap, [weir], () => weir.stop());
}

export const quiet = [
  'collectors.files.enabled=false',
  'collectors.syslog.enabled=false',
  'collectors.scrape.enabled=false',
];

/** Each broker in a process of its own. */
export async function weirBrokers(settings: readonly string[] = []): Promise<Cluster> {
  const all = [...quiet, ...settings];
  const cluster = await WeirBrokers.start({ brokers: BROKERS, settings: all });
  return new Cluster('Weir', cluster.bootstrap, cluster.brokers, () => cluster.stop());
}

export async function kafkaBrokers(): Promise<Cluster> {
  const brokers = await startKafkaCluster(BROKERS);
  const bootstrap = brokers.map((broker) => broker.bootstrap).join(',');
  const stop = (): Promise<unknown> => Promise.all(brokers.map((broker) => broker.stop()));
  return new Cluster('Apache Kafka', bootstrap, brokers, stop);
}

/** The first of three free ports in a row. */
async function freeRow(): Promise<number> {
  for (;;) {
    const first = await freePort();
    if ((await isFree(first + 1)) && (await isFree(first + 2))) return first;
  }
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
