import type { FatalError } from '../../src/base/errors.ts';
import { reasonOf } from '../../src/base/errors.ts';
import type { Logger } from '../../src/base/logger.ts';
import { Broker, BrokerState } from '../../src/broker/broker.ts';
import type { KeyValue } from '../../src/config/table.ts';
import { MetricsRegistry } from '../../src/observe/registry.ts';
import { formatDisks } from './format.ts';
import { SimClock, WallClock } from './sim-clock.ts';
import { SimDisk } from './sim-disk.ts';
import { between, chanceFor } from './sim-random.ts';
import { SimProcess } from './simulation.ts';
import type { World } from './world.ts';

/** From the command to start a broker until its program runs. */
const START_MS: readonly [number, number] = [20, 150];

/** Fewer than brokers, mostly, so that some share one. */
const RACKS = 3;

/** A machine with a disk and a clock, and the broker that runs on it now and then. */
export class SimNode {
  readonly id: number;
  readonly port: number;
  readonly disk: SimDisk;
  readonly wall: WallClock;
  /** Starts so far. */
  life = 0;
  process: SimProcess | null = null;
  broker: Broker | null = null;
  /** A controlled stop is under way. */
  isStopping = false;
  readonly #world: World;

  constructor(world: World, id: number, port: number) {
    this.#world = world;
    this.id = id;
    this.port = port;
    this.disk = new SimDisk(world.simulation, chanceFor(world.seed, `disk-${id}`));
    this.wall = new WallClock(0);
    this.disk.now = () => this.#world.simulation.now + this.wall.skewMs;
  }

  get name(): string {
    return `b${this.id}`;
  }
  /** Where its broker keeps everything; the first has the metadata. */
  get directories(): readonly string[] {
    const first = `/${this.name}`;
    return this.#world.hasSeveralLogDirs ? [first, `${first}-more`] : [first];
  }
  /** Null: the cluster knows nothing of racks. */
  get rack(): string | null {
    return this.#world.hasRacks ? `rack-${this.id % RACKS}` : null;
  }
  get isUp(): boolean {
    return this.process?.isAlive === true;
  }
  /** It answers clients. */
  get isServing(): boolean {
    return (
      this.isUp && this.process?.isPaused === false && this.broker?.state === BrokerState.running
    );
  }

  start(): void {
    if (this.isUp) return;
    const world = this.#world;
    const { simulation } = world;
    world.network.powered(this.id);
    this.life += 1;
    this.isStopping = false;
    const process = new SimProcess(this.name, this.id);
    this.process = process;
    this.disk.reopened();
    const random = chanceFor(world.seed, `broker-${this.id}-${this.life}`);
    const startMs = Math.floor(random.next() * 1e6);
    const broker = new Broker({
      config: { given: this.#given() },
      disk: this.disk.viewFor(process),
      clock: new SimClock(simulation, process, this.wall, startMs),
      random,
      transport: world.network.transportFor(process),
      logger: this.#logger(),
      registry: new MetricsRegistry(),
      onFatal: (error: FatalError) => this.#exitSoon(process, error),
    });
    this.broker = broker;
    simulation.after(process, between(random, ...START_MS), 'start', () => {
      world.note(this.name, `starts, life ${this.life}`);
      broker.start().catch((error: unknown) => this.#exitSoon(process, error));
    });
  }

  #given(): Record<string, KeyValue> {
    const { nodes, settings } = this.#world;
    const given: Record<string, KeyValue> = {
      'node.id': this.id,
      listeners: [`PLAINTEXT://127.0.0.1:${this.port}`],
      'log.dirs': [...this.directories],
      ...(this.rack === null ? {} : { 'broker.rack': this.rack }),
      ...settings,
    };
    if (nodes.length > 1) {
      given['cluster.brokers'] = nodes.map(({ id, port }) => `${id}@127.0.0.1:${port}`);
    }
    return given;
  }

  #exitSoon(process: SimProcess, error: unknown): void {
    this.#world.note(this.name, `gives up: ${reasonOf(error)}`);
    this.#world.gaveUp(this, error);
    this.#world.simulation.after(process, 0, 'exit', () => this.kill());
  }

  /** kill -9: the page cache stays, and the system closes the connections. */
  kill(): void {
    if (!this.isUp) return;
    this.#world.note(this.name, 'is dead');
    this.#world.simulation.kill(this.process!);
  }

  /** The machine loses power. */
  cutPower(): void {
    this.#world.note(this.name, 'loses power');
    this.#world.network.silence(this.id);
    if (this.isUp) this.#world.simulation.kill(this.process!);
    this.disk.powerCut();
  }

  /** Its disk is gone for good: an empty one is in its place, and the next start finds that. */
  replaceDisk(): void {
    this.kill();
    this.#world.note(this.name, 'gets an empty disk');
    this.disk.replace();
    formatDisks(this.#world, `disk-${this.id}-${this.life}`);
  }

  /** A stop in order; resolves when it is done or the process has died over it. */
  stop(): Promise<void> {
    const { process, broker } = this;
    if (process?.isAlive !== true || broker === null) return Promise.resolve();
    this.isStopping = true;
    this.#world.note(this.name, 'is asked to stop');
    return new Promise((resolve) => {
      process.onDeath.push(resolve);
      this.#world.simulation.after(process, 0, 'stop', () => {
        broker
          .stop()
          .catch((error: unknown) => {
            this.#world.note(this.name, `does not stop cleanly: ${reasonOf(error)}`);
          })
          .finally(() => {
            this.#world.simulation.after(process, 0, 'stopped', () => this.kill());
          });
      });
    });
  }

  #logger(): Logger {
    const log =
      (level: string) =>
      (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
        const details = Object.entries(fields).map(([key, value]) => `${key}=${String(value)}`);
        this.#world.note(this.name, `${level}: ${message} ${details.join(' ')}`);
        if (level === 'error') this.#world.complained(this, message, fields);
      };
    return { debug: () => {}, info: log('info'), warn: log('warn'), error: log('error') };
  }
}
