/**
 * The role that runs the connectors of the configuration. It starts whether or not the log and the
 * destinations are there: what is missing is a light and a reason, and everything goes on when it
 * comes. Without a connector nothing but this file is loaded.
 */
import type { Clock } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Role, RoleStatus } from '../base/role.ts';
import type { Settings } from '../config/settings.ts';
import { MetricsRegistry } from '../observe/registry.ts';
import { type MeasuredConnector, registerSinkMetrics, stateOf } from './sink-metrics.ts';

export interface ConnectorsSeams {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
}

/** A connector that runs. */
export interface Connector extends MeasuredConnector {
  /** What the destination says it is, '' before it was reached. */
  product(): string;
  stop(): Promise<void>;
}

export class ConnectorsRole implements Role {
  readonly #settings: Settings;
  readonly #seams: ConnectorsSeams;
  readonly #registry: MetricsRegistry;
  #connectors: Connector[] = [];

  constructor(settings: Settings, seams: ConnectorsSeams) {
    this.#settings = settings;
    this.#seams = seams;
    this.#registry = new MetricsRegistry({ role: 'connectors', clock: seams.clock });
    registerSinkMetrics(this.#registry, () => this.#connectors);
  }

  /** Rejects with a FatalError on a configuration that can not work. */
  async start(): Promise<void> {
    const url = this.#settings.values['connectors.elasticsearch.url'];
    if (url === null) return;
    const { startElasticsearchConnector } = await import('./elasticsearch-connector.ts');
    this.#connectors.push(await startElasticsearchConnector(this.#settings, url, this.#seams));
  }

  async stop(): Promise<void> {
    const connectors = this.#connectors;
    await Promise.all(connectors.map((connector) => connector.stop()));
    this.#connectors = [];
  }

  metrics(): Promise<string> {
    return this.#registry.text();
  }

  status(): RoleStatus {
    const bad = this.#connectors.find((connector) => faultOf(connector) !== '');
    return {
      light: bad === undefined ? 'green' : bad.fatal() === '' ? bad.task.light : 'red',
      reason: bad === undefined ? '' : `${bad.name}: ${faultOf(bad)}`,
      details: { connectors: this.#connectors.map(describe) },
    };
  }
}

const faultOf = (connector: Connector): string =>
  connector.fatal() === '' ? connector.task.fault : connector.fatal();

function describe(connector: Connector): object {
  const { name, task } = connector;
  const { written, duplicates, deadLetters, ignored } = task.probe;
  let lag = 0;
  for (const { highWatermark, committable } of task.assignment.offsets()) {
    lag += Math.max(0, highWatermark - committable);
  }
  return {
    name,
    state: stateOf(connector),
    fault: faultOf(connector),
    destination: connector.product(),
    isOpen: task.shipping.isOpen,
    written,
    duplicates,
    deadLetters,
    ignored,
    lag,
  };
}
