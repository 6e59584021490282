/**
 * A cluster of brokers on simulated machines, and the clients that use it.
 *
 * Nodes 0, 1, … are brokers; clients have nodes of their own from 100 on. Everything that happens
 * comes from the seed.
 */
import { BugError, FatalError, reasonOf } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/logger.ts';
import type { Random } from '../../src/base/random.ts';
import { Client } from '../../src/client/client.ts';
import type { KeyValue } from '../../src/config/table.ts';
import { History, type Violation } from '../check/history.ts';
import { formatDisks } from './format.ts';
import { SimClock, WallClock } from './sim-clock.ts';
import { SimNetwork } from './sim-network.ts';
import { SimNode } from './sim-node.ts';
import { chance, chanceFor } from './sim-random.ts';
import { SimProcess, Simulation } from './simulation.ts';

/** Within this time after the last fault everything must be as it should be. */
export const RECOVERY_MS = 45_000;
const FIRST_PORT = 9092;
const FIRST_CLIENT_NODE = 100;
/** How many runs have these. */
const SEVERAL_LOG_DIRS = 0.3;
const RACKS = 0.4;

export interface WorldOptions {
  readonly seed: number;
  readonly brokers: number;
  readonly settings: Readonly<Record<string, KeyValue>>;
}

export class World {
  readonly seed: number;
  readonly simulation: Simulation;
  readonly network: SimNetwork;
  readonly nodes: SimNode[] = [];
  readonly settings: Readonly<Record<string, KeyValue>>;
  readonly history = new History();
  /** Brokers have two log directories each. */
  readonly hasSeveralLogDirs: boolean;
  /** Brokers stand in racks, and readers read where they are. */
  readonly hasRacks: boolean;
  /** Programs that broke off for a reason of their own. */
  readonly crashes: Violation[] = [];
  #clients = 0;

  constructor(options: WorldOptions) {
    this.seed = options.seed;
    this.hasSeveralLogDirs = chance(this.chance('log-dirs'), SEVERAL_LOG_DIRS);
    this.hasRacks = options.brokers > 1 && chance(this.chance('racks'), RACKS);
    this.settings = {
      ...options.settings,
      ...(this.hasRacks
        ? {
            'replica.selector.class': 'org.apache.kafka.common.replica.RackAwareReplicaSelector',
          }
        : {}),
    };
    this.simulation = new Simulation(this.chance('simulation'));
    this.simulation.onThrow = (error, owner) => this.thrown(error, owner);
    this.network = new SimNetwork(this.simulation, this.chance('network'));
    for (let id = 0; id < options.brokers; id++) {
      this.nodes.push(new SimNode(this, id, FIRST_PORT + id));
      this.network.assign(FIRST_PORT + id, id);
    }
    formatDisks(this);
  }

  chance(part: string): Random {
    return chanceFor(this.seed, part);
  }
  note(who: string, text: string): void {
    this.simulation.trace.note(this.simulation.now, who, text);
  }
  get now(): number {
    return this.simulation.now;
  }
  /** Nothing but a finished run is judged: a run that is broken already may stop. */
  get isBroken(): boolean {
    return this.crashes.length > 0;
  }

  /** An exception that nobody caught: the program's thread ends with it. */
  thrown(error: unknown, owner: SimProcess | null): void {
    const who = owner?.name ?? 'world';
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.note(who, `throws: ${text}`);
    const node = this.nodes.find(({ process }) => process === owner && owner !== null);
    if (node !== undefined) this.simulation.kill(owner!);
    if (!(error instanceof FatalError)) {
      this.crashes.push({ checker: 'crash', message: `${who}: ${text}` });
    }
  }

  /** A rejection that nobody handles. Whose it is is not known: events share a turn of the event loop. */
  unhandled(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.note('world', `nobody handles: ${text}`);
    this.crashes.push({ checker: 'crash', message: `nobody handles: ${text}` });
  }

  /** A broker that ends by itself does so for its disk; anything else is a fault of its own. */
  gaveUp(node: SimNode, error: unknown): void {
    const expected = error instanceof FatalError || node.disk.hasFailed || node.isStopping;
    if (expected && !(error instanceof BugError)) return;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.crashes.push({ checker: 'crash', message: `${node.name} gave up: ${text}` });
  }

  /** Some errors tell of a broken program, not of a broken world. */
  complained(node: SimNode, message: string, fields: Readonly<Record<string, unknown>>): void {
    if (!message.includes('for no reason of its own')) return;
    const text = reasonOf(fields['error.stack_trace'] ?? fields['error.message']);
    this.crashes.push({ checker: 'crash', message: `${node.name}: ${message}: ${text}` });
  }

  get bootstrap(): string[] {
    return this.nodes.map(({ port }) => `127.0.0.1:${port}`);
  }

  /** A client on a machine of its own. */
  newClient(name: string): Client {
    const process = new SimProcess(name, FIRST_CLIENT_NODE + this.#clients++);
    const random = this.chance(`client-${name}`);
    const clock = new SimClock(
      this.simulation,
      process,
      new WallClock(0),
      Math.floor(random.next() * 1e6),
    );
    const log = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) =>
      this.note(name, `${level}: ${message} ${reasonOf(fields?.['error.message'] ?? '')}`);
    return new Client({
      bootstrap: this.bootstrap,
      clientId: name,
      transport: this.network.transportFor(process),
      clock,
      random,
      logger: { ...silentLogger, warn: log('warn'), error: log('error') },
      requestTimeoutMs: 4000,
      connectTimeoutMs: 1000,
      reconnectBackoffMs: 50,
      reconnectBackoffMaxMs: 1000,
      retryBackoffMs: 100,
      metadataMaxAgeMs: 10_000,
    });
  }

  /** Does it every `ms`, until the function that it returns is called. */
  every(ms: number, label: string, act: () => void): () => void {
    let isOver = false;
    const again = (): void => {
      this.simulation.after(null, ms, label, () => {
        if (isOver) return;
        act();
        again();
      });
    };
    again();
    return () => {
      isOver = true;
    };
  }

  /** Lets time pass until `done`; false: it was not, within `ms`. */
  async until(ms: number, done: () => boolean): Promise<boolean> {
    const end = this.now + ms;
    let next = this.now;
    let met = false;
    await this.simulation.run(ms, () => {
      if (this.isBroken) return true;
      if (this.now < next) return false;
      next = this.now + 20;
      met = done();
      return met;
    });
    return met || (this.now >= end && done());
  }

  /** Notes whether something has come to pass that had to. */
  expect(what: string, met: boolean, detail = 'not in time'): boolean {
    this.history.expectations.push({ what, met, detail });
    return met;
  }
  /** Waits for it, as long as the cluster may take to recover. */
  async expectSoon(what: string, done: () => boolean): Promise<boolean> {
    return this.expect(what, await this.until(RECOVERY_MS, done));
  }
}
