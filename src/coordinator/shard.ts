/**
 * The groups of one partition of `__consumer_offsets`, and everything that works on them.
 *
 * It is loading, then active, then closed for good: when the partition comes back to this broker it
 * gets a new one, so nothing that was under way in the old one can touch the new one.
 */

import type { Random } from '../base/random.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import { Group } from './group.ts';
import type { GroupSettings } from './group-settings.ts';
import type { GroupStoreOptions } from './group-store.ts';
import { GroupStore } from './group-store.ts';
import { Membership } from './membership.ts';
import { Offsets } from './offsets.ts';
import { Rebalancer } from './rebalancer.ts';
import type { Timers } from './timers.ts';

export interface ShardOptions extends GroupStoreOptions {
  /** The leader epoch of the partition that this shard stands for. */
  readonly epoch: number;
  readonly settings: GroupSettings;
  readonly timers: Timers;
  readonly random: Random;
}

export class Shard {
  readonly epoch: number;
  readonly groups = new Map<string, Group>();
  readonly membership: Membership;
  readonly offsets: Offsets;
  isLoading = true;

  readonly #options: ShardOptions;
  readonly #store: GroupStore;
  readonly #rebalancer: Rebalancer;

  constructor(options: ShardOptions) {
    this.epoch = options.epoch;
    this.#options = options;
    this.#store = new GroupStore(options);
    const parts = { ...options, store: this.#store, groups: this.groups };
    this.#rebalancer = new Rebalancer(parts);
    this.membership = new Membership(parts, this.#rebalancer, options.random);
    this.offsets = new Offsets(parts);
  }

  get isClosed(): boolean {
    return this.#store.isClosed;
  }

  create(groupId: string): Group {
    const group = new Group(groupId, this.#options.clock, this.#options.probe);
    this.groups.set(groupId, group);
    return group;
  }

  /** Forgets a group that a failed request left empty. */
  tidy(group: Group): void {
    this.#rebalancer.tidy(group);
  }

  /** Reads the log; then members' sessions begin. */
  async load(): Promise<void> {
    await this.#store.replay({
      offset: (groupId, topic, partition, committed) => {
        if (committed === null) this.groups.get(groupId)?.offsets.remove(topic, partition);
        else this.#known(groupId).offsets.put(topic, partition, committed);
      },
      group: (groupId, stored) => {
        if (stored !== null) return this.#known(groupId).restore(stored);
        this.groups.get(groupId)?.retire();
        this.groups.delete(groupId);
      },
    });
    if (this.isClosed) return;
    for (const group of [...this.groups.values()]) {
      this.#rebalancer.loaded(group);
      this.tidy(group);
    }
    this.isLoading = false;
  }

  #known(groupId: string): Group {
    return this.groups.get(groupId) ?? this.create(groupId);
  }

  /** Answers everything that waits here with `code`, and writes nothing any more. */
  close(code: number): void {
    this.#store.close();
    for (const group of this.groups.values()) {
      this.#rebalancer.release(group, code);
      group.retire();
    }
    this.groups.clear();
  }

  /** Deletes an empty group with its offsets, as an error code. */
  delete(group: Group): Promise<number> {
    if (group.state !== 'Empty') return Promise.resolve(ErrorCode.NON_EMPTY_GROUP);
    const { stateTimestamp } = group;
    const tombstones = this.offsets.groupTombstones(group);
    // Whoever joins from now on joins a new group, whose records come after the tombstones.
    this.#rebalancer.release(group, ErrorCode.UNKNOWN_MEMBER_ID);
    group.retire();
    this.groups.delete(group.id);
    return new Promise((resolve) => {
      this.#store.write(tombstones, (code) => {
        if (code === ErrorCode.NONE) {
          this.#options.probe.deletedOffsets += tombstones.length - 1;
        } else if (!this.isClosed && !this.groups.has(group.id)) {
          group.revive(stateTimestamp);
          this.groups.set(group.id, group);
        }
        resolve(code);
      });
    });
  }

  /** Forgets the offsets whose retention is over, and the groups that have nothing else. */
  async expire(): Promise<void> {
    const work: Promise<unknown>[] = [];
    for (const group of [...this.groups.values()]) {
      const { doomed, isAll } = this.offsets.expired(group);
      const isOver = isAll && group.state === 'Empty' && group.pendingMembers.size === 0;
      if (isOver) {
        work.push(this.delete(group));
        this.#options.probe.expiredOffsets += doomed.length;
      } else if (doomed.length > 0) work.push(this.offsets.expire(group, doomed));
    }
    await Promise.all(work);
  }
}
