/**
 * The groups of one partition of `__consumer_offsets`, and everything that works on them, for one
 * term of this broker as the partition's leader. `ShardHost` says when it begins and ends.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import { Group } from './group.ts';
import type { GroupProbe } from './group-probe.ts';
import { type RecordVisitor, visitRecord } from './group-records.ts';
import type { GroupSettings } from './group-settings.ts';
import { Membership } from './membership.ts';
import { Offsets } from './offsets.ts';
import { Rebalancer } from './rebalancer.ts';
import type { HostedShard } from './shard-host.ts';
import type { ShardLog } from './shard-log.ts';
import type { Timers } from './timers.ts';

export interface GroupShardOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly probe: GroupProbe;
  readonly settings: GroupSettings;
  readonly timers: Timers;
}

export class GroupShard implements HostedShard {
  readonly groups = new Map<string, Group>();
  readonly membership: Membership;
  readonly offsets: Offsets;
  readonly #options: GroupShardOptions;
  readonly #log: ShardLog;
  readonly #rebalancer: Rebalancer;
  readonly #visitor: RecordVisitor = {
    offset: (groupId, topic, partition, committed) => {
      if (committed === null) this.groups.get(groupId)?.offsets.remove(topic, partition);
      else this.#known(groupId).offsets.put(topic, partition, committed);
    },
    group: (groupId, stored) => {
      if (stored !== null) return this.#known(groupId).restore(stored);
      this.groups.get(groupId)?.retire();
      this.groups.delete(groupId);
    },
  };

  constructor(options: GroupShardOptions, log: ShardLog) {
    this.#options = options;
    this.#log = log;
    const parts = { ...options, store: log, groups: this.groups };
    this.#rebalancer = new Rebalancer(parts);
    this.membership = new Membership(parts, this.#rebalancer, options.random);
    this.offsets = new Offsets(parts);
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

  replay(key: Buffer, value: Buffer | null): void {
    visitRecord(key, value, this.#visitor);
  }

  /** Everything is read: members' sessions begin. */
  loaded(): void {
    for (const group of [...this.groups.values()]) {
      this.#rebalancer.loaded(group);
      this.tidy(group);
    }
  }

  #known(groupId: string): Group {
    return this.groups.get(groupId) ?? this.create(groupId);
  }

  /** Answers everything that waits here with `code`; its log is closed already. */
  close(code: number): void {
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
      this.#log.write(tombstones, (code) => {
        if (code === ErrorCode.NONE) {
          this.#options.probe.deletedOffsets += tombstones.length - 1;
        } else if (!this.#log.isClosed && !this.groups.has(group.id)) {
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
