/**
 * The parts of a running broker that handlers use. One object a broker, made in `broker.ts`.
 */
import type { Clock } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Configs } from '../cluster/configs.ts';
import type { Controller } from '../cluster/controller.ts';
import type { MetadataImage } from '../cluster/metadata-image.ts';
import type { Partitions } from '../cluster/partitions.ts';
import type { ProducerIds } from '../cluster/producer-ids.ts';
import type { GroupCoordinator } from '../coordinator/group-coordinator.ts';
import type { LogManager } from '../log/log-manager.ts';
import type { ApiStats } from './api-stats.ts';
import type { ConnectionStats } from './connection-stats.ts';
import type { FetchSessionCache } from './fetch-session.ts';
import type { FetchPurgatory } from './purgatory.ts';

export interface BrokerServices {
  readonly nodeId: number;
  readonly clusterId: string;
  readonly rack: string | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly configs: Configs;
  readonly image: MetadataImage;
  readonly controller: Controller;
  readonly partitions: Partitions;
  readonly producerIds: ProducerIds;
  readonly logs: LogManager;
  readonly disk: Disk;
  readonly groups: GroupCoordinator;
  readonly fetchSessions: FetchSessionCache;
  readonly fetchPurgatory: FetchPurgatory;
  /** Produce requests that wait for the device. */
  readonly produceWaits: { count: number };
  readonly connectionStats: ConnectionStats;
  /** By API key; dispatch fills it. */
  readonly apiStats: Map<number, ApiStats>;
  /**
   * Settings that hot paths read, looked up once and again when they are changed.
   */
  readonly hot: HotSettings;
  /** Whether `__consumer_offsets` exists; if not, it is being created from now on. */
  offsetsTopicReady(): boolean;
  /** `host:port` of the first listener, as far as it is known. */
  address(): string;
}

export interface HotSettings {
  flushOnAcksAll: boolean;
  fetchBytesMax: number;
  autoCreateTopics: boolean;
  /** Bytes of answers that clients have not taken, above which fetches return as little as they may. */
  queuedResponseBytesMax: number;
}
