/**
 * The broker: what it is made of is started here, in the order in which the parts need each other,
 * and stopped in the reverse.
 *
 * It is ready when it has started: every log is recovered, the metadata are those of the cluster, and
 * the controller has let it in. Until then it serves none but the other brokers.
 * A clean stop answers what is under way, flushes, and leaves the marker that spares the recovery.
 */
import { type Clock, sleep } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import { BugError, FatalError, OperatingError, reasonOf } from '../base/errors.ts';
import type { LevelSwitch, Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Role, RoleStatus } from '../base/role.ts';
import type { Transport } from '../base/transport.ts';
import { Configs, type GivenConfig } from '../cluster/configs.ts';
import { MetadataImage } from '../cluster/metadata-image.ts';
import type { CleaningEngine } from '../log/cleaning-engine.ts';
import type { LogManager } from '../log/log-manager.ts';
import type { MetricsRegistry } from '../observe/registry.ts';
import { ProtocolError } from '../protocol/error-codes.ts';
import type { TlsSettings } from '../security/tls-settings.ts';
import { assembleServices } from './assemble-services.ts';
import { brokerLogs, clusterIdOf } from './broker-logs.ts';
import { brokerStatus, countReplicas } from './broker-status.ts';
import type { ConnectionStats } from './connection-stats.ts';
import { Dispatcher } from './dispatch.ts';
import { handlers } from './handlers/index.ts';
import type { Listener } from './listener.ts';
import { LogDirFailures } from './log-dir-failures.ts';
import { publishMetadata, takeSettings } from './metadata-publisher.ts';
import { registerBrokerMetrics } from './metrics.ts';
import type { BrokerServices } from './services.ts';
import { SocketServer } from './socket-server.ts';

/** Time that a stop gives to what is under way. */
const DRAIN_MS_MAX = 5_000;

/** Time in which the controller moves the leaderships of a broker that stops. */
const SHUT_DOWN_MS_MAX = 5_000;

/** Time that a start gives to the reading of groups and transactions. */
const LOAD_MS_MAX = 2_000;
const LOAD_POLL_MS = 2;

export interface BrokerConfig {
  /** Kafka's broker settings that somebody gave, by name; the others have their defaults. */
  readonly given: GivenConfig;
  /**
   * What the parts of the appliance prove to each other that they belong to it with. Null: nobody
   * does, and whoever reaches this broker is taken for another one when it says so.
   */
  readonly secret?: string | null;
}

export interface BrokerOptions {
  readonly config: BrokerConfig;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: Transport;
  readonly logger: Logger;
  /** Which lines of `logger` are written; by default it cannot be changed. */
  readonly logLevel?: LevelSwitch;
  readonly registry: MetricsRegistry;
  /** Where logs are compacted; absent: on this thread. */
  readonly cleaningEngine?: CleaningEngine;
  /** Told of the TLS of the listener between brokers, from the start on and after every change. */
  readonly onPeerTls?: (settings: TlsSettings) => void;
  /**
   * The broker cannot go on: the disk of its metadata has failed. By default its thread ends with
   * the error, and its supervisor begins anew.
   */
  readonly onFatal?: (error: FatalError) => void;
}

const endThread = (error: FatalError): void => {
  queueMicrotask(() => {
    throw error;
  });
};

/** Kafka's numbers of a broker's state, as its metric has them. */
export const BrokerState = {
  notRunning: 0,
  starting: 1,
  recovery: 2,
  running: 3,
  shuttingDown: 7,
} as const;

export class Broker implements Role {
  readonly #options: BrokerOptions;
  readonly #failures = new LogDirFailures(
    () => this.#services,
    (error) => this.#fatal(error),
  );
  #state: number = BrokerState.notRunning;
  #isStopping = false;
  #sockets: SocketServer | null = null;
  #logs: LogManager | null = null;
  #services: BrokerServices | null = null;

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  get state(): number {
    return this.#state;
  }
  /** Where clients connect, once it has started. */
  get listeners(): readonly { host: string; port: number }[] {
    return this.openListeners.map((listener) => listener.bound);
  }
  /** The listeners themselves, with their connections. */
  get openListeners(): readonly Listener[] {
    return this.#sockets?.listeners ?? [];
  }
  /** For metrics and tests; throws before the start. */
  get services(): BrokerServices {
    if (this.#services === null) throw new FatalError('the broker has not started');
    return this.#services;
  }
  get connectionStats(): ConnectionStats {
    return this.services.connectionStats;
  }

  /** Resolves when it serves, or, asked to stop before it does, when it has noticed that. */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      if (!this.#isStopping || error instanceof BugError) throw error;
      this.#options.logger.info('the broker was asked to stop before it had started', {
        'error.message': reasonOf(error),
      });
      // What was opened when the stop had been there already.
      await this.#sockets?.drain();
      this.#sockets?.stop();
    }
  }

  async #start(): Promise<void> {
    const { config, disk, clock, random, transport, logger, registry } = this.#options;
    const { logLevel = { level: 'info' }, onPeerTls } = this.#options;
    const { given, secret = null } = config;
    this.#state = BrokerState.starting;
    const image = new MetadataImage();
    const nodeId = Number(given['node.id'] ?? 0);
    const configs = new Configs(given, image, nodeId);
    const common = { nodeId, configs, image, disk, clock, random, transport, logger };
    const sockets = new SocketServer({ ...common, secret, onPeerTls });
    this.#sockets = sockets;
    await sockets.secure();
    this.#goOn();

    const clusterId = clusterIdOf(disk, random, configs.list('log.dirs'));
    const logs = brokerLogs({
      ...{ ...common, clusterId, failures: this.#failures },
      cleaningEngine: this.#options.cleaningEngine,
      partitions: () => this.#services?.partitions,
      onDamaged: () => this.#services?.replication.repair.wake(),
    });
    this.#state = BrokerState.recovery;
    await logs.start();
    if (this.#isStopping) logs.abandon();
    this.#goOn();
    this.#logs = logs;

    const services = assembleServices({
      ...{ ...common, clusterId, logs, sockets, logLevel },
      isGuarded: secret !== null,
      isLossTold: (path) => this.#failures.isTold(path),
      onFatal: (error) => this.#fatal(error),
    });
    this.#services = services;
    registerBrokerMetrics(registry, this, services);

    // Brokers of a cluster must reach each other to catch up; one that is alone listens when it serves.
    const dispatcher = new Dispatcher(handlers, services);
    if (services.hasPeers) await sockets.start(dispatcher);
    this.#goOn();
    await this.#join(services);
    if (!services.hasPeers) await sockets.start(dispatcher);
    this.#goOn();
    this.#state = BrokerState.running;
    logger.info('the broker is ready', {
      'weir.cluster.id': services.clusterId,
      'weir.node.id': nodeId,
      'kafka.topics': image.topics.size,
    });
  }

  /** Catches up with the cluster and enters it; clients are served from here on. */
  async #join(services: BrokerServices): Promise<void> {
    const { quorum, lifecycle, replication, serving, logger } = services;
    // Without the disk of the metadata it would wait for ever, or serve and change nothing any more.
    this.#failures.start();
    await quorum.start();
    this.#goOn();
    // As it knew them when it stopped: others may have other certificates since than those of the
    // configuration, too, and would not be reached with these.
    await takeSettings(services);
    await quorum.caughtUp();
    this.#goOn();
    let isRegistered = true;
    try {
      await lifecycle.register();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // A full disk must not keep what is stored from being read: the old terms go on meanwhile.
      logger.error('the start of this broker could not be written down', {
        'error.message': error.message,
      });
      isRegistered = false;
    }
    this.#goOn();
    await publishMetadata(services);
    this.#goOn();
    replication.start();
    if (isRegistered) await lifecycle.unfence();
    else void lifecycle.enterLater();
    this.#goOn();
    this.#failures.reportUnopened(services);
    quorum.onCommitted((delta) => this.#failures.applied(delta, services));
    await this.#coordinatorsLoaded(services);
    this.#goOn();
    serving.now = true;
  }

  /** Between the steps of a start: a stop closes what there is, and nothing is opened behind it. */
  #goOn(): void {
    if (this.#isStopping) throw new OperatingError('stopping', 'it is being stopped');
  }

  /** Whoever connects finds the groups, unless reading them takes long: then it is told to wait. */
  async #coordinatorsLoaded({ groups, transactions, clock }: BrokerServices): Promise<void> {
    const deadline = clock.monotonic() + LOAD_MS_MAX;
    const isLoading = (): boolean => groups.isLoading || transactions.isLoading;
    while (isLoading() && clock.monotonic() < deadline) await sleep(clock, LOAD_POLL_MS);
  }

  /** Also of a broker whose start has failed or is not over. */
  async stop(): Promise<void> {
    if (this.#state === BrokerState.shuttingDown || this.#state === BrokerState.notRunning) return;
    this.#state = BrokerState.shuttingDown;
    this.#isStopping = true;
    this.#failures.stop();
    const sockets = this.#sockets;
    const services = this.#services;
    const isAlone = (services?.quorum.voters.length ?? 1) <= 1;
    // Others lead at once, and wait here no longer; alone, what is under way is carried out first.
    if (!isAlone) await this.#leave();
    await sockets?.drain();
    // Who waits for records or for members would wait in vain.
    services?.fetchPurgatory.completeAll();
    services?.groups.stop();
    services?.transactions.stop();
    await sockets?.drained(DRAIN_MS_MAX);
    if (isAlone) await this.#leave();
    services?.fetchPurgatory.stop();
    sockets?.stop();
    services?.channel.close();
    services?.peers.close();
    services?.partitions.stop();
    await this.#logs?.stop(services?.lifecycle.epoch ?? -1);
    this.#state = BrokerState.notRunning;
  }

  /** Hands over what this broker leads; the others go on without it. */
  async #leave(): Promise<void> {
    const services = this.#services;
    if (services === null) return;
    const { lifecycle, controller, quorum, replication, image, nodeId, serving } = services;
    const others = [...image.brokers.values()].filter(({ id, fenced }) => id !== nodeId && !fenced);
    if (serving.now && others.length > 0) await lifecycle.shutDown(SHUT_DOWN_MS_MAX);
    lifecycle.stop();
    replication.stop();
    controller.stop();
    await quorum.stop();
  }

  /** Told once, and not of what comes of a stop. */
  #fatal(error: FatalError): void {
    if (this.#isStopping) return;
    this.#services?.quorum.abandon();
    const { onFatal = endThread } = this.#options;
    onFatal(error);
  }

  async metrics(): Promise<string> {
    await this.#services?.remoteOffsets.refresh();
    return this.#options.registry.text();
  }

  status(): RoleStatus {
    const services = this.#services;
    return brokerStatus(
      {
        ...countReplicas(services?.partitions.all() ?? []),
        isRunning: this.#state === BrokerState.running,
        isFenced: services?.lifecycle.isFenced ?? true,
      },
      {
        clusterId: services?.clusterId ?? null,
        nodeId: services?.nodeId ?? null,
        listeners: this.listeners.map(({ host, port }) => `${host}:${port}`),
        internal: this.#sockets?.internalAddress,
        topics: services?.image.topics.size ?? 0,
        partitions: services?.image.partitionCount ?? 0,
        connections: this.#sockets?.stats.open ?? 0,
        controllerId: services?.store.leaderId ?? -1,
        isController: services?.store.isActive ?? false,
      },
    );
  }
}
