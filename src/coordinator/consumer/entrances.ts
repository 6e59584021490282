/**
 * Finds the consumer group that a request is for, and makes it where it may: a group that has nobody
 * in it becomes one of whichever type its first member speaks.
 */
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { AnyGroup } from '../any-group.ts';
import type { Group } from '../group.ts';
import { GroupOffsets } from '../group-offsets.ts';
import { groupTombstone } from '../group-records.ts';
import type { Rebalancer } from '../rebalancer.ts';
import type { StoredRecord } from '../shard-log.ts';
import { ConsumerGroup } from './consumer-group.ts';
import type { Conversions } from './conversions.ts';
import type { Fencing } from './fencing.ts';
import { notFound } from './not-found.ts';
import type { ConsumerParts } from './planning.ts';

/** A group that a request may change; where it is new, it is nobody else's before `enter`. */
export interface Entrance {
  readonly group: ConsumerGroup;
  /** What the log has to be told before what the request brings. */
  readonly records: readonly StoredRecord[];
  /** The request holds: the group is one of the shard's from now on. */
  enter(): void;
  /** The log has not taken it. */
  failed(): void;
}

export class Entrances {
  readonly #parts: ConsumerParts;
  readonly #rebalancer: Rebalancer;
  readonly #fencing: Fencing;
  readonly #conversions: Conversions;

  constructor(
    parts: ConsumerParts,
    rebalancer: Rebalancer,
    fencing: Fencing,
    conversions: Conversions,
  ) {
    this.#parts = parts;
    this.#rebalancer = rebalancer;
    this.#fencing = fencing;
    this.#conversions = conversions;
  }

  /** The group, which must be a consumer group; throws GROUP_ID_NOT_FOUND. */
  consumer(groupId: string): ConsumerGroup {
    const group = this.#parts.groups.get(groupId);
    if (group?.type === 'consumer') return group;
    throw notFound(
      group === undefined
        ? `Group ${groupId} not found.`
        : `Group ${groupId} is not a consumer group.`,
    );
  }

  /** The group for a heartbeat; one that joins may have it made. */
  forConsumer(groupId: string, isJoining: boolean): Entrance {
    const { groups } = this.#parts;
    const known = groups.get(groupId);
    if (known?.type === 'consumer') return this.#present(known);
    if (!isJoining) {
      throw notFound(
        known === undefined
          ? `Consumer group ${groupId} not found.`
          : `Group ${groupId} is not a consumer group.`,
      );
    }
    if (known === undefined) return this.#made(groupId);
    return known.state === 'Empty' ? this.#replaced(known) : this.#upgraded(known);
  }

  #present(group: ConsumerGroup): Entrance {
    return { group, records: [], enter: () => {}, failed: () => this.tidy(group) };
  }

  #made(groupId: string): Entrance {
    const { groups, probe, settings } = this.#parts;
    if (groups.size >= settings.groupsMax || probe.groupCount >= settings.groupsMax) {
      probe.refusedGroups++;
      throw new ProtocolError(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    }
    const group = new ConsumerGroup(groupId, new GroupOffsets(probe), probe);
    return {
      group,
      records: [],
      enter: () => {
        group.enter();
        groups.set(groupId, group);
      },
      failed: () => this.tidy(group),
    };
  }

  /** A consumer group in the place of a classic one without members; its offsets stay. */
  #replaced(classic: Group): Entrance {
    const { groups, probe, store } = this.#parts;
    const group = new ConsumerGroup(classic.id, classic.offsets, probe);
    return {
      group,
      records: [groupTombstone(classic.id)],
      enter: () => {
        this.#rebalancer.release(classic, ErrorCode.UNKNOWN_MEMBER_ID);
        classic.retire();
        group.enter();
        groups.set(group.id, group);
      },
      // What the log has is the classic group, which is gone here.
      failed: () => store.abandon(),
    };
  }

  /** The classic group with its members, as a consumer group. */
  #upgraded(classic: Group): Entrance {
    const { group, records } = this.#conversions.upgraded(classic);
    return {
      group,
      records,
      enter: () => {
        this.#conversions.upgrade(classic, group);
        this.#fencing.loaded(group);
      },
      failed: () => this.#parts.store.abandon(),
    };
  }

  /** Lets a group go that nobody would miss. */
  tidy(group: AnyGroup): void {
    if (!group.isUnused || this.#parts.groups.get(group.id) !== group) return;
    this.#parts.groups.delete(group.id);
    group.retire();
  }
}
