/**
 * The groups of one partition of `__consumer_offsets`, and everything that works on them, for one
 * term of this broker as the partition's leader. `ShardHost` says when it begins and ends.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { MarkerBatch } from '../protocol/end-transaction-marker.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { AnyGroup } from './any-group.ts';
import { type Change, readChange } from './consumer/changes.ts';
import { ConsumerGroup } from './consumer/consumer-group.ts';
import { ConsumerGroups } from './consumer/consumer-groups.ts';
import type { GroupOverrides } from './consumer/planning.ts';
import type { TopicHashes } from './consumer/topic-hashes.ts';
import type { AppendProof } from './coordinator-log.ts';
import { Group } from './group.ts';
import { GroupOffsets } from './group-offsets.ts';
import type { GroupProbe } from './group-probe.ts';
import { type RecordVisitor, visitRecord } from './group-records.ts';
import type { GroupSettings } from './group-settings.ts';
import { Membership } from './membership.ts';
import { Offsets, tombstonesOf } from './offsets.ts';
import { Rebalancer } from './rebalancer.ts';
import type { HostedShard } from './shard-host.ts';
import type { ShardLog } from './shard-log.ts';
import type { Timers } from './timers.ts';
import type { TopicDirectory } from './topic-directory.ts';
import { TransactionalOffsets } from './transactional-offsets.ts';

export interface GroupShardOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly probe: GroupProbe;
  readonly settings: GroupSettings;
  readonly groupSettings: GroupOverrides;
  readonly topics: TopicDirectory;
  readonly hashes: TopicHashes;
  readonly timers: Timers;
}

export class GroupShard implements HostedShard {
  readonly groups = new Map<string, AnyGroup>();
  readonly membership: Membership;
  readonly consumers: ConsumerGroups;
  readonly offsets: Offsets;
  readonly #options: GroupShardOptions;
  readonly #log: ShardLog;
  readonly #rebalancer: Rebalancer;
  readonly #transactional = new TransactionalOffsets();
  /** Of the record that is being read: whose transaction it belongs to, and its place. */
  #replayed = { producerId: -1, order: 0 };
  readonly #visitor: RecordVisitor = {
    offset: (groupId, topic, partition, stored) => {
      const { producerId, order } = this.#replayed;
      if (stored === null) {
        this.groups.get(groupId)?.offsets.remove(topic, partition);
        this.#transactional.cancel(groupId, topic, partition);
        return;
      }
      const committed = { ...stored, order };
      if (producerId < 0) this.#known(groupId).offsets.put(topic, partition, committed);
      else this.#transactional.add(producerId, { groupId, topic, partition, committed });
    },
    group: (groupId, stored) => {
      const known = this.groups.get(groupId);
      if (stored !== null) {
        (known?.type === 'classic' ? known : this.create(groupId)).restore(stored);
      } else if (known?.type === 'classic') this.#forgetAllButOffsets(known);
    },
  };

  constructor(options: GroupShardOptions, log: ShardLog) {
    this.#options = options;
    this.#log = log;
    const transactional = this.#transactional;
    const parts = { ...options, store: log, groups: this.groups, transactional };
    this.#rebalancer = new Rebalancer(parts);
    this.membership = new Membership(parts, this.#rebalancer, options.random);
    this.consumers = new ConsumerGroups(parts, this.#rebalancer);
    this.offsets = new Offsets(parts);
  }

  /** A classic group; in the place of one of that name, whose offsets it has then. */
  create(groupId: string): Group {
    const old = this.groups.get(groupId);
    old?.retire();
    const { clock, probe } = this.#options;
    const group = new Group(groupId, clock, probe, old?.offsets);
    this.groups.set(groupId, group);
    return group;
  }

  /** A classic group in the place of a consumer group without members. */
  createInsteadOf(old: ConsumerGroup): Group {
    this.consumers.release(old);
    this.#log.write(
      tombstonesOf(old),
      (code) => {
        // What the log has is the group that is gone here.
        if (code !== ErrorCode.NONE) this.#log.abandon();
      },
      { whole: true },
    );
    return this.create(old.id);
  }

  /** Forgets a group that a failed request left empty. */
  tidy(group: AnyGroup): void {
    if (group.type === 'classic') this.#rebalancer.tidy(group);
    else this.consumers.tidy(group);
  }

  replay(key: Buffer, value: Buffer | null, producerId: number): void {
    this.#replayed = { producerId, order: this.#log.nextOrder() };
    if (visitRecord(key, value, this.#visitor)) return;
    const read = readChange(key, value);
    if (read !== null) this.#replayChange(read.groupId, read.change);
  }

  #replayChange(groupId: string, change: Change): void {
    const known = this.groups.get(groupId);
    if (known?.type === 'consumer') {
      known.apply(change);
      if (change.kind === 'group' && change.value === null) this.#forgetAllButOffsets(known);
    } else if (change.value !== null) {
      const { probe } = this.#options;
      known?.retire();
      const group = new ConsumerGroup(groupId, known?.offsets ?? new GroupOffsets(probe), probe);
      group.enter();
      group.apply(change);
      this.groups.set(groupId, group);
    }
  }

  /** Its offsets have records of their own. */
  #forgetAllButOffsets(group: AnyGroup): void {
    if (group.offsets.isEmpty) {
      group.retire();
      this.groups.delete(group.id);
    } else this.create(group.id);
  }

  /** The offsets of the producer's transaction count from now on, or never. */
  replayMarker(producerId: number, isCommitted: boolean): void {
    for (const { groupId, topic, partition, committed } of this.#transactional.end(producerId)) {
      if (!isCommitted) continue;
      const { offsets } = this.#known(groupId);
      const present = offsets.get(topic, partition);
      // What was committed later, without a transaction or in one that has ended before, stays.
      if (present === null || present.order < committed.order) {
        offsets.put(topic, partition, committed);
      }
    }
  }

  /** Stores the marker, and does what it says; resolves to an error code. */
  endTransaction(marker: MarkerBatch & AppendProof): Promise<number> {
    return new Promise((resolve) => {
      this.#log.writeMarker(marker, (code) => {
        if (code === ErrorCode.NONE) this.replayMarker(marker.producerId, marker.committed);
        resolve(code);
      });
    });
  }

  #known(groupId: string): AnyGroup {
    return this.groups.get(groupId) ?? this.create(groupId);
  }

  /** Everything is read: members' sessions begin. */
  loaded(): void {
    for (const group of [...this.groups.values()]) {
      if (group.type === 'classic') this.#rebalancer.loaded(group);
      else this.consumers.loaded(group);
      this.tidy(group);
    }
  }

  /** Answers everything that waits here with `code`; its log is closed already. */
  close(code: number): void {
    for (const group of this.groups.values()) {
      this.#release(group, code);
      group.retire();
    }
    this.groups.clear();
  }

  #release(group: AnyGroup, code: number): void {
    if (group.type === 'classic') this.#rebalancer.release(group, code);
    else this.consumers.release(group);
  }

  /** Deletes an empty group with its offsets, as an error code. */
  delete(group: AnyGroup): Promise<number> {
    if (group.state !== 'Empty') return Promise.resolve(ErrorCode.NON_EMPTY_GROUP);
    const takeBack = group.type === 'classic' ? revival(group) : (): void => group.enter();
    const tombstones = this.offsets.groupTombstones(group);
    const offsetCount = [...group.offsets.entries()].length;
    // Not those that come while the tombstones are on their way: their records lie behind.
    const open = [...this.#transactional.ofGroup(group.id)];
    // Whoever joins from now on joins a new group, whose records come after the tombstones.
    this.#release(group, ErrorCode.UNKNOWN_MEMBER_ID);
    group.retire();
    this.groups.delete(group.id);
    return new Promise((resolve) => {
      this.#log.write(tombstones, (code) => {
        if (code === ErrorCode.NONE) {
          this.#options.probe.deletedOffsets += offsetCount;
          this.#transactional.takeBack(open);
        } else if (!this.#log.isClosed && !this.groups.has(group.id)) {
          takeBack();
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
      const isWanted = group.type === 'classic' && group.pendingMembers.size > 0;
      if (isAll && group.state === 'Empty' && !isWanted) {
        work.push(this.delete(group));
        this.#options.probe.expiredOffsets += doomed.length;
      } else if (doomed.length > 0) work.push(this.offsets.expire(group, doomed));
    }
    await Promise.all(work);
  }
}

function revival(group: Group): () => void {
  const { stateTimestamp } = group;
  return () => group.revive(stateTimestamp);
}
