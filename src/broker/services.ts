/**
 * The parts of a running broker that handlers use. One object a broker, made in
 * `assemble-services.ts`.
 */
import type { Clock } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { AutoTopics } from '../cluster/auto-topics.ts';
import type { BrokerLifecycle } from '../cluster/broker-lifecycle.ts';
import type { Configs } from '../cluster/configs.ts';
import type { Controller } from '../cluster/controller/controller.ts';
import type { ControllerChannel } from '../cluster/controller-channel.ts';
import type { MetadataImage } from '../cluster/metadata-image.ts';
import type { MetadataStore } from '../cluster/metadata-store.ts';
import type { Partitions } from '../cluster/partitions.ts';
import type { NetworkPeers } from '../cluster/peers.ts';
import type { ProducerIds } from '../cluster/producer-ids.ts';
import type { MetadataQuorum } from '../cluster/quorum/metadata-quorum.ts';
import type { RemoteOffsets } from '../cluster/remote-offsets.ts';
import type { Replication } from '../cluster/replication.ts';
import type { GroupCoordinator } from '../coordinator/group-coordinator.ts';
import type { TransactionCoordinator } from '../coordinator/transactions/transaction-coordinator.ts';
import type { LogManager } from '../log/log-manager.ts';
import type { ClientSeries } from '../observe/client-series.ts';
import type { AccessControl } from '../security/access-control.ts';
import type { ClientQuotas } from '../security/client-quotas.ts';
import type { ApiStats } from './api-stats.ts';
import type { ConnectionStats } from './connection-stats.ts';
import type { ControllerApis } from './controller-apis.ts';
import type { FetchSessionCache } from './fetch-session.ts';
import type { BrokerLoggers } from './loggers.ts';
import type { FetchPurgatory } from './purgatory.ts';
import type { SocketServer } from './socket-server.ts';
import type { ClientTelemetry } from './telemetry/client-telemetry.ts';
import type { TelemetryTopic } from './telemetry/telemetry-topic.ts';
import type { TransactionLinks } from './transaction-links.ts';
import type { VerifyingProduces } from './verifying-produces.ts';
import type { MarkerWriter } from './write-markers.ts';

export interface BrokerServices {
  readonly nodeId: number;
  readonly clusterId: string;
  readonly rack: string | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly loggers: BrokerLoggers;
  readonly configs: Configs;
  /** The metadata log, and those who keep it; `image` is its image. */
  readonly store: MetadataStore;
  /** The same, as a member of those who keep it. */
  readonly quorum: MetadataQuorum;
  readonly image: MetadataImage;
  /** Acts only while this broker is the active controller; others go through `channel`. */
  readonly controller: Controller;
  readonly controllerApis: ControllerApis;
  readonly autoTopics: AutoTopics;
  readonly lifecycle: BrokerLifecycle;
  /** To the active controller. */
  readonly channel: ControllerChannel;
  /** Whether this broker has caught up and was let in; until then it serves none but its peers. */
  readonly serving: { now: boolean };
  readonly peers: NetworkPeers;
  /** Whether there are other brokers, in the configuration at least; nobody else speaks their APIs. */
  readonly hasPeers: boolean;
  /** Whether brokers prove that they are some; who has not, is none. */
  readonly isGuarded: boolean;
  readonly partitions: Partitions;
  readonly replication: Replication;
  readonly producerIds: ProducerIds;
  readonly logs: LogManager;
  readonly disk: Disk;
  readonly groups: GroupCoordinator;
  /** Of what groups here read and this broker does not hold. */
  readonly remoteOffsets: RemoteOffsets;
  /** Who may do what; null: everybody may do everything. */
  readonly access: AccessControl | null;
  readonly transactions: TransactionCoordinator;
  readonly transactionLinks: TransactionLinks;
  readonly markers: MarkerWriter;
  readonly verifying: VerifyingProduces;
  /** What clients may use. */
  readonly quotas: ClientQuotas;
  readonly fetchSessions: FetchSessionCache;
  readonly fetchPurgatory: FetchPurgatory;
  /** Produce requests that wait for the device. */
  readonly produceWaits: { count: number };
  /** The listeners, and everything about their connections. */
  readonly sockets: SocketServer;
  /** `sockets.stats`, for hot paths. */
  readonly connectionStats: ConnectionStats;
  /** Which clients push which of their metrics, and what becomes of those (KIP-714). */
  readonly telemetry: ClientTelemetry;
  readonly clientSeries: ClientSeries;
  readonly telemetryTopic: TelemetryTopic;
  /** By API key; dispatch fills it. */
  readonly apiStats: Map<number, ApiStats>;
  /**
   * Settings that hot paths read, looked up once and again when they are changed.
   */
  readonly hot: HotSettings;
}

export interface HotSettings {
  flushOnAcksAll: boolean;
  fetchBytesMax: number;
  autoCreateTopics: boolean;
  /** Bytes of answers that clients have not taken, above which fetches return as little as they may. */
  queuedResponseBytesMax: number;
}
