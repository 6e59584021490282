/**
 * The broker: logs, metadata, coordinator and listeners put together, in the order in which they
 * need each other, and taken apart in the reverse.
 *
 * It is ready when it has started: every log is recovered, the metadata are those of the cluster, and
 * the controller has let it in. Until then it serves none but the other brokers.
 * A clean stop answers what is under way, flushes, and leaves the marker that spares the recovery.
 */
import { type Clock, sleep } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import { BugError, FatalError, reasonOf } from '../base/errors.ts';
import type { LevelSwitch, Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Role, RoleStatus } from '../base/role.ts';
import { TimerWheel } from '../base/timer-wheel.ts';
import type { Transport } from '../base/transport.ts';
import { AutoTopics } from '../cluster/auto-topics.ts';
import { BrokerLifecycle } from '../cluster/broker-lifecycle.ts';
import { Configs, type GivenConfig } from '../cluster/configs.ts';
import { Controller } from '../cluster/controller/controller.ts';
import { type Asker, ControllerChannel } from '../cluster/controller-channel.ts';
import { type LostReplica, reportLostReplicas } from '../cluster/lost-replicas.ts';
import {
  type MetadataDelta,
  MetadataImage,
  ResourceType,
  type TopicImage,
} from '../cluster/metadata-image.ts';
import { Partitions } from '../cluster/partitions.ts';
import { NetworkPeers } from '../cluster/peers.ts';
import { allocateProducerIds, ProducerIds } from '../cluster/producer-ids.ts';
import { openQuorum } from '../cluster/quorum/open-quorum.ts';
import { Replication } from '../cluster/replication.ts';
import { METADATA_TOPIC, OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../cluster/topic-names.ts';
import { TopicWriter } from '../cluster/topic-writer.ts';
import { TransactionPeers } from '../cluster/transaction-peers.ts';
import { randomUuid } from '../cluster/uuid.ts';
import { interBrokerName } from '../config/inter-broker-listener.ts';
import { LONG_MAX } from '../config/table.ts';
import { GroupCoordinator } from '../coordinator/group-coordinator.ts';
import type { GroupSettings, MigrationPolicy } from '../coordinator/group-settings.ts';
import { TransactionCoordinator } from '../coordinator/transactions/transaction-coordinator.ts';
import { BufferPool } from '../log/buffer-pool.ts';
import type { CleanerSettings } from '../log/log-cleaner.ts';
import { LogManager } from '../log/log-manager.ts';
import { readMetaProperties } from '../log/meta-properties.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { ClientSeries } from '../observe/client-series.ts';
import type { MetricsRegistry } from '../observe/registry.ts';
import type { Api } from '../protocol/apis.ts';
import { ProtocolError } from '../protocol/error-codes.ts';
import { BROKER, principalTold } from '../security/principal.ts';
import { accessControl } from './access-control.ts';
import { brokerStatus, countReplicas } from './broker-status.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import { ConnectionRates } from './connection-rates.ts';
import { ConnectionStats } from './connection-stats.ts';
import { followTopic } from './coordinator-leadership.ts';
import { Dispatcher } from './dispatch.ts';
import { FetchSessionCache } from './fetch-session.ts';
import { type ConnectionInfo, RequestContext } from './handler.ts';
import { handlers } from './handlers/index.ts';
import { InternalTopicLog } from './internal-topic-log.ts';
import { Listener } from './listener.ts';
import { type ListenerAddress, listenerAddresses } from './listener-address.ts';
import { ListenerSecurity } from './listener-security.ts';
import { BrokerLoggers } from './loggers.ts';
import { registerBrokerMetrics } from './metrics.ts';
import { FetchPurgatory } from './purgatory.ts';
import { RequestMemory } from './request-memory.ts';
import type { BrokerServices, HotSettings } from './services.ts';
import { ClientTelemetry } from './telemetry/client-telemetry.ts';
import { TelemetryTopic } from './telemetry/telemetry-topic.ts';
import { clientQuotas } from './throttling.ts';
import { changedTopics, TopicDirectoryOfImage } from './topic-directory.ts';
import { TransactionLinks } from './transaction-links.ts';
import { VerifyingProduces } from './verifying-produces.ts';
import { MarkerWriter } from './write-markers.ts';

/** Idle buffers of requests that are kept for the next ones, in bytes. */
const REQUEST_POOL_BYTES_MAX = 16 * 1024 * 1024;

/** Answers that clients have not taken, above which fetches return as little as they may. */
const QUEUED_RESPONSE_BYTES_MAX = 64 * 1024 * 1024;

/** Time that a stop gives to what is under way. */
const DRAIN_MS_MAX = 5_000;
const DRAIN_POLL_MS = 20;

/** Time in which the controller moves the leaderships of a broker that stops. */
const SHUT_DOWN_MS_MAX = 5_000;

/** Time that a start gives to the reading of groups and transactions. */
const LOAD_MS_MAX = 2_000;
const LOAD_POLL_MS = 2;

/** Time for a record of `__transaction_state` to be committed. */
const TRANSACTION_COMMIT_MS_MAX = 5_000;

/** Resolution of the deadlines of connections. */
const CONNECTION_TICK_MS = 100;

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
  readonly #stats = new ConnectionStats();
  #state: number = BrokerState.notRunning;
  #services: BrokerServices | null = null;
  /** It enters a cluster of several brokers. */
  #isJoining = false;
  #logs: LogManager | null = null;
  #listeners: Listener[] = [];
  #securities: ListenerSecurity[] = [];
  /** Name of the listener for parts of the appliance. */
  #internal = '';
  #connectionTimers: TimerWheel | null = null;

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  get state(): number {
    return this.#state;
  }
  /** Where clients connect, once it has started. */
  get listeners(): readonly { host: string; port: number }[] {
    return this.#listeners.map((listener) => listener.bound);
  }
  /** The listeners themselves, with their connections. */
  get openListeners(): readonly Listener[] {
    return this.#listeners;
  }
  /** For metrics and tests; throws before the start. */
  get services(): BrokerServices {
    if (this.#services === null) throw new FatalError('the broker has not started');
    return this.#services;
  }
  get connectionStats(): ConnectionStats {
    return this.#stats;
  }

  async start(): Promise<void> {
    const { config, logger, registry } = this.#options;
    this.#state = BrokerState.starting;
    const given = config.given;
    const image = new MetadataImage();
    const nodeId = Number(given['node.id'] ?? 0);
    const configs = new Configs(given, image, nodeId);
    const { addresses, open, internal } = listenerAddresses({
      listeners: configs.list('listeners'),
      advertised: configs.list('advertised.listeners'),
      protocols: configs.list('listener.security.protocol.map'),
      insecure: configs.boolean('insecure'),
      internal: interBrokerName((key) => configs.broker(key)),
      setting: (listener, key) => configs.listener(listener, key),
    });
    for (const { name, host, port } of open) {
      logger.warn('this listener is open to everybody who reaches it', {
        'weir.listener': name,
        'server.address': host,
        'server.port': port,
      });
    }
    this.#internal = internal;
    await this.#secure(addresses, configs, image);
    const services = await this.#assemble(configs, image, nodeId);
    this.#services = services;
    const memory = new RequestMemory(configs.number('queued.max.request.bytes'));
    registerBrokerMetrics(registry, this, services, memory);
    // Brokers of a cluster must reach each other to catch up; one that is alone listens when it serves.
    if (services.hasPeers) await this.#listen(addresses, services, memory);
    await this.#join(services);
    if (!services.hasPeers) await this.#listen(addresses, services, memory);
    this.#state = BrokerState.running;
    logger.info('the broker is ready', {
      'weir.cluster.id': services.clusterId,
      'weir.node.id': nodeId,
      'kafka.topics': image.topics.size,
    });
  }

  /** What the listeners need to know their clients; a key that is missing ends the start early. */
  async #secure(
    addresses: readonly ListenerAddress[],
    configs: Configs,
    image: MetadataImage,
  ): Promise<void> {
    const { disk, clock, random, logger, config } = this.#options;
    for (const address of addresses) {
      this.#securities.push(
        await ListenerSecurity.open({
          ...{ address, configs, image, disk, clock, random, logger },
          isInternal: address.name === this.#internal,
          secret: config.secret ?? null,
        }),
      );
    }
  }

  async #assemble(configs: Configs, image: MetadataImage, nodeId: number): Promise<BrokerServices> {
    const { disk, clock, random, logger } = this.#options;
    const clusterId = this.#clusterId(configs.list('log.dirs'));
    const logs = await this.#openLogs(configs, nodeId, clusterId);
    const { transport, config } = this.#options;
    const security = this.#securities
      .find(({ name }) => name === this.#internal)!
      .ofPeer(`broker-${nodeId}`);
    const peers = new NetworkPeers({ nodeId, transport, clock, security, logger });
    const quorum = openQuorum({
      ...{ nodeId, clusterId, configs, logs, image, peers, disk, clock, random, logger },
      onFatal: (error) => this.#fatal(error),
    });
    const channel = new ControllerChannel({
      nodeId,
      store: quorum,
      peers,
      clock,
      local: async (api, version, body, asker) =>
        this.#controllerRequest(api, version, body, insideOf(asker), asker?.clientId ?? '') ??
        Promise.reject(noSay(api)),
    });
    const partitions = new Partitions({ logs, configs, logger, nodeId, clock, image });
    const hot: HotSettings = hotSettings(configs);
    const controller = new Controller({
      store: quorum,
      nodeId,
      clusterId,
      configs,
      clock,
      random,
      logger,
    });
    peers.onLost((id) => controller.peerLost(id));
    const rack = configs.broker('broker.rack') as string | null;
    const lifecycle = new BrokerLifecycle({
      nodeId,
      clusterId,
      incarnationId: randomUuid(random),
      rack,
      alone: configs.list('cluster.brokers').length <= 1,
      previousEpoch: logs.previousBrokerEpoch,
      endPoints: () => this.#listeners.map((listener) => listener.endPoint),
      directories: () => directoriesOf(logs),
      store: quorum,
      channel,
      clock,
      logger,
      settings: {
        heartbeatMs: configs.number('broker.heartbeat.interval.ms'),
        sessionMs: configs.number('broker.session.timeout.ms'),
      },
    });
    const logOf = { partitions, image, configs, hot, clock };
    const markers = new MarkerWriter({ partitions, groups: () => groups, hot, clock });
    const transactionLinks = new TransactionLinks({
      ...{ nodeId, image, partitions, logger },
      peers: new TransactionPeers(peers),
      transactions: () => transactions,
      writeMarkers: (request) => markers.write(request),
    });
    const producerIds = new ProducerIds(() =>
      allocateProducerIds(channel, nodeId, lifecycle.epoch),
    );
    const transactions = new TransactionCoordinator({
      log: new InternalTopicLog({
        ...logOf,
        topic: TRANSACTIONS_TOPIC,
        partitionsKey: 'transaction.state.log.num.partitions',
        commitMs: TRANSACTION_COMMIT_MS_MAX,
      }),
      nextProducerId: () => producerIds.next(),
      destinations: transactionLinks,
      clock,
      logger,
      settings: transactionSettings(configs),
    });
    const groups: GroupCoordinator = new GroupCoordinator({
      log: new InternalTopicLog({
        ...logOf,
        topic: OFFSETS_TOPIC,
        partitionsKey: 'offsets.topic.num.partitions',
        commitMs: configs.number('offsets.commit.timeout.ms'),
      }),
      transactions: transactionLinks,
      topics: new TopicDirectoryOfImage(quorum),
      mayAnswer: () => lifecycle.hasSession,
      clock,
      random,
      logger,
      settings: groupSettings(configs),
      groupSettings: (groupId, name) => Number(configs.group(groupId, name)),
    });
    const fetchPurgatory = new FetchPurgatory(clock);
    const replication = new Replication({
      nodeId,
      partitions,
      configs,
      peers,
      channel,
      brokerEpoch: () => lifecycle.epoch,
      clock,
      logger,
      waitingFetches: fetchPurgatory,
    });
    const autoTopics = new AutoTopics(channel, configs, logger);
    const services: BrokerServices = {
      nodeId,
      clusterId,
      rack,
      clock,
      random,
      logger,
      configs,
      store: quorum,
      quorum,
      image,
      controller,
      autoTopics,
      lifecycle,
      channel,
      peers,
      hasPeers: configs.list('cluster.brokers').length > 0,
      isGuarded: typeof config.secret === 'string',
      serving: { now: false },
      controllerRequest: (api, version, body, connection, clientId) =>
        this.#controllerRequest(api, version, body, connection, clientId),
      partitions,
      producerIds,
      logs,
      disk,
      groups,
      access: accessControl(configs, image, clock, logger),
      transactions,
      transactionLinks,
      markers,
      verifying: new VerifyingProduces(),
      quotas: clientQuotas(configs, image),
      fetchSessions: new FetchSessionCache(
        configs.number('max.incremental.fetch.session.cache.slots'),
        random,
      ),
      fetchPurgatory,
      replication,
      produceWaits: { count: 0 },
      telemetry: new ClientTelemetry({ image, configs, clock, random }),
      clientSeries: new ClientSeries(clock),
      telemetryTopic: new TelemetryTopic({
        topic: () => String(configs.broker('telemetry.topic') ?? ''),
        writer: new TopicWriter({ nodeId, partitions, peers, logger }),
        ...{ image, autoTopics, clock },
      }),
      connectionStats: this.#stats,
      certificates: () =>
        this.#securities.flatMap(({ name, tls }) => {
          const expiresAtMs = tls?.certificate?.expiresAtMs;
          return expiresAtMs === undefined ? [] : [{ listener: name, expiresAtMs }];
        }),
      apiStats: new Map(),
      hot,
      loggers: new BrokerLoggers(this.#options.logLevel ?? { level: 'info' }),
      internalTopicReady: (topic) => this.#internalTopicReady(topic),
      address: () => {
        const { host, port } = this.listeners[0] ?? { host: '', port: 0 };
        return `${host}:${port}`;
      },
    };
    return services;
  }

  /** Catches up with the cluster and enters it; clients are served from here on. */
  async #join(services: BrokerServices): Promise<void> {
    // Alone, it still lets what is stored be read; of several, it would wait for ever.
    this.#isJoining = services.configs.list('cluster.brokers').length > 1;
    const { image, quorum, lifecycle, partitions, groups, transactions, serving, logger } =
      services;
    await quorum.start();
    await quorum.caughtUp();
    let isRegistered = true;
    try {
      await lifecycle.register();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // A full disk must not keep what is stored from being read: the old terms go on.
      logger.error('the start of this broker could not be written down', {
        'error.message': error.message,
      });
      isRegistered = false;
    }
    followTopic(partitions, OFFSETS_TOPIC, groups);
    followTopic(partitions, TRANSACTIONS_TOPIC, transactions);
    partitions.load(image);
    services.telemetry.subscriptionsChanged(image.configured(ResourceType.clientMetrics));
    services.replication.start();
    quorum.onCommitted((delta) => this.#committed(services, delta));
    if (isRegistered) await lifecycle.unfence();
    this.#reportUnopened(services);
    await this.#coordinatorsLoaded(services);
    serving.now = true;
    this.#isJoining = false;
  }

  /** Whoever connects finds the groups, unless reading them takes long: then it is told to wait. */
  async #coordinatorsLoaded({ groups, transactions, clock }: BrokerServices): Promise<void> {
    const deadline = clock.monotonic() + LOAD_MS_MAX;
    const isLoading = (): boolean => groups.isLoading || transactions.isLoading;
    while (isLoading() && clock.monotonic() < deadline) await sleep(clock, LOAD_POLL_MS);
  }

  /** Acts on a step of the metadata log that is committed. */
  #committed(services: BrokerServices, delta: MetadataDelta): void {
    const { image, configs, hot, partitions } = services;
    if (delta.brokerSettings.size > 0) {
      Object.assign(hot, hotSettings(configs));
      for (const security of this.#securities) void security.reload();
    }
    partitions.apply(delta, image);
    const changed = changedTopics(delta, image);
    if (changed.length > 0) services.groups.topicsChanged(changed, delta.createdTopics.size > 0);
    services.telemetry.subscriptionsChanged(delta.clientMetrics);
    for (const topic of delta.removedTopics) this.#topicDeleted(topic);
  }

  async #openLogs(configs: Configs, nodeId: number, clusterId: string): Promise<LogManager> {
    const { disk, clock, random, logger } = this.#options;
    const logs = new LogManager({
      disk,
      clock,
      random,
      logger,
      dirs: configs.list('log.dirs'),
      brokerId: nodeId,
      clusterId,
      configFor: (topic) => configs.logConfig(topic),
      retentionCheckMs: configs.number('log.retention.check.interval.ms'),
      checkpointMs: configs.number('log.flush.offset.checkpoint.interval.ms'),
      cleanerSettings: () => cleanerSettings(configs),
      replicatedTo: ({ topic, partition }) =>
        this.#services?.partitions.get(topic, partition)?.replicatedTo ?? 0,
      producerIdExpirationMs: () => configs.number('producer.id.expiration.ms'),
      moveBytesPerSecond: () => moveRate(configs),
      onMoved: (former, log) => this.#services?.partitions.logMoved(former, log),
      onDirectoryOffline: (path, held) => this.#directoryFailed(path, held),
    });
    this.#state = BrokerState.recovery;
    await logs.start();
    this.#logs = logs;
    return logs;
  }

  #directoryFailed(path: string, held: readonly PartitionLog[]): void {
    for (const { topic, partition } of held) {
      // Whoever waits for one of its partitions is told at once.
      this.#services?.partitions.get(topic, partition)?.touched();
    }
    if (this.#state !== BrokerState.running && !this.#isJoining) return;
    if (!held.some(({ topic }) => topic === METADATA_TOPIC)) {
      this.#reportLost(this.services, held);
      return;
    }
    this.#fatal(new FatalError(`the log folder ${path}, which holds the metadata, has failed`));
  }

  /** What may lie in a directory that is offline from the start on cannot be led by this broker. */
  #reportUnopened(services: BrokerServices): void {
    const { logs, partitions } = services;
    if (logs.directories().every(({ failure }) => failure === null)) return;
    const unopened = [...partitions.all()].filter((one) => one.isOffline && !one.isOpening);
    this.#reportLost(
      services,
      unopened.map(({ topicId, index }) => ({ topicId, partition: index })),
    );
  }

  #reportLost(services: BrokerServices, lost: readonly LostReplica[]): void {
    const { channel, logger, nodeId, lifecycle } = services;
    const brokerEpoch = lifecycle.epoch;
    reportLostReplicas(lost, { channel, logger, brokerId: nodeId, brokerEpoch });
  }

  /** Told once, and not of what comes of a stop. */
  #fatal(error: FatalError): void {
    if (this.#state === BrokerState.shuttingDown) return;
    this.#services?.quorum.abandon();
    const { onFatal = endThread } = this.#options;
    onFatal(error);
  }

  /** That of the data, or a new one where there is none. */
  #clusterId(dirs: readonly string[]): string {
    const { disk, random } = this.#options;
    if (dirs.length === 0) throw new FatalError('log.dirs: no folder is given');
    for (const dir of dirs) {
      const owner = readMetaProperties(disk, dir);
      if (owner !== null) return owner.clusterId;
    }
    return randomUuid(random);
  }

  async #listen(
    addresses: readonly ListenerAddress[],
    services: BrokerServices,
    memory: RequestMemory,
  ): Promise<void> {
    const { transport, clock, logger } = this.#options;
    const { configs } = services;
    const timers = new TimerWheel(clock, { tickMs: CONNECTION_TICK_MS, slots: 512 });
    this.#connectionTimers = timers;
    const dispatcher = new Dispatcher(handlers, services);
    const pool = new BufferPool(REQUEST_POOL_BYTES_MAX);
    const rates = new ConnectionRates(configs, services.image, clock);
    this.#listeners = addresses.map(
      (address, i) =>
        new Listener({
          address,
          security: this.#securities[i]!,
          transport,
          dispatcher,
          limits: connectionLimits(configs),
          stats: this.#stats,
          pool,
          memory,
          clock,
          timers,
          logger,
          connectionsMax: () => configs.number('max.connections'),
          rates,
        }),
    );
    for (const listener of this.#listeners) await listener.start();
  }

  #controllerRequest(
    api: Api,
    version: number,
    body: unknown,
    connection: ConnectionInfo,
    clientId: string,
  ): Promise<unknown> | null {
    const handle = handlers.find((known) => known.api.key === api.key)?.controller ?? null;
    if (handle === null) return null;
    const now = this.#options.clock.monotonic();
    const context = new RequestContext(
      ...([version, 0, clientId, connection, this.services, now, api.name] as const),
    );
    return Promise.resolve(handle(body, context));
  }

  #internalTopicReady(topic: string): boolean {
    const { image, autoTopics } = this.services;
    if (image.topic(topic) !== undefined) return true;
    autoTopics.create([topic]);
    return false;
  }

  #topicDeleted(topic: TopicImage): void {
    const { groups, logger } = this.services;
    if (topic.name === OFFSETS_TOPIC) return;
    groups.topicDeleted(topic.name, topic.id).catch((error: unknown) => {
      logger.warn('offsets of a deleted topic could not be removed', {
        'kafka.topic': topic.name,
        'error.message': reasonOf(error),
      });
    });
  }

  async stop(): Promise<void> {
    if (this.#state === BrokerState.shuttingDown || this.#state === BrokerState.notRunning) return;
    this.#state = BrokerState.shuttingDown;
    const services = this.#services;
    const isAlone = (services?.quorum.voters.length ?? 1) <= 1;
    // Others lead at once, and wait here no longer; alone, what is under way is carried out first.
    if (!isAlone) await this.#leave();
    for (const listener of this.#listeners) await listener.drain();
    // Who waits for records or for members would wait in vain.
    services?.fetchPurgatory.completeAll();
    services?.groups.stop();
    services?.transactions.stop();
    await this.#drained();
    if (isAlone) await this.#leave();
    services?.fetchPurgatory.stop();
    for (const listener of this.#listeners) listener.stop();
    for (const security of this.#securities) security.stop();
    this.#connectionTimers?.clear();
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

  /** Waits until every request that had come is answered, for a while. */
  async #drained(): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + DRAIN_MS_MAX;
    const busy = (): boolean =>
      this.#listeners.some((listener) =>
        [...listener.connections].some((connection) => connection.isBusy),
      );
    while (busy() && clock.monotonic() < deadline) {
      await new Promise<void>((resolve) => clock.after(DRAIN_POLL_MS, resolve));
    }
  }

  /** Where parts of the appliance reach it. */
  #internalAddress(): string | undefined {
    const listener = this.#listeners.find(({ name }) => name === this.#internal);
    if (listener === undefined) return undefined;
    const { host, port } = listener.bound;
    return `${host}:${port}`;
  }

  metrics(): Promise<string> {
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
        internal: this.#internalAddress(),
        topics: services?.image.topics.size ?? 0,
        partitions: services?.image.partitionCount ?? 0,
        connections: this.#stats.open,
        controllerId: services?.store.leaderId ?? -1,
        isController: services?.store.isActive ?? false,
      },
    );
  }
}

/** Requests of this broker to itself. */
const INSIDE: ConnectionInfo = {
  id: -1,
  remote: 'inside',
  clientHost: 'inside',
  listener: '',
  advertised: { host: '', port: 0 },
  principal: BROKER,
  rights: null,
  sasl: null,
  meters: null,
  softwareName: '',
  softwareVersion: '',
  softwareKey: '',
  onClosed: null,
};

/** Those of a client that came by way of this broker, which became the controller meanwhile. */
const insideOf = (asker: Asker | null): ConnectionInfo => ({
  ...INSIDE,
  ...(asker !== null && {
    clientHost: asker.clientHost,
    principal: principalTold(asker.principal.type, asker.principal.name),
  }),
});

const directoriesOf = (logs: LogManager): { online: string[]; offline: string[] } => {
  const ids = (isOnline: boolean): string[] =>
    logs
      .directories()
      .filter(({ failure }) => (failure === null) === isOnline)
      .map(({ directoryId }) => directoryId);
  return { online: ids(true), offline: ids(false) };
};

const noSay = (api: Api): BugError => new BugError(`the controller does not decide ${api.name}`);

const hotSettings = (configs: Configs): HotSettings => ({
  flushOnAcksAll: configs.boolean('log.flush.on.acks.all'),
  fetchBytesMax: configs.number('fetch.max.bytes'),
  autoCreateTopics: configs.boolean('auto.create.topics.enable'),
  queuedResponseBytesMax: QUEUED_RESPONSE_BYTES_MAX,
});

const moveRate = (configs: Configs): number => {
  const rate = configs.number('replica.alter.log.dirs.io.max.bytes.per.second');
  return rate >= LONG_MAX ? Number.POSITIVE_INFINITY : rate;
};

const cleanerSettings = (configs: Configs): CleanerSettings => {
  return {
    enabled: configs.boolean('log.cleaner.enable'),
    backoffMs: configs.number('log.cleaner.backoff.ms'),
    bytesPerSecond: configs.number('log.cleaner.io.max.bytes.per.second'),
    dedupeBytes: configs.number('log.cleaner.dedupe.buffer.size'),
    loadFactor: configs.number('log.cleaner.io.buffer.load.factor'),
    ioBytes: configs.number('log.cleaner.io.buffer.size'),
  };
};

const connectionLimits = (configs: Configs): ConnectionLimits => ({
  requestBytesMax: configs.number('socket.request.max.bytes'),
  unknownBytesMax: configs.number('sasl.server.max.receive.size'),
  queuedResponseBytesMax: configs.number('connections.queued.response.max.bytes'),
  queuedRequestsMax: configs.number('connections.queued.requests.max'),
  idleMs: configs.number('connections.max.idle.ms'),
  firstRequestMs: configs.number('connections.first.request.max.ms'),
  authenticationMs: configs.number('connections.authentication.max.ms'),
  requestMs: configs.number('connections.request.max.ms'),
});

const groupSettings = (configs: Configs): Partial<GroupSettings> => ({
  minSessionTimeoutMs: configs.number('group.min.session.timeout.ms'),
  maxSessionTimeoutMs: configs.number('group.max.session.timeout.ms'),
  initialRebalanceDelayMs: configs.number('group.initial.rebalance.delay.ms'),
  groupMaxSize: configs.number('group.max.size'),
  consumerSessionTimeoutMs: configs.number('group.consumer.session.timeout.ms'),
  consumerHeartbeatIntervalMs: configs.number('group.consumer.heartbeat.interval.ms'),
  consumerGroupMaxSize: configs.number('group.consumer.max.size'),
  consumerAssignors: configs.list('group.consumer.assignors'),
  consumerMigrationPolicy: configs.broker('group.consumer.migration.policy') as MigrationPolicy,
  consumerAssignmentIntervalMs: configs.number('group.consumer.assignment.interval.ms'),
  consumerRegexRefreshIntervalMs: configs.number('group.consumer.regex.refresh.interval.ms'),
  offsetMetadataMaxBytes: configs.number('offset.metadata.max.bytes'),
  offsetsRetentionMs: configs.number('offsets.retention.minutes') * 60_000,
  offsetsRetentionCheckIntervalMs: configs.number('offsets.retention.check.interval.ms'),
});

const transactionSettings = (configs: Configs) => ({
  maxTimeoutMs: configs.number('transaction.max.timeout.ms'),
  idExpirationMs: configs.number('transactional.id.expiration.ms'),
  abortIntervalMs: configs.number('transaction.abort.timed.out.transaction.cleanup.interval.ms'),
  expireIntervalMs: configs.number('transaction.remove.expired.transaction.cleanup.interval.ms'),
});
