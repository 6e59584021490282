/**
 * The partitions of `__consumer_offsets` that this broker looks after, each with its shard.
 *
 * Leadership may come and go faster than a partition loads; epochs keep the order: an older load or
 * unload never undoes a newer one.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { CoordinatorLog } from './coordinator-log.ts';
import type { GroupProbe } from './group-probe.ts';
import type { GroupSettings } from './group-settings.ts';
import { Shard } from './shard.ts';
import { Timers } from './timers.ts';

export interface ShardsOptions {
  readonly log: CoordinatorLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly probe: GroupProbe;
  readonly settings: GroupSettings;
}

/** The shard that holds a group, or why there is none. */
export type Route = Shard | number;

export class Shards {
  readonly #options: ShardsOptions;
  readonly #timers: Timers;
  readonly #shards = new Map<number, Shard>();
  #isStopped = false;

  constructor(options: ShardsOptions) {
    this.#options = options;
    this.#timers = new Timers(options.clock);
  }

  get isLoading(): boolean {
    return [...this.#shards.values()].some((shard) => shard.isLoading);
  }

  partitionFor(groupId: string): number {
    return this.#options.log.partitionFor(groupId);
  }

  async load(partition: number, epoch: number): Promise<void> {
    const present = this.#shards.get(partition);
    if (this.#isStopped || (present !== undefined && present.epoch >= epoch)) return;
    present?.close(ErrorCode.NOT_COORDINATOR);
    const shard = new Shard({ ...this.#options, timers: this.#timers, partition, epoch });
    this.#shards.set(partition, shard);
    try {
      await shard.load();
    } catch (error) {
      if (this.#shards.get(partition) === shard) this.#shards.delete(partition);
      shard.close(ErrorCode.NOT_COORDINATOR);
      throw error;
    }
  }

  unload(partition: number, epoch: number): void {
    const shard = this.#shards.get(partition);
    if (shard === undefined || shard.epoch > epoch) return;
    this.#shards.delete(partition);
    shard.close(ErrorCode.NOT_COORDINATOR);
  }

  stop(): void {
    this.#isStopped = true;
    for (const partition of [...this.#shards.keys()]) this.unload(partition, Infinity);
  }

  /** Those that serve. */
  active(): Shard[] {
    return [...this.#shards.values()].filter((shard) => !shard.isLoading);
  }

  route(groupId: string): Route {
    if (this.#isStopped) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    const shard = this.#shards.get(this.partitionFor(groupId));
    if (shard === undefined) return ErrorCode.NOT_COORDINATOR;
    return shard.isLoading ? ErrorCode.COORDINATOR_LOAD_IN_PROGRESS : shard;
  }

  /** Members can't belong to a group without a name; only offsets can. */
  routeMember(groupId: string): Route {
    return groupId === '' ? ErrorCode.INVALID_GROUP_ID : this.route(groupId);
  }

  /** Whether there is no room for one more group; counts the refusal. */
  refusesNewGroup(): boolean {
    const { probe, settings } = this.#options;
    if (probe.groupCount < settings.groupsMax) return false;
    probe.refusedGroups++;
    return true;
  }
}
