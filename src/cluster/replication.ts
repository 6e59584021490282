/**
 * Replication on one broker: a fetcher for every broker that leads partitions which this one
 * follows, and for those that this one leads, the chores: who is in sync, and a word to followers
 * that do not know yet that they have something to fetch. What is damaged of both is mended.
 */
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Configs } from './configs.ts';
import { type ControllerSend, IsrUpdates } from './isr-updates.ts';
import type { Partition } from './partition.ts';
import type { Partitions, RoleListener } from './partitions.ts';
import type { Peers } from './peers.ts';
import { type FetcherSettings, ReplicaFetcher } from './replica-fetcher.ts';
import { ReplicaRepair } from './replica-repair.ts';

/** Fetches of followers that wait at this broker. */
export interface WaitingFetches {
  /** Those of this follower are answered now. */
  hurry(replicaId: number): void;
}

export interface ReplicationOptions {
  readonly nodeId: number;
  readonly partitions: Partitions;
  readonly configs: Configs;
  readonly peers: Peers;
  readonly channel: ControllerSend;
  /** Under which this broker is registered now. */
  readonly brokerEpoch: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly waitingFetches: WaitingFetches;
}

/**
 * A follower's fetch may wait at its new leader when it has nothing to do with the new partition
 * yet: it is sent back to ask anew, first after that time, then less and less often.
 */
const NUDGE_MS = 20;
const NUDGES_MAX = 6;

export class Replication implements RoleListener {
  /** To be told where damage was met. */
  readonly repair: ReplicaRepair;
  readonly #options: ReplicationOptions;
  readonly #settings: FetcherSettings;
  readonly #fetchers = new Map<number, ReplicaFetcher>();
  readonly #fetcherOf = new Map<Partition, ReplicaFetcher>();
  readonly #isrUpdates: IsrUpdates;
  readonly #unheard = new Set<Partition>();
  readonly #lagMaxMs: number;
  #nudges = 0;
  #nudgeTimer: Timer | null = null;
  #reviewTimer: Timer | null = null;
  #stopped = false;

  constructor(options: ReplicationOptions) {
    this.#options = options;
    const { nodeId, partitions, configs, peers, channel, brokerEpoch } = options;
    const { clock, logger } = options;
    this.#settings = {
      partitionBytesMax: configs.number('replica.fetch.max.bytes'),
      responseBytesMax: configs.number('replica.fetch.response.max.bytes'),
      minBytes: configs.number('replica.fetch.min.bytes'),
      waitMs: configs.number('replica.fetch.wait.max.ms'),
      backoffMs: configs.number('replica.fetch.backoff.ms'),
      timeoutMs: configs.number('replica.socket.timeout.ms'),
    };
    this.#lagMaxMs = configs.number('replica.lag.time.max.ms');
    this.#isrUpdates = new IsrUpdates({ nodeId, brokerEpoch, channel, clock, logger });
    this.repair = new ReplicaRepair({ nodeId, partitions, peers, clock, logger });
    partitions.setIsrUpdater(this.#isrUpdates);
    partitions.onRole(this);
  }

  /** Takes up what this broker holds already; later changes come by themselves. */
  start(): void {
    for (const partition of this.#options.partitions.all()) this.roleChanged(partition);
    this.#armReview();
    this.repair.start();
  }

  /** Fetches nothing more, and changes nothing more of who is in sync. */
  stop(): void {
    this.#stopped = true;
    this.#nudgeTimer?.cancel();
    this.#reviewTimer?.cancel();
    this.#isrUpdates.stop();
    this.repair.stop();
    for (const fetcher of this.#fetchers.values()) fetcher.stop();
    this.#fetcherOf.clear();
    this.#unheard.clear();
  }

  get fetchers(): IterableIterator<ReplicaFetcher> {
    return this.#fetchers.values();
  }
  /** Changes of the replicas in sync that wait for the controller. */
  get pendingIsrUpdates(): number {
    return this.#isrUpdates.size;
  }

  roleChanged(partition: Partition): void {
    if (this.#stopped) return;
    this.removed(partition);
    const { leaderId, leadership } = partition;
    if (leadership !== null && leadership.followers.length > 0) this.#expect(partition);
    if (partition.isLeader || leaderId < 0 || partition.isOffline) return;
    const fetcher = this.#fetcher(leaderId);
    this.#fetcherOf.set(partition, fetcher);
    fetcher.add(partition);
  }

  removed(partition: Partition): void {
    this.#unheard.delete(partition);
    this.#fetcherOf.get(partition)?.remove(partition);
    this.#fetcherOf.delete(partition);
  }

  #fetcher(leaderId: number): ReplicaFetcher {
    let fetcher = this.#fetchers.get(leaderId);
    if (fetcher === undefined) {
      const { nodeId, peers, clock, logger, brokerEpoch, partitions } = this.#options;
      fetcher = new ReplicaFetcher({
        nodeId,
        leaderId,
        peers,
        clock,
        logger,
        settings: this.#settings,
        brokerEpoch,
        stats: partitions.replication,
        quota: partitions.followerQuota,
      });
      this.#fetchers.set(leaderId, fetcher);
    }
    return fetcher;
  }

  #armReview(): void {
    this.#reviewTimer = this.#options.clock.after(this.#lagMaxMs / 2, () => {
      if (this.#stopped) return;
      for (const partition of this.#options.partitions.all()) partition.leadership?.review();
      this.#armReview();
    });
  }

  /** Its followers have not fetched in this term. */
  #expect(partition: Partition): void {
    this.#unheard.add(partition);
    this.#nudges = 0;
    if (this.#nudgeTimer === null) this.#armNudge();
  }

  #armNudge(): void {
    const delayMs = NUDGE_MS * 2 ** this.#nudges;
    this.#nudgeTimer = this.#options.clock.after(delayMs, () => {
      this.#nudgeTimer = null;
      this.#nudge();
      this.#nudges += 1;
      if (this.#unheard.size > 0 && this.#nudges < NUDGES_MAX) this.#armNudge();
      else this.#unheard.clear();
    });
  }

  #nudge(): void {
    const missing = new Set<number>();
    for (const partition of this.#unheard) {
      const silent = (partition.leadership?.followers ?? []).filter((f) => !f.hasFetched);
      if (silent.length === 0) this.#unheard.delete(partition);
      for (const { id } of silent) missing.add(id);
    }
    for (const id of missing) this.#options.waitingFetches.hurry(id);
  }
}
