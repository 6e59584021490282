/**
 * The parts of a broker made and introduced to each other. What has a start is not started here:
 * `broker.ts` says in which order. Whoever needs a part that is made after it gets a function that
 * looks it up, to be called from the start on.
 */
import type { Clock } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import type { FatalError } from '../base/errors.ts';
import type { LevelSwitch, Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Transport } from '../base/transport.ts';
import { AutoTopics } from '../cluster/auto-topics.ts';
import { BrokerLifecycle } from '../cluster/broker-lifecycle.ts';
import type { Configs } from '../cluster/configs.ts';
import { Controller } from '../cluster/controller/controller.ts';
import { ControllerChannel } from '../cluster/controller-channel.ts';
import type { MetadataImage } from '../cluster/metadata-image.ts';
import { Partitions } from '../cluster/partitions.ts';
import { NetworkPeers } from '../cluster/peers.ts';
import { allocateProducerIds, ProducerIds } from '../cluster/producer-ids.ts';
import { openQuorum } from '../cluster/quorum/open-quorum.ts';
import { RemoteOffsets } from '../cluster/remote-offsets.ts';
import { Replication } from '../cluster/replication.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../cluster/topic-names.ts';
import { TopicWriter } from '../cluster/topic-writer.ts';
import { TransactionPeers } from '../cluster/transaction-peers.ts';
import { randomUuid } from '../cluster/uuid.ts';
import { GroupCoordinator } from '../coordinator/group-coordinator.ts';
import { TransactionCoordinator } from '../coordinator/transactions/transaction-coordinator.ts';
import type { LogManager } from '../log/log-manager.ts';
import { ClientSeries } from '../observe/client-series.ts';
import { accessControl } from './access-control.ts';
import { groupSettings, hotSettings, transactionSettings } from './broker-settings.ts';
import { ControllerApis } from './controller-apis.ts';
import { FetchSessionCache } from './fetch-session.ts';
import { InternalTopicLog } from './internal-topic-log.ts';
import { BrokerLoggers } from './loggers.ts';
import { FetchPurgatory } from './purgatory.ts';
import type { BrokerServices } from './services.ts';
import type { SocketServer } from './socket-server.ts';
import { ClientTelemetry } from './telemetry/client-telemetry.ts';
import { TelemetryTopic } from './telemetry/telemetry-topic.ts';
import { clientQuotas } from './throttling.ts';
import { TopicDirectoryOfImage } from './topic-directory.ts';
import { TransactionLinks } from './transaction-links.ts';
import { VerifyingProduces } from './verifying-produces.ts';
import { MarkerWriter } from './write-markers.ts';

/** Time for a record of `__transaction_state` to be committed. */
const TRANSACTION_COMMIT_MS_MAX = 5_000;

export interface AssemblyOptions {
  readonly nodeId: number;
  readonly clusterId: string;
  readonly configs: Configs;
  readonly image: MetadataImage;
  /** Opened and recovered. */
  readonly logs: LogManager;
  /** Whether the controller knows what was in the log directory of this path, which is offline, as lost. */
  readonly isLossTold: (path: string) => boolean;
  /** Its keys are read. */
  readonly sockets: SocketServer;
  /** Brokers prove that they are some. */
  readonly isGuarded: boolean;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: Transport;
  readonly logger: Logger;
  readonly logLevel: LevelSwitch;
  /** The broker cannot go on. */
  readonly onFatal: (error: FatalError) => void;
}

/** Opens the log of the metadata; throws FatalError when it can't. */
export function assembleServices(options: AssemblyOptions): BrokerServices {
  const { nodeId, clusterId, configs, image, logs, sockets, isGuarded } = options;
  const { disk, clock, random, logger, logLevel } = options;
  const controllerApis = new ControllerApis(() => services);
  const fetchPurgatory = new FetchPurgatory(clock);
  const cluster = clusterParts(options, controllerApis, fetchPurgatory);
  const { quorum, channel, partitions, peers, rack } = cluster;
  const hot = hotSettings(configs);
  const autoTopics = new AutoTopics({ channel, configs, image, logger });
  const groupsAndTransactions = coordinators(options, cluster, hot);
  const { groups } = groupsAndTransactions;
  const services: BrokerServices = {
    ...{ nodeId, clusterId, rack, isGuarded, clock, random, disk, logger, configs, hot, image },
    ...{ logs, sockets, autoTopics, controllerApis, fetchPurgatory },
    ...cluster,
    ...groupsAndTransactions,
    remoteOffsets: new RemoteOffsets({
      ...{ nodeId, image, partitions, peers },
      wanted: () => groups.lagView(),
    }),
    store: quorum,
    hasPeers: configs.list('cluster.brokers').length > 0,
    serving: { now: false },
    access: accessControl(configs, image, clock, logger),
    verifying: new VerifyingProduces(),
    quotas: clientQuotas(configs, image),
    fetchSessions: new FetchSessionCache(
      configs.number('max.incremental.fetch.session.cache.slots'),
      random,
    ),
    produceWaits: { count: 0 },
    connectionStats: sockets.stats,
    telemetry: new ClientTelemetry({ image, configs, clock, random }),
    clientSeries: new ClientSeries(clock),
    telemetryTopic: new TelemetryTopic({
      topic: () => String(configs.broker('telemetry.topic') ?? ''),
      writer: new TopicWriter({ nodeId, partitions, peers, logger }),
      ...{ image, autoTopics, clock },
    }),
    apiStats: new Map(),
    loggers: new BrokerLoggers(logLevel),
  };
  return services;
}

/** The metadata, who decides about them, and what this broker holds by them. */
function clusterParts(
  options: AssemblyOptions,
  controllerApis: ControllerApis,
  waitingFetches: FetchPurgatory,
) {
  const { nodeId, clusterId, configs, image, logs, sockets, onFatal } = options;
  const { disk, clock, random, transport, logger } = options;
  const security = sockets.securityOfPeer(`broker-${nodeId}`);
  const peers = new NetworkPeers({ nodeId, transport, clock, security, logger });
  const quorum = openQuorum({
    ...{ nodeId, clusterId, configs, logs, image, peers, disk, clock, random, logger, onFatal },
  });
  const channel = new ControllerChannel({
    ...{ nodeId, store: quorum, peers, clock },
    local: (api, version, body, asker) => controllerApis.handleInside(api, version, body, asker),
  });
  const partitions = new Partitions({ logs, configs, logger, nodeId, clock, image });
  const controller = new Controller({
    ...{ store: quorum, nodeId, clusterId, configs, clock, random, logger },
  });
  const rack = configs.broker('broker.rack') as string | null;
  const lifecycle = new BrokerLifecycle({
    ...{ nodeId, clusterId, rack, store: quorum, channel, clock, logger },
    incarnationId: randomUuid(random),
    alone: configs.list('cluster.brokers').length <= 1,
    previousEpoch: logs.previousBrokerEpoch,
    endPoints: () => sockets.endPoints,
    directories: () => directoriesOf(logs, options.isLossTold),
    settings: {
      heartbeatMs: configs.number('broker.heartbeat.interval.ms'),
      sessionMs: configs.number('broker.session.timeout.ms'),
    },
  });
  peers.onLost((id, channel) => {
    controller.peerLost(id);
    if (channel === 'control') lifecycle.connectionLost(id);
  });
  const replication = new Replication({
    ...{ nodeId, partitions, configs, peers, channel, clock, logger, waitingFetches },
    brokerEpoch: () => lifecycle.epoch,
  });
  return { peers, quorum, channel, partitions, controller, rack, lifecycle, replication };
}

/** Groups and transactions, and what they ask of each other. */
function coordinators(
  { nodeId, configs, image, clock, random, logger }: AssemblyOptions,
  { peers, quorum, channel, partitions, lifecycle }: ReturnType<typeof clusterParts>,
  hot: BrokerServices['hot'],
) {
  const markers = new MarkerWriter({ partitions, groups: () => groups, hot, clock });
  const transactionLinks = new TransactionLinks({
    ...{ nodeId, image, partitions, clock, logger },
    peers: new TransactionPeers(peers),
    transactions: () => transactions,
    writeMarkers: (request) => markers.write(request),
  });
  const producerIds = new ProducerIds(() => allocateProducerIds(channel, nodeId, lifecycle.epoch));
  const transactions = new TransactionCoordinator({
    log: new InternalTopicLog({
      ...{ partitions, image, configs, hot, clock },
      topic: TRANSACTIONS_TOPIC,
      partitionsKey: 'transaction.state.log.num.partitions',
      commitMs: TRANSACTION_COMMIT_MS_MAX,
    }),
    nextProducerId: () => producerIds.next(),
    destinations: transactionLinks,
    ...{ clock, logger, settings: transactionSettings(configs) },
  });
  const groups: GroupCoordinator = new GroupCoordinator({
    log: new InternalTopicLog({
      ...{ partitions, image, configs, hot, clock },
      topic: OFFSETS_TOPIC,
      partitionsKey: 'offsets.topic.num.partitions',
      commitMs: configs.number('offsets.commit.timeout.ms'),
    }),
    transactions: transactionLinks,
    topics: new TopicDirectoryOfImage(quorum),
    mayAnswer: () => lifecycle.hasSession,
    ...{ clock, random, logger, settings: groupSettings(configs) },
    groupSettings: (groupId, name) => Number(configs.group(groupId, name)),
  });
  return { markers, transactionLinks, producerIds, transactions, groups };
}

function directoriesOf(
  logs: LogManager,
  isLossTold: (path: string) => boolean,
): { online: string[]; offline: string[] } {
  const online: string[] = [];
  const offline: string[] = [];
  for (const { path, directoryId, failure } of logs.directories()) {
    if (failure === null) online.push(directoryId);
    else if (isLossTold(path)) offline.push(directoryId);
  }
  return { online, offline };
}
