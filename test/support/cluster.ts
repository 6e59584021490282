/** Several brokers in one process, on free ports of loopback, each with a folder of its own. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { type Logger, silentLogger } from '../../src/base/logger.ts';
import { nodeDisk } from '../../src/base/node-disk.ts';
import { nodeTransport } from '../../src/base/node-transport.ts';
import { seededRandom } from '../../src/base/random.ts';
import { Broker } from '../../src/broker/broker.ts';
import { formatCluster } from '../../src/cluster/quorum/format.ts';
import type { KeyValue } from '../../src/config/table.ts';
import { MetricsRegistry } from '../../src/observe/registry.ts';
import { freePort } from '../peers/peer.ts';

export interface Member {
  readonly id: number;
  readonly port: number;
  readonly directory: string;
  /** Null while it is stopped. */
  broker: Broker | null;
}

export interface LoggedLine {
  readonly broker: number;
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Settings that make a cluster of tests quick to notice and to repair. */
const QUICK = { 'replica.lag.time.max.ms': 2_000, 'offsets.topic.num.partitions': 3 };

export class TestCluster {
  readonly members: Member[] = [];
  readonly logged: LoggedLine[] = [];
  readonly #root: string;
  readonly #given: Readonly<Record<string, KeyValue>>;
  readonly #givenTo: (member: Member) => Readonly<Record<string, KeyValue>>;
  #seed = 1;

  private constructor(
    root: string,
    given: Readonly<Record<string, KeyValue>>,
    givenTo: (member: Member) => Readonly<Record<string, KeyValue>>,
  ) {
    this.#root = root;
    this.#given = given;
    this.#givenTo = givenTo;
  }

  static async start(
    count: number,
    given: Readonly<Record<string, KeyValue>> = {},
    givenTo: (member: Member) => Readonly<Record<string, KeyValue>> = () => ({}),
  ): Promise<TestCluster> {
    const root = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-cluster-test-'));
    const cluster = new TestCluster(root, { ...QUICK, ...given }, givenTo);
    for (let id = 0; id < count; id++) {
      const directory = path.join(root, `broker-${id}`);
      cluster.members.push({ id, port: await cluster.#newPort(), directory, broker: null });
    }
    formatCluster({
      disk: nodeDisk,
      random: seededRandom(cluster.#seed++),
      brokers: cluster.members.map(({ id, directory }) => ({ id, dirs: [directory] })),
    });
    await Promise.all(cluster.members.map(({ id }) => cluster.startBroker(id)));
    return cluster;
  }

  get bootstrap(): string[] {
    return this.members.map(({ port }) => `127.0.0.1:${port}`);
  }
  /** The broker of that id, which runs. */
  broker(id: number): Broker {
    const broker = this.members[id]?.broker ?? null;
    if (broker === null) throw new Error(`broker ${id} does not run`);
    return broker;
  }
  get running(): Broker[] {
    return this.members.flatMap(({ broker }) => (broker === null ? [] : [broker]));
  }
  /** Id of the active controller, if one of the running brokers is it. */
  get controllerId(): number {
    return this.running.find(({ services }) => services.store.isActive)?.services.nodeId ?? -1;
  }

  /** Resolves when it serves. */
  async startBroker(id: number): Promise<Broker> {
    const member = this.members[id]!;
    const addresses = this.members.map(({ id: other, port }) => `${other}@127.0.0.1:${port}`);
    const broker = new Broker({
      config: {
        given: {
          'node.id': id,
          listeners: [`PLAINTEXT://127.0.0.1:${member.port}`],
          'log.dirs': [member.directory],
          'cluster.brokers': addresses,
          'default.replication.factor': Math.min(3, this.members.length),
          'offsets.topic.replication.factor': Math.min(3, this.members.length),
          ...this.#given,
          ...this.#givenTo(member),
        },
        secret: 'the secret of a cluster of tests',
      },
      disk: nodeDisk,
      clock: systemClock,
      random: seededRandom(1_000 * id + this.#seed++),
      transport: nodeTransport,
      logger: this.#logger(id),
      registry: new MetricsRegistry(),
    });
    member.broker = broker;
    await broker.start();
    return broker;
  }

  /** A stop in order: its leaderships move first. */
  async stopBroker(id: number): Promise<void> {
    const member = this.members[id]!;
    const { broker } = member;
    member.broker = null;
    await broker?.stop();
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map(({ id }) => this.stopBroker(id)));
    fs.rmSync(this.#root, { recursive: true, force: true });
  }

  async #newPort(): Promise<number> {
    for (;;) {
      const port = await freePort();
      if (this.members.every((member) => member.port !== port)) return port;
    }
  }

  #logger(broker: number): Logger {
    const log =
      (level: string) =>
      (message: string, fields: Record<string, unknown> = {}): void => {
        this.logged.push({ broker, level, message, fields });
      };
    return { ...silentLogger, info: log('info'), warn: log('warn'), error: log('error') };
  }
}
