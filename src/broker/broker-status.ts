/** What a broker says of itself: its light, one line for people, and the numbers behind them. */
import type { RoleStatus } from '../base/role.ts';
import type { Partition } from '../cluster/partition.ts';
import { isUnderReplicated } from '../protocol/replication-factor.ts';

/** Replicas of this broker, counted. */
export interface ReplicaCounts {
  readonly replicas: number;
  readonly leaders: number;
  /** Of those it leads: with a replica out of sync, and with fewer in sync than acks=all wants. */
  readonly underReplicated: number;
  readonly underMinIsr: number;
  /** Whose disk has failed. */
  readonly offline: number;
}

type Counted = Pick<Partition, 'isOffline' | 'isLeader' | 'replicas' | 'adding' | 'isr' | 'minIsr'>;

export function countReplicas(partitions: Iterable<Counted>): ReplicaCounts {
  let [replicas, leaders, underReplicated, underMinIsr, offline] = [0, 0, 0, 0, 0];
  for (const partition of partitions) {
    replicas += 1;
    if (partition.isOffline) offline += 1;
    else if (partition.isLeader) {
      leaders += 1;
      if (isUnderReplicated(partition)) underReplicated += 1;
      if (partition.isr.length < partition.minIsr) underMinIsr += 1;
    }
  }
  return { replicas, leaders, underReplicated, underMinIsr, offline };
}

export interface BrokerFacts extends ReplicaCounts {
  readonly isRunning: boolean;
  /** Registered, but not in service. */
  readonly isFenced: boolean;
}

/** The worst that is the case; a broker that lacks a replica still does its work. */
export function brokerStatus(
  facts: BrokerFacts,
  details: Readonly<Record<string, unknown>>,
): RoleStatus {
  const { isRunning, isFenced, replicas, leaders, underReplicated, underMinIsr, offline } = facts;
  const all = { ...details, isFenced, replicas, leaders, underReplicated, underMinIsr, offline };
  const status = (light: RoleStatus['light'], reason: string): RoleStatus => ({
    light,
    reason,
    details: all,
  });
  if (!isRunning) return status('red', 'the broker is not running');
  if (offline > 0) return status('red', `${offline} partitions are offline`);
  if (isFenced) return status('red', 'the controller has taken it out of service');
  if (underMinIsr > 0) {
    return status('yellow', `${underMinIsr} partitions it leads refuse acks=all`);
  }
  if (underReplicated > 0) {
    return status('yellow', `${underReplicated} partitions it leads lack a replica in sync`);
  }
  return status('green', '');
}
