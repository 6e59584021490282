/** A controller over a metadata log in memory, and brokers that are only their heartbeats. */
import { silentLogger } from '../../../../src/base/logger.ts';
import { seededRandom } from '../../../../src/base/random.ts';
import { Configs, type GivenConfig } from '../../../../src/cluster/configs.ts';
import type { HeartbeatAnswer } from '../../../../src/cluster/controller/broker-liveness.ts';
import { Controller } from '../../../../src/cluster/controller/controller.ts';
import type { BrokerImage, PartitionImage } from '../../../../src/cluster/metadata-image.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { MemoryStore } from '../../../support/memory-store.ts';

export const CLUSTER_ID = 'a-cluster';
export const SESSION_MS = 3_000;
export const GRACE_MS = 150;

export interface Registering {
  readonly incarnation?: string;
  readonly previousEpoch?: number;
  readonly rack?: string | null;
  readonly logDirs?: readonly string[];
  readonly clusterId?: string;
}

/** As many turns as a step takes, and those that follow from it. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

export class Harness {
  readonly store: MemoryStore;
  readonly clock = new ManualClock();
  readonly controller: Controller;
  readonly epochs = new Map<number, number>();
  #lives = 0;

  /** `nodeId` is no broker's, so that none is spared for being the controller's own. */
  constructor(given: GivenConfig = {}, isActive = true, nodeId = 99) {
    this.store = new MemoryStore(nodeId, isActive);
    const { image } = this.store;
    this.controller = new Controller({
      store: this.store,
      nodeId,
      clusterId: CLUSTER_ID,
      configs: new Configs(given, image, nodeId),
      clock: this.clock,
      random: seededRandom(1),
      logger: silentLogger,
    });
  }

  async register(brokerId: number, how: Registering = {}): Promise<number> {
    this.#lives += 1;
    const epoch = await this.controller.registerBroker({
      brokerId,
      clusterId: how.clusterId ?? CLUSTER_ID,
      incarnationId: how.incarnation ?? `life-${this.#lives}`,
      listeners: [
        { name: 'PLAINTEXT', host: '127.0.0.1', port: 9092 + brokerId, securityProtocol: 0 },
      ],
      features: [],
      rack: how.rack ?? null,
      isMigratingZkBroker: false,
      logDirs: [...(how.logDirs ?? [`directory-${brokerId}`])],
      previousBrokerEpoch: how.previousEpoch ?? -1,
    });
    this.epochs.set(brokerId, epoch);
    return epoch;
  }

  heartbeat(
    brokerId: number,
    wants: { fence?: boolean; shutDown?: boolean; offset?: number; offline?: string[] } = {},
    connectionId = brokerId + 100,
  ): Promise<HeartbeatAnswer> {
    return this.controller.heartbeat(
      {
        brokerId,
        brokerEpoch: this.epochs.get(brokerId) ?? -1,
        currentMetadataOffset: wants.offset ?? this.store.lastOffset,
        wantFence: wants.fence ?? false,
        wantShutDown: wants.shutDown ?? false,
        offlineLogDirs: wants.offline ?? [],
      },
      connectionId,
    );
  }

  /** Registered and let in. */
  async join(...ids: readonly number[]): Promise<void> {
    for (const id of ids) {
      await this.register(id);
      await this.heartbeat(id);
    }
  }

  /** One topic with these replicas of each partition. */
  async createTopic(
    name: string,
    assignment: readonly (readonly number[])[],
    configs: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const [outcome] = await this.controller.createTopics(
      [
        {
          name,
          numPartitions: -1,
          replicationFactor: -1,
          assignments: assignment.map((brokerIds, partitionIndex) => ({
            partitionIndex,
            brokerIds,
          })),
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      false,
    );
    if (outcome !== undefined && 'error' in outcome) throw outcome.error;
  }

  partition(name: string, index = 0): PartitionImage {
    return this.store.image.topic(name)!.partitions[index]!;
  }
  broker(id: number): BrokerImage {
    return this.store.image.brokers.get(id)!;
  }
  topicId(name: string): string {
    return this.store.image.topic(name)!.id;
  }

  /** Lets time pass, with heartbeats of those that live. */
  async pass(ms: number, living: readonly number[] = []): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      this.clock.advance(Math.min(left, 100));
      await settled();
      for (const id of living) await this.heartbeat(id);
    }
  }
}
