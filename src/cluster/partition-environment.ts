/** What all partitions of a broker share. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { BrokerImage } from './metadata-image.ts';
import type { Partition } from './partition.ts';
import type { ReplicationStats } from './replication-stats.ts';

/** A change of the replicas in sync that a leader wants from the controller. */
export interface IsrChange {
  readonly kind: 'shrink' | 'expand';
  /** Who is to be in sync; each under the broker epoch that it fetches with, -1: not known. */
  readonly isr: readonly { readonly brokerId: number; readonly brokerEpoch: number }[];
  readonly leaderEpoch: number;
  /** What the change is made from. */
  readonly partitionEpoch: number;
}

/** Takes changes to the controller; the metadata tell of its leave, `isrRefused` of its refusal. */
export interface IsrUpdater {
  submit(partition: Partition, change: IsrChange): void;
}

export interface PartitionEnvironment {
  readonly nodeId: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: ReplicationStats;
  /** `replica.lag.time.max.ms`: longer behind, and a follower is not in sync any more. */
  readonly lagMaxMs: () => number;
  /** What the metadata say of a broker. */
  readonly broker: (id: number) => BrokerImage | undefined;
  /** Null: this broker is alone, the replicas in sync never change. */
  readonly isrUpdater: () => IsrUpdater | null;
}
